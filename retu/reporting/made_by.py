"""The origin of the files that a report shows: hash of the lineage, versions of the libraries."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retu.core.errors import InputError
from retu.core.hashing import compute_md5
from retu.lineage.graph.record_graph import Lineage, read_lineage

HASH_DIGITS = 12
UNLOCKED_TITLE = "not as locked"
COMMIT_TITLE = "commit of this project"


@dataclass(frozen=True)
class FileOrigin:
    """A file that a report shows, and the first digits of its lineage's hash."""

    path: str
    digest: str


def find_origins(study: str, files: Mapping[str, Path]) -> dict[str, FileOrigin]:
    """The origin of each file that has one, by the name that the page gives it.

    A file has no origin if there are no records (scripts called by hand), if it does not belong to
    the study, or if it has changed since its record was written. Paths are taken from the current
    folder, the project's root, as in records.
    """
    try:
        lineage = read_lineage(Path(), study)
    except InputError:
        return {}
    return {
        name: FileOrigin(path.as_posix(), lineage.digest_lineage(path.as_posix())[:HASH_DIGITS])
        for name, path in files.items()
        if is_recorded(lineage, path)
    }


def is_recorded(lineage: Lineage, path: Path) -> bool:
    """Whether a file is what its record says."""
    output = lineage.find_output(path.as_posix())
    return output is not None and compute_md5(path) == output.md5


def find_unlocked_versions(study: str) -> dict[str, str]:
    """The libraries that jobs of a study have loaded in other versions than are locked, in a line.

    Empty when there are none, or no records. The line stands among the versions of a report.
    """
    try:
        records = list(read_lineage(Path(), study).records.values())
    except InputError:
        return {}
    found = Counter(
        f"{name} {versions}"
        for record in records
        for name, versions in record.environment.differs.items()
    )
    jobs = (f"{words} ({count} of {len(records)} jobs)" for words, count in sorted(found.items()))
    return {UNLOCKED_TITLE: "; ".join(jobs)} if found else {}


def read_versions(study: str, versions: Mapping[str, Any], made: Path) -> dict[str, Any]:
    """What a page says of versions: of libraries, those that differ, and the commit of a file.

    Args:
        study: whose records are read.
        versions: of the libraries.
        made: the file whose commit counts, from the current folder.
    """
    return {**versions, **find_unlocked_versions(study), **find_commit(study, made)}


def find_commit(study: str, made: Path) -> dict[str, str]:
    """The git commit at which a file was made, as a line; empty without records or git."""
    try:
        lineage = read_lineage(Path(), study)
    except InputError:
        return {}
    job = lineage.find_producer(made.as_posix())
    git = lineage.records[job].git if job else None
    if git is None or git.commit is None:
        return {}
    changed = " with local changes" if git.dirty else ""
    return {COMMIT_TITLE: f"{git.commit[:HASH_DIGITS]}{changed}"}
