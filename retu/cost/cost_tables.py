"""The text of `retu plan`: tables of what a study costs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from retu.cost.assumptions import Assumption, Assumptions
from retu.cost.estimate import (
    WHOLE_STUDY,
    CostTotal,
    DiskNeed,
    StagesByKey,
    compute_longest_chain,
    estimate_disk,
    sum_costs,
)
from retu.cost.job_cost import JobCost, WorkKind

GIB = 2**30
HOURS_PER_DAY = 24
DASH = "-"


def format_aligned_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
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


def format_figure(value: float, digits: int = 0) -> str:
    """A figure of a table; a dash for none, `<1` for what would read as none."""
    if not value:
        return DASH
    least = 10.0**-digits
    return f"<{least:g}" if value < least / 2 else f"{value:,.{digits}f}"


def tabulate_kinds(jobs: StagesByKey, works: Mapping[str, JobCost]) -> str:
    """Kind of work -> jobs, EFLOPs, GPU-hours, longest job, results."""
    named: list[tuple[str, CostTotal]] = [
        (kind, sum_costs(jobs, works, kind)) for kind in get_args(WorkKind)
    ]
    named = [(name, sums) for name, sums in named if sums.jobs]
    rows = [
        [
            name,
            str(sums.jobs),
            format_figure(sums.eflops),
            format_figure(sums.gpu_hours),
            format_figure(sums.hours, 1),
            format_figure(sums.stays / GIB),
        ]
        for name, sums in [*named, ("all", sum_costs(jobs, works))]
    ]
    return format_aligned_table(
        ("work", "jobs", "EFLOPs", "GPU-hours", "longest job, h", "results, GiB"), rows
    )


def tabulate_artefacts(
    targets: Mapping[str, StagesByKey], works: Mapping[str, JobCost], gpus: float
) -> str:
    """Artefact -> what stands behind it; artefacts with the same jobs but their own share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, jobs in targets.items():
        sums, need = sum_costs(jobs, works), estimate_disk(jobs, works, gpus)
        figures = (
            str(sums.jobs),
            format_figure(sum_costs(jobs, works, "SFT").eflops),
            format_figure(sum_costs(jobs, works, "RL").eflops),
            format_figure(sums.gpu_hours),
            format_figure(need.total / GIB),
        )
        rows.setdefault(figures, []).append(name)
    header = ("artefact", "jobs", "SFT EFLOPs", "RL EFLOPs", "GPU-hours", "disk, GiB")
    return format_aligned_table(
        header, [[", ".join(names), *figures] for figures, names in rows.items()]
    )


def tabulate_runs(jobs: StagesByKey, works: Mapping[str, JobCost]) -> str:
    """Every job that holds GPUs, the most expensive first."""
    known = [works[key] for key in jobs if key in works and works[key].gpus]
    rows = [
        [
            w.name,
            format_figure(w.eflops, 1),
            str(w.gpus),
            format_figure(w.gpu_hours),
            format_figure(w.hours, 1),
        ]
        for w in sorted(known, key=lambda w: w.gpu_hours, reverse=True)
    ]
    return format_aligned_table(("job", "EFLOPs", "GPUs", "GPU-hours", "hours"), rows)


def format_time(jobs: StagesByKey, works: Mapping[str, JobCost], gpus: float) -> Iterator[str]:
    """How long all of it takes."""
    spent, chain = sum_costs(jobs, works).gpu_hours, compute_longest_chain(jobs, works)
    least = max(spent / gpus, chain) / HOURS_PER_DAY
    yield f"time   {least:,.1f} days on {gpus:g} GPUs if none of them ever waits"
    yield f"       {chain / HOURS_PER_DAY:,.1f} days on any number: the longest chain of jobs"


def format_disk(need: DiskNeed, gpus: float) -> Iterator[str]:
    """What has to be free before the launch."""
    yield f"disk   {need.total / GIB:,.0f} GiB at the worst moment:"
    yield f"       {need.stays / GIB:,.0f} GiB of results that stay"
    yield f"       {need.state / GIB:,.0f} GiB of training states, in .state/, on {gpus:g} GPUs"
    yield f"       {need.cached / GIB:,.0f} GiB of downloads in the hub's cache (HF_HOME)"


def format_assumptions(assumed: Assumptions) -> Iterator[str]:
    """What the figures rest on."""
    yield "assumed (retu/cost/assumptions.yaml):"
    width = max(map(len, Assumptions.model_fields))
    for name in Assumptions.model_fields:
        entry: Assumption = getattr(assumed, name)
        yield f"  {name:<{width}}  {entry.value:g} {entry.unit} ({entry.source})"


def format_cost_page(
    study: str,
    targets: Mapping[str, StagesByKey],
    works: Mapping[str, JobCost],
    assumed: Assumptions,
    runs: bool,
) -> str:
    """All of it."""
    jobs, gpus = targets[WHOLE_STUDY], assumed.gpus.value
    parts = [
        f"study {study}: what it costs, estimated before anything is loaded",
        tabulate_kinds(jobs, works),
        tabulate_artefacts(targets, works, gpus),
        *([tabulate_runs(jobs, works)] if runs else []),
        "\n".join(
            [*format_time(jobs, works, gpus), *format_disk(estimate_disk(jobs, works, gpus), gpus)]
        ),
        "\n".join(format_assumptions(assumed)),
    ]
    return "\n\n".join(parts)


def format_job_counts(study: str, targets: Mapping[str, StagesByKey]) -> str:
    """The counts of a study of small models on a CPU."""
    counts: dict[int, list[str]] = {}
    for name, jobs in targets.items():
        counts.setdefault(len(jobs), []).append(name)
    rows = [[", ".join(names), str(count)] for count, names in counts.items()]
    told = (
        "Its models are small and run on a CPU: minutes to hours, no GPU, no gigabytes."
        f"\nWhat its jobs took, once they have run: retu lineage list --study {study}"
    )
    return "\n\n".join([f"study {study}", format_aligned_table(("artefact", "jobs"), rows), told])
