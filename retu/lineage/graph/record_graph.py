"""The graph of a study's records: which job made an output, from what, and what came of it.

Jobs are called by the path of their record, relative to the project's root.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from retu.core.errors import InputError
from retu.core.hashing import compute_md5
from retu.lineage.record import RECORD_SUFFIX, Artefact, ChangedRecordError, JobRecord, read_record

NO_FILE = "nothing"
RECORDED_FOLDERS = ("results", "data")
"""The folders that hold what jobs make."""


@dataclass(frozen=True)
class MismatchedInput:
    """A job read something else than the record of its `maker` tells of, which is `made` (MD5)."""

    job: str
    read: Artefact
    maker: str
    made: str


@dataclass(frozen=True)
class Lineage:
    """All records of a study; `damaged` holds the path and error of those that do not read.

    `unsealed` holds those that still parse: their content is not trusted and only tells which
    outputs are affected.
    """

    study: str
    records: Mapping[str, JobRecord]
    damaged: Mapping[str, str] = field(default_factory=dict)
    unsealed: Mapping[str, JobRecord] = field(default_factory=dict)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Path of every output -> the job that made it."""
        return {made.path: job for job, record in self.records.items() for made in record.outputs}

    def find_producer(self, path: str) -> str | None:
        """The job that made a path (an output, a file in an output folder, a record), or None."""
        if path in self.records:
            return path
        outputs = self.outputs
        return next((outputs[name] for name in climb(path) if name in outputs), None)

    def find_output(self, path: str) -> Artefact | None:
        """The output that a path is, or lies in."""
        job = self.find_producer(path)
        outputs = self.records[job].outputs if job else []
        inside = [*climb(path)]
        return next((artefact for artefact in outputs if artefact.path in inside), None)

    def find_recorded_hash(self, path: str, root: Path | None = None) -> str | None:
        """The hash of a path by its maker's record: of an output, or of a file in one.

        None if no job made the path, `NO_FILE` if it lies in an output folder whose record does not
        list it. The hash of a record file is computed from the file below `root`; without `root` it
        is None.
        """
        if path in self.records:
            return compute_md5(root / path) if root else None
        made = self.find_output(path)
        if made is None or made.path == path:
            return made.md5 if made else None
        inside = PurePosixPath(path).relative_to(made.path).as_posix()
        return next((file.md5 for file in made.files if file.path == inside), NO_FILE)

    def find_mismatches(
        self, jobs: Iterable[str], root: Path | None = None
    ) -> Iterator[MismatchedInput]:
        """The inputs of jobs that are not what their makers' records say (`recorded`)."""
        for job in jobs:
            for read in self.records[job].inputs:
                made = self.find_recorded_hash(read.path, root)
                maker = self.find_producer(read.path)
                if made is not None and maker is not None and made != read.md5:
                    yield MismatchedInput(job, read, maker, made)

    def list_parents(self, job: str) -> list[str]:
        """The jobs whose outputs a job reads, without repetition, in the order of its inputs."""
        found = (self.find_producer(artefact.path) for artefact in self.records[job].inputs)
        return list(dict.fromkeys(parent for parent in found if parent))

    def list_orphan_inputs(self, job: str) -> list[str]:
        """What a job reads in results/ or data/ that no record tells of."""
        read = [artefact.path for artefact in self.records[job].inputs]
        inside = (path for path in read if path.split("/")[0] in RECORDED_FOLDERS)
        return [path for path in inside if self.find_producer(path) is None]

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Job -> the jobs that read its outputs."""
        table: dict[str, list[str]] = {job: [] for job in self.records}
        for job in self.records:
            for parent in self.list_parents(job):
                table[parent].append(job)
        return table

    @cached_property
    def order(self) -> list[str]:
        """All jobs, each after those it depends on."""
        return self.list_ancestors(self.records)

    def list_ancestors(self, jobs: Iterable[str]) -> list[str]:
        """The jobs and all that they depend on, each after those it depends on."""
        return list(_sort_depth_first(sorted(jobs), self.list_parents))

    def list_descendants(self, jobs: Iterable[str]) -> list[str]:
        """Everything that depends on the jobs, without them, in the order of `order`."""
        start = set(jobs)
        reached = set(_sort_depth_first(start, self.children.__getitem__)) - start
        return [job for job in self.order if job in reached]

    def digest_lineage(self, path: str) -> str:
        """The hash of a path's lineage: of what every job behind it read, ran and wrote.

        Equal for two copies that came about in the same way, whenever and wherever that was.

        Raises:
            InputError: nothing is recorded of the path.
        """
        job = self.find_producer(path)
        if job is None:
            raise InputError(
                f"{path}: has no record; what to do: retu lineage verify --study {self.study}"
            )
        lines = []
        for name in self.list_ancestors([job]):
            record = self.records[name]
            made = sorted(f"{artefact.path}={artefact.md5}" for artefact in record.outputs)
            lines.append(" ".join([record.rule, record.key, *made]))
        text = "\n".join(sorted(lines))
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def climb(path: str) -> Iterator[str]:
    """A path from the root of the project, and every folder above it, the nearest first."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _sort_depth_first(start: Iterable[str], before: Callable[[str], list[str]]) -> Iterator[str]:
    """Walk a graph depth first: every name comes after all names that `before(name)` gives.

    Not graphlib, which sorts whole graphs: a walk from some jobs would be needed before it. And
    records come from others; of one that leads to itself, `verify` must tell and not fail.
    """
    done: set[str] = set()
    for first in start:
        stack = [(first, False)]
        while stack:
            name, expanded = stack.pop()
            if expanded:
                yield name
            elif name not in done:
                done.add(name)
                stack.append((name, True))
                stack.extend((other, False) for other in reversed(before(name)))


def list_record_paths(root: Path, study: str) -> list[Path]:
    """Where the records of a study are: beside its results and beside its data."""
    beside_data = root / "data" / f"{study}{RECORD_SUFFIX}"
    folders = (root / "results" / study, root / "data" / study)
    inside = [path for folder in folders for path in folder.rglob(f"*{RECORD_SUFFIX}")]
    return sorted([*([beside_data] if beside_data.is_file() else []), *inside])


def read_lineage(root: Path, study: str) -> Lineage:
    """Read all records of a study below `root`; those that do not read are in `damaged`.

    Raises:
        InputError: there is none.
    """
    records, damaged, unsealed = {}, {}, {}
    for path in list_record_paths(root, study):
        name = path.relative_to(root).as_posix()
        try:
            records[name] = relocate_record(read_record(path, name), name)
        except ChangedRecordError as error:
            damaged[name] = str(error)
            unsealed[name] = relocate_record(error.record, name)
        except InputError as error:
            damaged[name] = str(error)
    if not records and not damaged:
        raise InputError(
            f"results/{study}: has no records; run the study (snakemake --config study={study})"
            f" or bring it back (retu lineage restore HEAD --study {study})"
        )
    return Lineage(study, records, damaged, unsealed)


def relocate_record(record: JobRecord, path: str) -> JobRecord:
    """A record as seen from where it lies.

    Snakemake's cache (`--cache`) hands the outputs of one study to another, records included; then
    the study's name in their paths is the other's.
    """
    if record.path == path:
        return record
    there, here = get_study_name(record.path), get_study_name(path)

    def rename(artefact: Artefact) -> Artefact:
        parts = artefact.path.split("/")
        if len(parts) > 1 and parts[0] in RECORDED_FOLDERS and parts[1] == there:
            parts[1] = here
        return artefact.model_copy(update={"path": "/".join(parts)})

    return record.model_copy(
        update={
            "path": path,
            "inputs": [rename(artefact) for artefact in record.inputs],
            "outputs": [rename(artefact) for artefact in record.outputs],
        }
    )


def get_study_name(path: str) -> str:
    """The study that a path below results/ or data/ belongs to.

    Raises:
        InputError: it lies elsewhere.
    """
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] not in RECORDED_FOLDERS:
        raise InputError(f"{path}: is not below results/STUDY or data/STUDY")
    return parts[1].removesuffix(RECORD_SUFFIX)
