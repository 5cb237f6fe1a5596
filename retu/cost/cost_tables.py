"""The text of `retu plan`: tables of what a study costs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from retu.core.markdown import align_columns
from retu.core.sizes import GIB
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
from retu.cost.measured import JobTime

HOURS_PER_DAY = 24
DASH = "-"
SMALL_MODELS = "Its models are small and run on a CPU: minutes to hours, no GPU, no gigabytes."


def format_aligned_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, the first one flush left, numbers flush right."""
    right = [i > 0 for i in range(len(header))]
    return "\n".join(align_columns([header, *rows], right))


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


def tabulate_measured(times: Sequence[JobTime], unit: str) -> str:
    """Kind of work -> jobs that have run, what they were estimated at and took, what is left.

    The estimate of a job is what the others of its kind and model tell of it.
    """
    rows = []
    for kind in get_args(WorkKind):
        of_kind = [time for time in times if time.work.kind == kind]
        run = [time for time in of_kind if time.measured is not None]
        known = [time for time in run if time.estimated]
        ratios = [(time.measured or 0) / (time.estimated or 1) for time in known]
        left = [time.estimated for time in of_kind if time.measured is None]
        if of_kind:
            rows.append(
                [
                    kind,
                    f"{len(run)} of {len(of_kind)}",
                    format_figure(sum(time.estimated or 0 for time in known), 2),
                    format_figure(sum(time.measured or 0 for time in run), 2),
                    f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else DASH,
                    "?" if None in left else format_figure(sum(filter(None, left)), 2),
                ]
            )
    header = ("work", "run", f"estimated, {unit}", f"measured, {unit}", "ratio", f"left, {unit}")
    return format_aligned_table(header, rows)


def tabulate_job_times(times: Sequence[JobTime], unit: str) -> str:
    """Every job that has run: estimated and measured."""
    run = [time for time in times if time.measured is not None]
    rows = [
        [
            time.work.name,
            DASH if time.estimated is None else format_figure(time.estimated, 3),
            format_figure(time.measured or 0, 3),
            f"{time.measured / time.estimated:.2f}" if time.measured and time.estimated else DASH,
        ]
        for time in sorted(run, key=lambda time: time.measured or 0, reverse=True)
    ]
    return format_aligned_table(("job", f"estimated, {unit}", f"measured, {unit}", "ratio"), rows)


def format_measured(times: Sequence[JobTime], unit: str, runs: bool) -> Iterator[str]:
    """What was measured, and that the figures of this page use it; nothing without any."""
    if any(time.measured is not None for time in times):
        yield (
            "measured, by the records of this study; what has not run is estimated by the pace of"
            " what has"
        )
        yield tabulate_measured(times, unit)
        if runs:
            yield tabulate_job_times(times, unit)


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
    times: Sequence[JobTime] = (),
) -> str:
    """All of it; `works` with what was measured, `times` how that came about."""
    jobs, gpus = targets[WHOLE_STUDY], assumed.gpus.value
    parts = [
        f"study {study}: what it costs, estimated before anything is loaded",
        tabulate_kinds(jobs, works),
        tabulate_artefacts(targets, works, gpus),
        *([tabulate_runs(jobs, works)] if runs else []),
        *format_measured(times, "GPU-hours", runs),
        "\n".join(
            [*format_time(jobs, works, gpus), *format_disk(estimate_disk(jobs, works, gpus), gpus)]
        ),
        "\n".join(format_assumptions(assumed)),
    ]
    return "\n\n".join(parts)


def format_job_counts(
    study: str,
    targets: Mapping[str, StagesByKey],
    times: Sequence[JobTime],
    runs: bool,
    told: str = SMALL_MODELS,
) -> str:
    """The counts of a study that is not priced, what is `told` of it, and times of what has run."""
    counts: dict[int, list[str]] = {}
    for name, jobs in targets.items():
        counts.setdefault(len(jobs), []).append(name)
    rows = [[", ".join(names), str(count)] for count, names in counts.items()]
    measured = [*format_measured(times, "hours", runs)] or [
        "Once some of its jobs have run, this page tells what the others will take."
    ]
    table = format_aligned_table(("artefact", "jobs"), rows)
    return "\n\n".join([f"study {study}", table, told, *measured])
