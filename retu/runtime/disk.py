"""What a disk refuses, in one line: which disk, how much is free, what to do."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})
DENIED_ERRORS = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
# Libraries written in C++ and Rust tell of a full disk in a text alone.
FULL_TEXTS = ("No space left on device", "os error 28", "Disk quota exceeded", "os error 122")
MIB = 2**20
MIN_FREE_BYTES = MIB
"""Bytes: with less free, a disk counts as full."""
RERUN_REMEDY = "run the same command again: finished work is kept"
WRITTEN_FOLDERS = ("results", "data", "lineage", ".snakemake")


def explain_disk_error(error: BaseException) -> str | None:
    """One line for an error that a disk caused, whatever was raised from it; None for another."""
    for cause in list_causes(error):
        if is_full_error(cause):
            return describe_full_disk(getattr(cause, "filename", None))
        if isinstance(cause, OSError) and cause.errno in DENIED_ERRORS and cause.filename:
            return (
                f"{cause.filename}: cannot be written or read ({cause.strerror}); make it"
                f" accessible to you, or take another folder, then {RERUN_REMEDY}"
            )
    return None


def list_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from or while handling, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def is_full_error(error: BaseException) -> bool:
    """Whether an error says that a disk or a quota is used up."""
    if isinstance(error, OSError) and error.errno in FULL_ERRORS:
        return True
    return any(text in str(error) for text in FULL_TEXTS)


def describe_full_disk(path: str | os.PathLike[str] | None, needed: int | None = None) -> str:
    """The line of a full disk.

    Args:
        path: what was being written; None takes the fullest of the disks that a run writes to.
        needed: bytes that the work still takes, if that is known.
    """
    place = find_existing_path(Path(path)) if path else find_fullest_folder(list_written_folders())
    named = f"{path}: " if path else ""
    usage = shutil.disk_usage(place)
    need = f"; the study needs about {format_size(needed)} more" if needed is not None else ""
    free, total = format_size(usage.free), format_size(usage.total)
    return (
        f"{named}no room on the disk of {find_mount_point(place)} ({free} of {total} free, unless"
        f" a quota leaves less{need}); make room there and {RERUN_REMEDY}"
    )


def format_size(number: int) -> str:
    """Bytes in words."""
    return f"{number / MIB:,.0f} MiB" if number < 1024 * MIB else f"{number / 1024 / MIB:,.1f} GiB"


def list_written_folders(root: Path | None = None) -> list[Path]:
    """The folders that a run in `root` writes to, as far as they are there."""
    root = root or Path.cwd()
    state = Path(os.environ.get("RETU_STATE", ".state"))
    named = [root / name for name in WRITTEN_FOLDERS] + [root / state, Path(tempfile.gettempdir())]
    return [find_existing_path(path) for path in named]


def find_existing_path(path: Path) -> Path:
    """The path itself or the nearest folder above it that is there."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def find_fullest_folder(folders: list[Path]) -> Path:
    """The folder whose disk has the least free."""
    return min(folders, key=lambda folder: shutil.disk_usage(folder).free)


def find_full_folder(root: Path) -> Path | None:
    """A folder that a run in `root` writes to and whose disk is full, None if there is none."""
    place = find_fullest_folder(list_written_folders(root))
    return place if shutil.disk_usage(place).free < MIN_FREE_BYTES else None


def find_mount_point(path: Path) -> Path:
    """Where the disk of a path is mounted."""
    path = path.resolve()
    return next((place for place in (path, *path.parents) if place.is_mount()), path)
