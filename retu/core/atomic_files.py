"""Writing files and folders so that readers see all of one or nothing."""

import errno
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from retu.core.errors import InputError

TEMPORARY = re.compile(r"^\..+\.(?P<pid>\d+)(?:-\d+)?\.tmp$")
"""Names of what is on its way in: `.NAME.PID-COUNT.tmp`, once `.NAME.PID.tmp`."""
_name_counter = itertools.count()
# What the moves below fail with when another process has just moved or removed the same thing.
OVERTAKEN = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY)


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is on its way in, or was left by a killed process."""
    return TEMPORARY.match(name) is not None


def make_temporary_path(path: Path) -> Path:
    """A name beside `path` that nothing has, for what is on its way in or out."""
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_name_counter)}.tmp")


def replace_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it in: never half a file.

    Raises:
        InputError: another process removed the temporary file, or put a folder there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = make_temporary_path(path)
    try:
        write(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        with explain_race(path):
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` fill a temporary folder beside `folder`, then move it in: never half of it.

    Raises:
        InputError: another process has just put its own there.
    """
    temporary = make_temporary_path(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        fill(temporary)
        if folder.is_symlink():
            # Restored from Snakemake's cache: the link goes, what it points to stays.
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        with explain_race(folder):
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def explain_race(path: Path) -> Iterator[None]:
    """Turn a move that another process was quicker with into one line.

    Raises:
        InputError: says which file or folder two processes write.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in OVERTAKEN:
            raise
        raise InputError(
            f"{path}: another process writes it at the same time ({error.strerror}); let one of"
            " the two end, then run the same command again"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    replace_atomically(path, lambda p: p.write_text(text, encoding="utf-8"))
