"""Which lineage stands behind what a report shows, and the file to ask after."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.errors import InputError
from workflow_scripts.hashing import md5
from workflow_scripts.lineage.graph import Lineage, read_lineage

DIGITS = 12


@dataclass(frozen=True)
class Origin:
    """A file that a report shows, and the first digits of its lineage's hash."""

    path: str
    digest: str


def origins(study: str, files: Mapping[str, Path]) -> dict[str, Origin]:
    """The origin of each file that has one, by the name that the page gives it.

    There is none without records (scripts called by hand), for a file that is none of the study's,
    and for one that has changed since its record was written. Paths are taken from the current
    folder, the project's root, as in records.
    """
    try:
        lineage = read_lineage(Path(), study)
    except InputError:
        return {}
    return {
        name: Origin(path.as_posix(), lineage.digest(path.as_posix())[:DIGITS])
        for name, path in files.items()
        if is_recorded(lineage, path)
    }


def is_recorded(lineage: Lineage, path: Path) -> bool:
    """Whether a file is what its record says."""
    output = lineage.output(path.as_posix())
    return output is not None and md5(path) == output.md5
