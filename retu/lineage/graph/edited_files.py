"""Outputs and local inputs that are not what the records say, found without reading all again."""

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retu.core.hash_memory import HashCache
from retu.core.hashing import list_changed_names, list_files_below
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.record import Artefact, JobRecord, MirrorFile


@dataclass(frozen=True)
class EditedFile:
    """A file that is not as a job's record tells: an output of it, or (`source`) what it read."""

    path: str
    problem: str
    job: str
    source: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def find_edits(root: Path, lineage: Lineage, jobs: Iterable[str]) -> list[EditedFile]:
    """Hold the outputs and local inputs of jobs against their records, in the order of the jobs.

    A local input of which there is no copy here is left alone: the job may have run elsewhere.
    """
    memory = HashCache(root, lineage.study)
    records = [lineage.records[job] for job in jobs]
    wanted = {made.path: list_files_below(root / made.path) for r in records for made in r.outputs}
    sources = {(s.folder, s.path): locate_source(root, s) for r in records for s in r.sources}
    named = [name_from_root(root, path) for paths in wanted.values() for path in paths]
    hashes = memory.get_hashes([*named, *(place for place in sources.values() if place)])
    memory.save_hashes()
    edits: list[EditedFile] = []
    for record in records:
        for made in record.outputs:
            edits += find_output_edits(root, record, made, wanted[made.path], hashes)
        for source in record.sources:
            place = sources[source.folder, source.path]
            if place and hashes[place] != source.md5:
                problem = f"is not what {record.rule} read"
                edits.append(EditedFile(place, problem, record.path, source=True))
    return edits


def name_from_root(root: Path, path: Path) -> str:
    """A path as seen from the root."""
    return path.relative_to(root).as_posix()


def find_output_edits(
    root: Path,
    record: JobRecord,
    made: Artefact,
    paths: Sequence[Path],
    hashes: Mapping[str, str | None],
) -> Iterator[EditedFile]:
    """What is wrong with an output, given its files and their hashes as they are now."""
    target = root / made.path
    if not target.exists() or target.is_dir() != made.is_folder:
        kind = "folder" if target.is_dir() else "file"
        there = f"a {kind} now" if target.exists() else "not there"
        yield EditedFile(made.path, f"is {there}; {record.rule} made it", record.path)
        return
    if not made.is_folder:
        if hashes[made.path] != made.md5:
            yield EditedFile(made.path, f"is not what {record.rule} wrote", record.path)
        return
    then = made.file_hashes
    now = {name_from_root(target, path): hashes[name_from_root(root, path)] for path in paths}
    for name in list_changed_names(then, now):
        state = describe_file_change(record.rule, name, then, now)
        yield EditedFile(f"{made.path}/{name}", state, record.path)


def describe_file_change(rule: str, name: str, then: Container[str], now: Container[str]) -> str:
    """What became of a file that is in a record of the rule (`then`), on the disk (`now`)."""
    if name not in now:
        return f"is gone; {rule} made it"
    return f"is not what {rule} wrote" if name in then else "came in afterwards"


def locate_source(root: Path, source: MirrorFile) -> str | None:
    """Where a local input is to be had: the mirror of now, or that of its job; None if nowhere."""
    mirror = None if source.own else os.environ.get("RETU_MIRROR")
    for folder in (mirror, source.folder):
        place = root / Path(folder).expanduser() / source.path if folder else None
        if place and place.is_file():
            below = place.is_relative_to(root)
            return place.relative_to(root).as_posix() if below else str(place)
    return None
