"""Local files that a job reads and no rule has made: those of a mirror. Its record names them."""

from pathlib import Path

READ: dict[tuple[str, str], Path] = {}
"""Folder of the mirror and path below it -> the file."""


def note_source(folder: Path, path: Path) -> None:
    """Have the record of this job tell of a file of a mirror; `path` lies below `folder`."""
    READ[str(folder), path.relative_to(folder).as_posix()] = path
