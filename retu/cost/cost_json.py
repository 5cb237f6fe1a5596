"""What a study costs, for programs: the figures of `retu plan` without their text."""

from collections.abc import Mapping, Sequence
from typing import Any

from retu.core.sizes import GIB
from retu.cost.assumptions import Assumptions
from retu.cost.estimate import (
    WHOLE_STUDY,
    StagesByKey,
    compute_longest_chain,
    estimate_disk,
    sum_costs,
)
from retu.cost.job_cost import JobCost
from retu.cost.measured import JobTime


def list_work(times: Sequence[JobTime]) -> list[dict[str, Any]]:
    """A job that trains or generates each: hours times the GPUs it holds, None where unknown."""
    return [
        {
            "name": time.work.name,
            "kind": time.work.kind,
            "model": time.work.model,
            "gpus": time.work.gpus,
            "estimated_hours": time.estimated,
            "measured_hours": time.measured,
        }
        for time in times
    ]


def serialise_job_counts(
    study: str, targets: Mapping[str, StagesByKey], times: Sequence[JobTime]
) -> dict[str, Any]:
    """The plan of a study of small models: jobs by artefact, and the work among them."""
    return {
        "study": study,
        "totals": {"jobs": len(targets[WHOLE_STUDY])},
        "artefacts": {name: {"jobs": len(jobs)} for name, jobs in targets.items()},
        "work": list_work(times),
    }


def serialise_costs(
    study: str,
    targets: Mapping[str, StagesByKey],
    works: Mapping[str, JobCost],
    assumed: Assumptions,
    times: Sequence[JobTime],
) -> dict[str, Any]:
    """The plan of a study that needs GPUs: compute in EFLOPs, hours, days, disk in GiB."""
    jobs, gpus = targets[WHOLE_STUDY], assumed.gpus.value
    need, chain = estimate_disk(jobs, works, gpus), compute_longest_chain(jobs, works)
    spent = sum_costs(jobs, works)
    return {
        "study": study,
        "totals": {
            "jobs": spent.jobs,
            "eflops": spent.eflops,
            "gpu_hours": spent.gpu_hours,
            "days": max(spent.gpu_hours / gpus, chain) / 24,
            "days_at_least": chain / 24,
            "disk_gib": need.total / GIB,
        },
        "artefacts": {name: serialise_artefact(part, works) for name, part in targets.items()},
        "work": list_work(times),
        "assumed": {name: getattr(assumed, name).value for name in Assumptions.model_fields},
    }


def serialise_artefact(jobs: StagesByKey, works: Mapping[str, JobCost]) -> dict[str, float]:
    """What stands behind an artefact."""
    sums = sum_costs(jobs, works)
    return {"jobs": sums.jobs, "eflops": sums.eflops, "gpu_hours": sums.gpu_hours}
