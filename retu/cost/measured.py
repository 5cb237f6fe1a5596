"""What a study's jobs really took, by their records, and what that says of those still to run.

A job is measured once a record of the same specification lies among the results, of whatever code:
a mended script does not make the machine another. Its time is the wall-clock time of the record,
times the GPUs that the profile gives it. Jobs that were resumed are left out: their records tell of
the last attempt alone.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from retu.cost.job_cost import SECONDS_PER_HOUR, JobCost
from retu.cost.workload import JobWork
from retu.lineage.graph.record_graph import list_record_paths, read_lineage
from retu.lineage.graph.stale_causes import find_planned_stage
from retu.lineage.record import JobRecord
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.stages import Stage

Group = tuple[str, str]
"""Module and model."""


@dataclass(frozen=True)
class Pace:
    """Hours that a unit of work takes in a group: overall, and in its fastest and slowest job."""

    jobs: int
    hours_per_unit: float
    fastest: float
    slowest: float


@dataclass(frozen=True)
class JobTime:
    """A job's hours, times the GPUs it holds.

    Attributes:
        work: the job.
        estimated: from the pace of the other jobs of its group, or the assumptions; None where
            nothing tells.
        measured: None if it has not run.
    """

    work: JobWork
    estimated: float | None
    measured: float | None

    @property
    def hours(self) -> float | None:
        """The best that is known."""
        return self.estimated if self.measured is None else self.measured


def read_measured_seconds(root: Path, plan: AnalysisPlan, study: str) -> dict[str, float]:
    """Key of a stage -> seconds of its job, from the records below `root` that are not damaged."""
    if not list_record_paths(root, study):
        return {}
    measured = {}
    for record in read_lineage(root, study).records.values():
        stage = find_planned_stage(record, plan)
        if isinstance(stage, Stage) and is_comparable(record, stage):
            measured[stage.key] = record.usage.seconds
    return measured


def is_comparable(record: JobRecord, stage: Stage) -> bool:
    """Whether a job was asked for the same work, and its record tells of all of it."""
    return not record.usage.resumed and record.spec == (
        json.loads(stage.spec) if stage.spec else None
    )


def learn_paces(
    works: Iterable[JobWork], measured: Mapping[str, float], left_out: str = ""
) -> dict[Group, Pace]:
    """The pace of every group with a measured job, without the job of the key `left_out`.

    A group's module alone, with the model "", holds all its models: for those not measured.
    """
    found: dict[Group, list[tuple[float, float]]] = {}
    for work in works:
        if work.stage.key in measured and work.stage.key != left_out:
            hours = measured[work.stage.key] * work.gpus / SECONDS_PER_HOUR
            for group in {work.group, work.any_model}:
                found.setdefault(group, []).append((hours, work.amount))
    return {group: summarise_pace(pairs) for group, pairs in found.items()}


def summarise_pace(pairs: list[tuple[float, float]]) -> Pace:
    """The pace of jobs, given the hours and the amount of each."""
    ratios = [hours / amount for hours, amount in pairs]
    overall = sum(hours for hours, _ in pairs) / sum(amount for _, amount in pairs)
    return Pace(len(pairs), overall, min(ratios), max(ratios))


def time_jobs(
    works: Iterable[JobWork], measured: Mapping[str, float], assumed: float | None = None
) -> list[JobTime]:
    """Estimate and measurement of every job.

    Args:
        works: the jobs.
        measured: key of a stage -> seconds.
        assumed: hours that a unit takes where nothing like it was measured; None: not known.
    """
    works = list(works)
    times = []
    for work in works:
        key = work.stage.key
        paces = learn_paces(works, measured, left_out=key)
        pace = paces.get(work.group) or paces.get(work.any_model)
        unit = pace.hours_per_unit if pace else assumed
        hours = measured[key] * work.gpus / SECONDS_PER_HOUR if key in measured else None
        times.append(JobTime(work, None if unit is None else unit * work.amount, hours))
    return times


def adjust_costs(costs: Mapping[str, JobCost], times: Iterable[JobTime]) -> dict[str, JobCost]:
    """Costs with the best-known GPU-hours of each job."""
    hours = {t.work.stage.key: t.hours for t in times if t.hours is not None}
    return {
        key: replace(cost, gpu_hours=hours.get(key, cost.gpu_hours)) for key, cost in costs.items()
    }
