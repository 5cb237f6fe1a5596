"""Gaps in the ancestry of results: inputs whose origin no record tells."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from retu.core.text import format_rest
from retu.lineage.graph.dvc_lock import find_data_path
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.remedies import format_lineage_command


@dataclass(frozen=True)
class RecordGap:
    """An input below results/ or data/ that no whole record tells of, and the jobs that read it."""

    path: str
    readers: tuple[str, ...]
    damaged: bool

    def __str__(self) -> str:
        state = "has a damaged record" if self.damaged else "has no record"
        return f"{self.path} {state}"


def find_gaps(
    lineage: Lineage, jobs: Iterable[str], data: Mapping[str, str] | None = None
) -> list[RecordGap]:
    """The gaps right before any of the jobs; what data.dvc describes (`data`) needs no record."""
    read: dict[str, list[str]] = {}
    for job in jobs:
        for path in lineage.list_orphan_inputs(job):
            read.setdefault(path, []).append(job)
    lost = {made.path for record in lineage.unsealed.values() for made in record.outputs}
    return [
        RecordGap(path, tuple(readers), path in lost or path in lineage.damaged)
        for path, readers in read.items()
        if not find_data_path(path, data or {})
    ]


def format_gaps(lineage: Lineage, gaps: Sequence[RecordGap]) -> Iterator[str]:
    """The lines that report gaps, to be printed first; none without gaps."""
    if gaps:
        yield (
            f"{'incomplete':<12} {gaps[0]}{format_rest(len(gaps), 1)}: what stands behind is not"
            f" all known; what to do: {format_lineage_command(lineage, 'verify')}"
        )
