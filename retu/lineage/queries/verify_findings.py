"""What `verify` finds, and the study as its checks see it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from retu.core.text import join_names
from retu.lineage.graph.dvc_lock import read_dvc_lock
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.remedies import (
    find_related_paths,
    format_remake_command,
    format_restore_command,
)

# fmt: off
FindingKind = Literal[
    "damaged", "broken", "missing", "unrecorded", "link",
    "pointer", "false", "source", "stale", "signature",
]
# fmt: on
MAX_SHOWN_NAMES = 8
"""Names that are shown of a longer list; `--json` has all of them."""
LAST_INDEX = 1 << 30
"""Place of a finding that concerns no job."""


@dataclass(frozen=True)
class IntegrityFinding:
    """One thing that is not as recorded: which file, what is wrong, what to do.

    `downstream` is every artefact that may be wrong because of it, `place` that of its job in the
    order of the study.
    """

    kind: FindingKind
    path: str
    problem: str
    remedy: str
    downstream: tuple[str, ...]
    place: int

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: {self.problem}; {self.remedy}"

    def serialise(self) -> dict[str, Any]:
        """As a mapping, without its place: that is the order in which findings are told."""
        content = asdict(self) | {"downstream": list(self.downstream)}
        del content["place"]
        return content


@dataclass(frozen=True)
class CheckedStudy:
    """The records of a study that is checked, and the project's root that their paths start at."""

    root: Path
    lineage: Lineage

    @cached_property
    def graph(self) -> Lineage:
        """All records, those included that changed since they were written."""
        known = {**self.lineage.records, **self.lineage.unsealed}
        return Lineage(self.lineage.study, known, self.lineage.damaged)

    @cached_property
    def lock_hashes(self) -> dict[str, str]:
        """Path -> hash of all that DVC's lock of the study names; {} without one."""
        return read_dvc_lock(self.root, self.lineage.study)

    def describe_recovery(self, path: str) -> str:
        """How to have an output as it was, in words: restored, if that can be, or made again."""
        again = f"make it again ({format_remake_command(self.graph, [path])})"
        kept = any(find_related_paths(path, self.lock_hashes))
        return f"restore it ({format_restore_command(path)}) or {again}" if kept else again

    @cached_property
    def job_index(self) -> dict[str, int]:
        """Every job's place: after all that it depends on."""
        return {job: place for place, job in enumerate(self.graph.order)}

    @cached_property
    def lost_records(self) -> list[str]:
        """Records of which nothing can be read."""
        return sorted(self.lineage.damaged.keys() - self.lineage.unsealed.keys())

    def list_affected_outputs(self, jobs: Iterable[str]) -> tuple[str, ...]:
        """All outputs of jobs and of everything that depends on them."""
        start = set(jobs)
        after = {*start, *self.graph.list_descendants(start)}
        ordered = sorted(after, key=self.job_index.__getitem__)
        return tuple(a.path for job in ordered for a in self.graph.records[job].outputs)

    def find_readers(self, paths: Iterable[str]) -> list[str]:
        """The jobs that read any of the paths, a folder with one in it, or a file in one."""
        wanted = set(paths)

        def reads(path: str) -> bool:
            over = any(str(parent) in wanted for parent in PurePosixPath(path).parents)
            return over or path in wanted or any(name.startswith(f"{path}/") for name in wanted)

        records = self.graph.records.items()
        return [job for job, record in records if any(reads(a.path) for a in record.inputs)]

    def make_finding(
        self,
        kind: FindingKind,
        path: str,
        problem: str,
        remedy: str,
        jobs: Iterable[str],
        job: str = "",
    ) -> IntegrityFinding:
        """A finding at a job (or else at the first of `jobs`), of which `jobs` are downstream."""
        touched = list(jobs)
        first = min((self.job_index[name] for name in touched), default=LAST_INDEX)
        place = self.job_index.get(job, first)
        outputs = self.list_affected_outputs(touched)
        return IntegrityFinding(kind, path, problem, remedy, outputs, place)


def describe_first_break(findings: Sequence[IntegrityFinding]) -> str:
    """Where the first broken link is; empty when nothing is broken."""
    if not findings:
        return ""
    count = f"first of {len(findings)} broken links" if len(findings) > 1 else "broken link"
    return f"{count}: {findings[0].path}"


def format_findings(findings: Iterable[IntegrityFinding]) -> Iterator[str]:
    """Every finding with the first artefacts downstream of it."""
    for finding in findings:
        yield str(finding)
        if finding.downstream:
            yield f"  downstream: {join_shown_names(finding.downstream)}"


def join_shown_names(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return join_names(names, MAX_SHOWN_NAMES)
