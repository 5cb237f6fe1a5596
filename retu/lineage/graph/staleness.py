"""Why a record is stale: what the project has now that it had not when the job ran.

A stage's key (`Stage.key`) says that something differs; the record says what it was made with, so
that both together name the file and the key of the study. All of it is read from the project's
own files: no result is opened.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from retu.lineage.graph.config_sources import ConfigSources
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.stale_causes import (
    StaleCause,
    find_own_causes,
    find_planned_stage,
    get_stage_key,
)
from retu.lineage.record import JobRecord
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.stages import Stage


@dataclass(frozen=True)
class RootCause:
    """A first cause with the jobs that it makes stale, directly and through others."""

    cause: StaleCause
    jobs: tuple[str, ...]
    downstream: tuple[str, ...]


@dataclass(frozen=True)
class StaleReport:
    """All first causes, upstream ones first, and for every stale job its own reasons."""

    roots: tuple[RootCause, ...]
    reasons: Mapping[str, tuple[StaleCause, ...]]


def build_stale_report(lineage: Lineage, plan: AnalysisPlan) -> StaleReport:
    """The first causes of all that is stale in a study, and what each of them makes stale."""
    stages = {job: find_planned_stage(lineage.records[job], plan) for job in lineage.order}
    origins = ConfigSources(plan.config)
    own = {
        job: find_own_causes(lineage.records[job], stage, origins) for job, stage in stages.items()
    }
    stale = {
        job
        for job, stage in stages.items()
        if own[job] or get_stage_key(stage) != lineage.records[job].key
    }
    reasons: dict[str, tuple[StaleCause, ...]] = {}
    upstream: dict[str, list[str]] = {}
    for job in filter(stale.__contains__, lineage.order):
        upstream[job] = [parent for parent in lineage.list_parents(job) if parent in stale]
        stage = stages[job]
        if isinstance(stage, Stage) and not own[job] and not upstream[job]:
            upstream[job] = find_stale_predecessors(stage, stages, stale)
            if not upstream[job]:
                record = lineage.records[job]
                own[job] = [make_indirect_cause(record, stage, origins.study, lineage)]
        before = [StaleCause(parent, "is stale itself") for parent in upstream[job]]
        reasons[job] = (*own[job], *before)
    caused: dict[StaleCause, list[str]] = {}
    for job in reasons:
        for cause in own[job]:
            caused.setdefault(cause, []).append(job)
    roots = [
        RootCause(cause, tuple(jobs), find_stale_successors(jobs, upstream))
        for cause, jobs in caused.items()
    ]
    return StaleReport(tuple(roots), reasons)


def find_stale_predecessors(
    stage: Stage, stages: Mapping[str, Stage | str], stale: Collection[str]
) -> list[str]:
    """The stale jobs that the plan puts before a stage without handing it any of their files."""
    before = collect_prior_stages(stage)
    return [job for job, other in stages.items() if job in stale and get_stage_key(other) in before]


def find_stale_successors(
    jobs: Sequence[str], upstream: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """The stale jobs that come after any of `jobs`, given those right before each."""
    reached, size = set(jobs), 0
    while len(reached) > size:
        size = len(reached)
        reached |= {job for job, before in upstream.items() if not reached.isdisjoint(before)}
    return tuple(job for job in upstream if job in reached and job not in jobs)


def make_indirect_cause(
    record: JobRecord, stage: Stage, where: str, lineage: Lineage
) -> StaleCause:
    """The cause when nothing in the record itself has changed: other jobs now precede this one.

    `where` is the study's file.
    """
    before = collect_prior_stages(stage)
    parents = lineage.list_parents(record.path)
    gone = [parent for parent in parents if lineage.records[parent].key not in before]
    if gone:
        return StaleCause(where, f"gives {record.rule} other inputs now, without {', '.join(gone)}")
    recorded = {other.key for other in lineage.records.values()}
    new = Counter(other.module for key, other in before.items() if key not in recorded)
    if new:
        jobs = ", ".join(f"{count} {module}" for module, count in sorted(new.items()))
        what = f"gives {record.rule} other inputs now, and they are not made ({jobs})"
        return StaleCause(where, what)
    return StaleCause(record.path, "was planned after other jobs than now")


def collect_prior_stages(stage: Stage) -> dict[str, Stage]:
    """Every stage that a stage comes after, by its key."""
    found: dict[str, Stage] = {}
    queue = [*stage.after]
    while queue:
        other = queue.pop()
        key = get_stage_key(other)
        if key is not None and key not in found:
            found[key] = other
            queue.extend(other.after)
    return found
