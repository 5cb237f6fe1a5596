"""What a disk refuses, in one line: which disk, how much is free, what to do."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
# Libraries written in C++ and Rust tell of a full disk in a text alone.
FULL_TEXTS = ("No space left on device", "os error 28", "Disk quota exceeded", "os error 122")
MIB = 2**20
NEARLY_FULL = MIB
"""Bytes: with less free, a disk counts as full."""
AGAIN = "run the same command again: finished work is kept"
AFFECTED = ("results", "data", "lineage", ".snakemake")


def explain_disk_error(error: BaseException) -> str | None:
    """One line for an error that a disk caused, whatever was raised from it; None for another."""
    for cause in list_causes(error):
        if is_full(cause):
            return describe_full(getattr(cause, "filename", None))
        if isinstance(cause, OSError) and cause.errno in REFUSED and cause.filename:
            return (
                f"{cause.filename}: cannot be written or read ({cause.strerror}); make it"
                f" accessible to you, or take another folder, then {AGAIN}"
            )
    return None


def list_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from or while handling, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk or a quota is used up."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return any(text in str(error) for text in FULL_TEXTS)


def describe_full(path: str | os.PathLike[str] | None, needed: int | None = None) -> str:
    """The line of a full disk.

    Args:
        path: what was being written; None takes the fullest of the disks that a run writes to.
        needed: bytes that the work still takes, if that is known.
    """
    place = find_existing(Path(path)) if path else find_fullest(list_written_folders())
    named = f"{path}: " if path else ""
    usage = shutil.disk_usage(place)
    need = f"; the study needs about {format_size(needed)} more" if needed is not None else ""
    free, total = format_size(usage.free), format_size(usage.total)
    return (
        f"{named}no room on the disk of {find_mount_point(place)} ({free} of {total} free, unless"
        f" a quota leaves less{need}); make room there and {AGAIN}"
    )


def format_size(number: int) -> str:
    """Bytes in words."""
    return f"{number / MIB:,.0f} MiB" if number < 1024 * MIB else f"{number / 1024 / MIB:,.1f} GiB"


def list_written_folders(root: Path | None = None) -> list[Path]:
    """The folders that a run in `root` writes to, as far as they are there."""
    root = root or Path.cwd()
    state = Path(os.environ.get("RETU_STATE", ".state"))
    named = [root / name for name in AFFECTED] + [root / state, Path(tempfile.gettempdir())]
    return [find_existing(path) for path in named]


def find_existing(path: Path) -> Path:
    """The path itself or the nearest folder above it that is there."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def find_fullest(folders: list[Path]) -> Path:
    """The folder whose disk has the least free."""
    return min(folders, key=lambda folder: shutil.disk_usage(folder).free)


def find_full_folder(root: Path) -> Path | None:
    """A folder that a run in `root` writes to and whose disk is full, None if there is none."""
    place = find_fullest(list_written_folders(root))
    return place if shutil.disk_usage(place).free < NEARLY_FULL else None


def find_mount_point(path: Path) -> Path:
    """Where the disk of a path is mounted."""
    path = path.resolve()
    return next((place for place in (path, *path.parents) if place.is_mount()), path)
