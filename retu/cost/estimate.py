"""What a study, or one of its artefacts, costs: sums over the jobs that stand behind it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from retu.cost.assumptions import Assumptions, read_assumptions
from retu.cost.job_cost import JobCost, JobPricer, WorkKind, get_work_kind
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.artefact_choice import list_possible_artefacts
from retu.planning.hub_plan import HubPlan
from retu.planning.stages import ROOT, Stage
from retu.planning.training_plan import Plan
from retu.runtime.slurm_profile import read_profile

WHOLE_STUDY = "everything"
SLURM_PROFILE = ROOT / "slurm"
GPU_RULES = ("train_sft", "train_rl", "generate_base", "generate_sft", "generate_reference")

StagesByKey = dict[str, Stage]
"""Key -> stage."""


@dataclass(frozen=True)
class CostTotal:
    """Sums over jobs; of `hours` the largest."""

    jobs: int
    eflops: float
    gpu_hours: float
    hours: float
    stays: float


@dataclass(frozen=True)
class DiskNeed:
    """Bytes: results that stay, training states at their largest, the hub's cache."""

    stays: float
    state: float
    cached: float

    @property
    def total(self) -> float:
        """All of it, at the worst moment."""
        return self.stays + self.state + self.cached


def list_artefact_stages(plan: Plan) -> dict[str, list[Stage]]:
    """Artefact -> the stages that make it."""
    stages = {name: [plan.plan_artefact(name)] for name in list_possible_artefacts(plan.study)}
    return {**stages, WHOLE_STUDY: [plan.make_report(), plan.summary()]}


def collect_stages(stages: Iterable[Stage]) -> StagesByKey:
    """These stages and all that they come after, each once."""
    found: StagesByKey = {}
    queue = list(stages)
    while queue:
        stage = queue.pop()
        if stage.key not in found:
            found[stage.key] = stage
            queue.extend(stage.after)
    return found


def read_gpus_per_rule(profile: Path = SLURM_PROFILE) -> dict[str, int]:
    """GPUs that a job of each rule holds, as the profile asks for them; at least one.

    Raises:
        InputError: there is no such profile, or it cannot be read.
    """
    first = {r.rule: r for r in read_profile(profile).requests if r.attempt == 1}
    asked = {rule: first[rule].nodes * first[rule].gpus for rule in GPU_RULES if rule in first}
    return {rule: max(asked.get(rule, 1), 1) for rule in GPU_RULES}


def price_jobs(plan: HubPlan, assumed: Assumptions, gpus: Mapping[str, int]) -> dict[str, JobCost]:
    """Key -> cost of every job that costs GPUs or gigabytes."""
    return {work.stage.key: work for work in JobPricer(plan, assumed, dict(gpus)).price_jobs()}


def sum_costs(
    jobs: StagesByKey, works: Mapping[str, JobCost], kind: WorkKind | None = None
) -> CostTotal:
    """What jobs cost together, all or those of a kind."""
    chosen = [key for key, stage in jobs.items() if kind in (None, get_work_kind(stage))]
    known = [works[key] for key in chosen if key in works]
    return CostTotal(
        jobs=len(chosen),
        eflops=sum(work.eflops for work in known),
        gpu_hours=sum(work.gpu_hours for work in known),
        hours=max((work.hours for work in known), default=0.0),
        stays=sum(work.stays for work in known),
    )


def estimate_disk(jobs: StagesByKey, works: Mapping[str, JobCost], gpus: float) -> DiskNeed:
    """What jobs need on disk with so many GPUs at work at once.

    The largest states that fit on the GPUs together count: which jobs coincide is not known.
    """
    known = [works[key] for key in jobs if key in works]
    state, left = 0.0, gpus
    for work in sorted(known, key=lambda work: work.state, reverse=True):
        # One job runs however few the GPUs are said to be.
        if work.state and (work.gpus <= left or not state):
            state, left = state + work.state, left - work.gpus
    return DiskNeed(sum(work.stays for work in known), state, sum(work.cached for work in known))


def compute_longest_chain(jobs: StagesByKey, works: Mapping[str, JobCost]) -> float:
    """Hours of the longest chain of jobs that wait for each other: no more GPUs shorten it."""
    hours: dict[str, float] = {}

    def end(stage: Stage) -> float:
        if stage.key not in hours:
            before = max((end(earlier) for earlier in stage.after), default=0.0)
            own = works[stage.key].hours if stage.key in works else 0.0
            hours[stage.key] = before + own
        return hours[stage.key]

    return max((end(stage) for stage in jobs.values()), default=0.0)


def estimate_missing_disk(
    plan: AnalysisPlan, root: Path = ROOT, profile: Path = SLURM_PROFILE
) -> int | None:
    """Bytes that a whole study still needs, by what a profile and the assumptions say.

    Args:
        plan: of the study.
        root: the work folder; what the study has made there already is not needed again.
        profile: says how many GPUs a job holds.

    Returns:
        None for a study of small models, or of none: it needs no disk to speak of.

    Raises:
        InputError: a study of a hub's models that says no sizes.
    """
    if not isinstance(plan, HubPlan):
        return None
    assumed = read_assumptions()
    works = price_jobs(plan, assumed, read_gpus_per_rule(profile))
    need = estimate_disk(
        collect_stages(list_artefact_stages(plan)[WHOLE_STUDY]), works, assumed.gpus.value
    )
    return max(round(need.total) - count_bytes(root / "results" / plan.study.name), 0)


def count_bytes(folder: Path) -> int:
    """Bytes of the files below a folder; 0 if it is not there."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
