"""How much work each job of a study is, in a unit of its kind, before anything is measured.

Jobs of a hub's models are measured in GPU-hours as `retu/cost/job_cost.py` estimates them; jobs of
models made here, whose speed nobody knows beforehand, in rows: those that are trained on, and
generations. Any other job counts as one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from retu.config.lab_study import ArithmeticData, LabModel
from retu.config.study import SftRun
from retu.core.run_paths import Run
from retu.cost.estimate import WHOLE_STUDY, collect_stages, list_artefact_stages
from retu.cost.job_cost import JobCost, WorkKind, get_work_kind
from retu.cost.sequence_lengths import count_generations
from retu.planning.stages import Stage
from retu.planning.training_plan import Plan


@dataclass(frozen=True)
class JobWork:
    """A job and its amount of work.

    Attributes:
        stage: the job.
        name: what it makes, from the folder of the study's results.
        model: that it trains or asks; empty where there is none.
        amount: GPU-hours by the assumptions, rows, or 1.
        gpus: that it holds; 1 on a CPU.
    """

    stage: Stage
    name: str
    model: str = ""
    amount: float = 1.0
    gpus: int = 1

    @property
    def kind(self) -> WorkKind:
        """What kind of work it is."""
        return get_work_kind(self.stage)

    @property
    def group(self) -> tuple[str, str]:
        """Jobs of a group take the same time for the same amount."""
        return self.stage.module, self.model

    @property
    def any_model(self) -> tuple[str, str]:
        """The group of its kind with any model, which stands in for its own."""
        return self.stage.module, ""


def list_priced_work(costs: dict[str, JobCost]) -> list[JobWork]:
    """Jobs that hold GPUs, by what they are estimated to cost."""
    priced = [cost for cost in costs.values() if cost.gpu_hours]
    return [JobWork(c.stage, c.name, c.model, c.gpu_hours, c.gpus) for c in priced]


def list_study_work(plan: Plan) -> list[JobWork]:
    """Every job that could stand behind a study's report, in rows."""
    known = {work.stage.key: work for work in list_row_work(plan)}
    stages = collect_stages(list_artefact_stages(plan)[WHOLE_STUDY])
    return [known.get(key) or JobWork(stage, stage.module) for key, stage in stages.items()]


def list_row_work(plan: Plan) -> Iterator[JobWork]:
    """The jobs that train and generate."""
    study, answers = plan.study, count_generations(plan.study)
    for name, model in study.models.items():
        if isinstance(model, LabModel):
            rows = model.pretraining.steps * model.pretraining.batch_size
            yield JobWork(plan.plan_base(name), f"base/{name}", name, rows)
        yield JobWork(plan.generate_base(name), f"base/{name}/generations", name, answers)
    for run in plan.list_sft_runs():
        sft, seed = plan.find_sft_run(run.model, run.dataset), str(run.seed)
        if isinstance(sft, SftRun):
            trained = sft.length * study.recipes.sft[sft.recipe].batch_size
            stage = plan.train_sft(run.model, run.dataset, seed)
            yield JobWork(stage, run.path, run.model, trained)
        if not plan.has_scores(run):
            asked = plan.generate_sft(run.model, run.dataset, seed)
            count = answers * len(sft.checkpoints)
            yield JobWork(asked, f"{run.path}/generations", run.model, count)
    yield from list_rl_work(plan, answers)
    yield from list_reference_work(plan)


def list_rl_work(plan: Plan, answers: int) -> Iterator[JobWork]:
    """Every RL branch that labels could choose."""
    for run in (run for run in plan.possible_runs if run.kind == "rl"):
        rows = count_rl_generations(plan, run, answers)
        # Recipes differ in what a row costs: each is a group of its own.
        group = f"{run.model} {run.recipe}"
        yield JobWork(plan.plan_run_generation(run), run.path, group, rows)


def list_reference_work(plan: Plan) -> Iterator[JobWork]:
    """The training of the reference model, if it is trained, and its attempts at the pool."""
    reference, data = plan.study.reference, plan.study.data
    if reference and reference.recipe and reference.steps:
        rows = reference.steps * plan.study.recipes.sft[reference.recipe].batch_size
        yield JobWork(plan.train_reference(), "reference", reference.model, rows)
    if reference and isinstance(data, ArithmeticData):
        count = data.pool.problems * reference.attempts
        yield JobWork(plan.generate_reference(), "reference/generations", reference.model, count)


def count_rl_generations(plan: Plan, run: Run, answers: int) -> int:
    """Rollouts and answers to benchmarks of an RL run or rung."""
    recipe, (start, end) = plan.study.recipes.rl[run.recipe], plan.get_rl_steps(run)
    rollouts = (end - start) * recipe.prompts_per_step * recipe.rollouts
    return rollouts + answers * plan.count_evaluations(run)
