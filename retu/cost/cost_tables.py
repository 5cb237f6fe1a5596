"""The text of `retu plan`: tables of what a study costs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from retu.cost.assumptions import Assumption, Assumptions
from retu.cost.estimate import (
    EVERYTHING,
    Disk,
    Jobs,
    Total,
    disk,
    longest_chain,
    total,
)
from retu.cost.job_cost import Kind, Work

GIB = 2**30
DAY = 24
NOTHING = "-"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, the first one flush left, numbers flush right."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def number(value: float, digits: int = 0) -> str:
    """A figure of a table; a dash for none, `<1` for what would read as none."""
    if not value:
        return NOTHING
    least = 10.0**-digits
    return f"<{least:g}" if value < least / 2 else f"{value:,.{digits}f}"


def kinds_table(jobs: Jobs, works: Mapping[str, Work]) -> str:
    """Kind of work -> jobs, EFLOPs, GPU-hours, longest job, results."""
    named: list[tuple[str, Total]] = [(kind, total(jobs, works, kind)) for kind in get_args(Kind)]
    named = [(name, sums) for name, sums in named if sums.jobs]
    rows = [
        [
            name,
            str(sums.jobs),
            number(sums.eflops),
            number(sums.gpu_hours),
            number(sums.hours, 1),
            number(sums.stays / GIB),
        ]
        for name, sums in [*named, ("all", total(jobs, works))]
    ]
    return table(("work", "jobs", "EFLOPs", "GPU-hours", "longest job, h", "results, GiB"), rows)


def artefacts_table(targets: Mapping[str, Jobs], works: Mapping[str, Work], gpus: float) -> str:
    """Artefact -> what stands behind it; artefacts with the same jobs but their own share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, jobs in targets.items():
        sums, need = total(jobs, works), disk(jobs, works, gpus)
        figures = (
            str(sums.jobs),
            number(total(jobs, works, "SFT").eflops),
            number(total(jobs, works, "RL").eflops),
            number(sums.gpu_hours),
            number(need.total / GIB),
        )
        rows.setdefault(figures, []).append(name)
    header = ("artefact", "jobs", "SFT EFLOPs", "RL EFLOPs", "GPU-hours", "disk, GiB")
    return table(header, [[", ".join(names), *figures] for figures, names in rows.items()])


def runs_table(jobs: Jobs, works: Mapping[str, Work]) -> str:
    """Every job that holds GPUs, the most expensive first."""
    known = [works[key] for key in jobs if key in works and works[key].gpus]
    rows = [
        [w.name, number(w.eflops, 1), str(w.gpus), number(w.gpu_hours), number(w.hours, 1)]
        for w in sorted(known, key=lambda w: w.gpu_hours, reverse=True)
    ]
    return table(("job", "EFLOPs", "GPUs", "GPU-hours", "hours"), rows)


def time_lines(jobs: Jobs, works: Mapping[str, Work], gpus: float) -> Iterator[str]:
    """How long all of it takes."""
    spent, chain = total(jobs, works).gpu_hours, longest_chain(jobs, works)
    least = max(spent / gpus, chain) / DAY
    yield f"time   {least:,.1f} days on {gpus:g} GPUs if none of them ever waits"
    yield f"       {chain / DAY:,.1f} days on any number: the longest chain of jobs"


def disk_lines(need: Disk, gpus: float) -> Iterator[str]:
    """What has to be free before the launch."""
    yield f"disk   {need.total / GIB:,.0f} GiB at the worst moment:"
    yield f"       {need.stays / GIB:,.0f} GiB of results that stay"
    yield f"       {need.state / GIB:,.0f} GiB of training states, in .state/, on {gpus:g} GPUs"
    yield f"       {need.cached / GIB:,.0f} GiB of downloads in the hub's cache (HF_HOME)"


def assumed_lines(assumed: Assumptions) -> Iterator[str]:
    """What the figures rest on."""
    yield "assumed (retu/cost/assumptions.yaml):"
    width = max(map(len, Assumptions.model_fields))
    for name in Assumptions.model_fields:
        entry: Assumption = getattr(assumed, name)
        yield f"  {name:<{width}}  {entry.value:g} {entry.unit} ({entry.source})"


def page(
    study: str,
    targets: Mapping[str, Jobs],
    works: Mapping[str, Work],
    assumed: Assumptions,
    runs: bool,
) -> str:
    """All of it."""
    jobs, gpus = targets[EVERYTHING], assumed.gpus.value
    parts = [
        f"study {study}: what it costs, estimated before anything is loaded",
        kinds_table(jobs, works),
        artefacts_table(targets, works, gpus),
        *([runs_table(jobs, works)] if runs else []),
        "\n".join([*time_lines(jobs, works, gpus), *disk_lines(disk(jobs, works, gpus), gpus)]),
        "\n".join(assumed_lines(assumed)),
    ]
    return "\n\n".join(parts)


def jobs_only(study: str, targets: Mapping[str, Jobs]) -> str:
    """The counts of a study of small models on a CPU."""
    counts: dict[int, list[str]] = {}
    for name, jobs in targets.items():
        counts.setdefault(len(jobs), []).append(name)
    rows = [[", ".join(names), str(count)] for count, names in counts.items()]
    told = (
        "Its models are small and run on a CPU: minutes to hours, no GPU, no gigabytes."
        f"\nWhat its jobs took, once they have run: retu lineage list --study {study}"
    )
    return "\n\n".join([f"study {study}", table(("artefact", "jobs"), rows), told])
