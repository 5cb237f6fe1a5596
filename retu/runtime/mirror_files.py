"""Local files that a job reads and no rule made: a mirror's or the user's; its record has them."""

from pathlib import Path

READ: dict[tuple[str, str], Path] = {}
"""Folder (of the mirror, or the file's own) and path below it -> the file."""
OWN: set[tuple[str, str]] = set()
"""Those that the study names itself."""


def note_source(folder: Path, path: Path, own: bool = False) -> None:
    """Have the record of this job tell of a file; `path` lies below `folder`."""
    name = (str(folder), path.relative_to(folder).as_posix())
    READ[name] = path
    if own:
        OWN.add(name)
