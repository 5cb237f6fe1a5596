"""Where the ancestry of results ends too early: what was read that nothing tells the origin of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from retu.core.text import and_more
from retu.lineage.graph.dvc_lock import described
from retu.lineage.graph.record_graph import TREES, Lineage
from retu.lineage.graph.remedies import ask_command


@dataclass(frozen=True)
class Gap:
    """An input below results/ or data/ that no whole record tells of, and the jobs that read it."""

    path: str
    readers: tuple[str, ...]
    damaged: bool

    def __str__(self) -> str:
        state = "has a damaged record" if self.damaged else "has no record"
        return f"{self.path} {state}"


def find_gaps(
    lineage: Lineage, jobs: Iterable[str], data: Mapping[str, str] | None = None
) -> list[Gap]:
    """The gaps right before any of the jobs; what data.dvc describes (`data`) needs no record."""
    read: dict[str, list[str]] = {}
    for job in jobs:
        for artefact in lineage.records[job].inputs:
            inside = artefact.path.split("/")[0] in TREES
            if inside and lineage.producer(artefact.path) is None:
                read.setdefault(artefact.path, []).append(job)
    lost = {made.path for record in lineage.unsealed.values() for made in record.outputs}
    return [
        Gap(path, tuple(readers), path in lost or path in lineage.damaged)
        for path, readers in read.items()
        if not described(path, data or {})
    ]


def gap_lines(lineage: Lineage, gaps: Sequence[Gap]) -> Iterator[str]:
    """What is said of gaps, before anything else is; nothing when there are none."""
    if gaps:
        yield (
            f"{'incomplete':<12} {gaps[0]}{and_more(len(gaps), 1)}: what stands behind is not all"
            f" known; what to do: {ask_command(lineage, 'verify')}"
        )
