"""What a single job costs: compute by the paper's formulas, time on GPUs, bytes on disk.

    SFT          steps * 3 B S F                                       (appendix E)
    RL           steps * (K B_gen G S + 3 B_train G S) F, and what is forwarded of expert rows
    generation   answers * mean tokens; base and SFT models by jobs of their own, RL while it trains

Times are estimates: FLOPs at a share of the GPU's speed, generated tokens at a rate
(`assumptions.yaml`). Jobs that need no GPU have none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from retu.compute.flops import EFLOPS, ModelShape, rl_flops, sft_step_flops
from retu.config.hub_study import ReleasedSet
from retu.config.study import RlRecipe, SftRun
from retu.core.run_paths import Run
from retu.core.sizes import GIB
from retu.cost.assumptions import Assumptions
from retu.cost.sequence_lengths import (
    count_generations,
    count_pool_rows,
    count_sft_rows,
    get_prompt_lengths,
    get_trajectory_lengths,
    make_model_shape,
    require_hub_model,
    require_shape,
)
from retu.planning.hub_plan import HubPlan
from retu.planning.stages import Stage

WorkKind = Literal["download", "data", "SFT", "RL", "generation", "analysis"]
KIND_OF_MODULE: dict[str, WorkKind] = {
    "fetch_base": "download",
    "load_benchmarks": "download",
    "load_expert_set": "download",
    "rebuild_pool": "download",
    "match_prompts": "data",
    "select_sft_set": "data",
    "decontaminate": "data",
    "make_data": "data",
    "pretrain_base": "SFT",
    "train_sft": "SFT",
    "train_rl": "RL",
    "generate": "generation",
}
"""Kind of work by the module that does it; the rest is analysis."""
SECONDS_PER_HOUR = 3600


def get_work_kind(stage: Stage) -> WorkKind:
    """What kind of work a stage is."""
    return KIND_OF_MODULE.get(stage.module, "analysis")


@dataclass(frozen=True)
class JobCost:
    """What one job costs; jobs without GPUs cost disk only.

    Attributes:
        stage: the job.
        name: what it makes, from the folder of the study's results.
        eflops: compute in the paper's convention.
        gpus: that the job holds.
        gpu_hours: in all.
        model: that it trains or asks.
        stays: bytes of its results.
        state: bytes of its training state at its largest.
        cached: bytes that it downloads.
    """

    stage: Stage
    name: str
    eflops: float = 0.0
    gpus: int = 0
    gpu_hours: float = 0.0
    model: str = ""
    stays: float = 0.0
    state: float = 0.0
    cached: float = 0.0

    @property
    def hours(self) -> float:
        """How long it runs."""
        return self.gpu_hours / self.gpus if self.gpus else 0.0


@dataclass(frozen=True)
class JobPricer:
    """A study's plan, what is assumed, and how many GPUs a job of each rule holds."""

    plan: HubPlan
    assumed: Assumptions
    gpus: dict[str, int]

    def get_billions(self, model: str) -> float:
        """Parameters of a model in 1e9."""
        return require_shape(require_hub_model(self.plan.study, model)).billions

    def get_model_shape(self, model: str) -> ModelShape:
        """The sizes of a model."""
        return make_model_shape(require_hub_model(self.plan.study, model))

    def compute_weight_bytes(self, model: str) -> float:
        """Bytes of a published checkpoint."""
        return self.get_billions(model) * 1e9 * self.assumed.weight_bytes.value

    def compute_state_bytes(self, model: str) -> float:
        """Bytes of the training state at its largest."""
        each = self.assumed.state_bytes.value * self.assumed.states.value
        return self.get_billions(model) * 1e9 * each

    def compute_kept_bytes(self, run: Run) -> float:
        """Bytes of the state that a finished RL branch keeps to be gone on from, but its weights.

        Adapters keep little, and branches that compete nothing.
        """
        recipe = self.plan.study.recipes.rl[run.recipe]
        each = self.assumed.state_bytes.value - self.assumed.weight_bytes.value
        kept = self.get_billions(run.model) * 1e9 * each
        small = kept <= self.plan.config.kept_state_gib * GIB
        return kept if small and recipe.lora is None and not run.rung else 0.0

    def estimate_generations(self, model: str, evaluations: int) -> tuple[float, float]:
        """GPU-seconds and bytes of so many evaluations."""
        tokens = evaluations * count_generations(self.plan.study) * self.assumed.answer_tokens.value
        seconds = self.assumed.estimate_generation_seconds(tokens, self.get_billions(model))
        return seconds, tokens * self.assumed.text_bytes.value

    def price_jobs(self) -> Iterator[JobCost]:
        """Every job that costs GPUs or gigabytes."""
        study = self.plan.study
        for model in study.models:
            yield self.price_download(model)
            yield self.price_generation(Run("base", model), "generate_base", 1)
        for name in study.datasets:
            yield self.price_expert_set(name)
        if study.reference:
            yield from self.price_reference()
        for run in self.plan.list_sft_runs():
            sft = self.plan.find_sft_run(run.model, run.dataset)
            yield self.price_sft(run)
            if not self.plan.has_scores(run):
                yield self.price_generation(run, "generate_sft", len(sft.checkpoints))
        for run in (run for run in self.plan.possible_runs if run.kind == "rl"):
            yield self.price_rl(run)

    def price_download(self, model: str) -> JobCost:
        """Bring a base model here: it is in the hub's cache and among the results."""
        size = self.compute_weight_bytes(model)
        return JobCost(self.plan.plan_base(model), f"base/{model}", stays=size, cached=size)

    def price_expert_set(self, name: str) -> JobCost:
        """Bring or draw an SFT set."""
        study = self.plan.study
        tokens = get_trajectory_lengths(study, name)
        count = count_sft_rows(study, name) * (tokens.prompt + tokens.response)
        size = count * self.assumed.text_bytes.value
        cached = size if isinstance(study.datasets[name], ReleasedSet) else 0.0
        stage = self.plan.plan_sft_set(name)
        return JobCost(stage, f"sft_sets/{name}", stays=size, cached=cached)

    def price_generation(self, run: Run, rule: str, models: int) -> JobCost:
        """Answer the benchmarks with the checkpoints of a run."""
        seconds, size = self.estimate_generations(run.model, models)
        name, gpus = f"{run.path}/generations.parquet", self.gpus[rule]
        return JobCost(
            self.plan.plan_run_generation(run),
            name,
            gpus=gpus,
            gpu_hours=seconds / SECONDS_PER_HOUR,
            model=run.model,
            stays=size,
        )

    def price_import(self, run: Run) -> JobCost:
        """Take an SFT run that was trained elsewhere: disk at most, where links are impossible."""
        count = len(self.plan.find_sft_run(run.model, run.dataset).checkpoints)
        stage = self.plan.import_sft(run.model, run.dataset, str(run.seed))
        return JobCost(stage, run.path, stays=count * self.compute_weight_bytes(run.model))

    def price_sft(self, run: Run) -> JobCost:
        """Fine-tune on an SFT set, up to the last checkpoint, or take what was trained before."""
        study, sft = self.plan.study, self.plan.find_sft_run(run.model, run.dataset)
        if not isinstance(sft, SftRun):
            return self.price_import(run)
        tokens = get_trajectory_lengths(study, run.dataset)
        batch, length = study.recipes.sft[sft.recipe].batch_size, tokens.prompt + tokens.response
        trained_on = count_sft_rows(study, run.dataset) * length * self.assumed.row_bytes.value
        flops = sft.length * sft_step_flops(self.get_model_shape(run.model), batch, length)
        return JobCost(
            self.plan.train_sft(run.model, run.dataset, str(run.seed)),
            run.path,
            eflops=flops / EFLOPS,
            gpus=self.gpus["train_sft"],
            gpu_hours=self.assumed.estimate_training_seconds(flops) / SECONDS_PER_HOUR,
            model=run.model,
            stays=len(sft.checkpoints) * self.compute_weight_bytes(run.model),
            state=self.compute_state_bytes(run.model) + trained_on,
        )

    def price_rl(self, run: Run) -> JobCost:
        """An RL branch or rung, with the answers while it trains; the last model stays."""
        study = self.plan.study
        recipe = study.recipes.rl[run.recipe]
        shape, tokens = self.get_model_shape(run.model), get_prompt_lengths(study, recipe.prompts)
        length = tokens.prompt + tokens.response
        sampled, trained, expert = count_rl_rows(recipe, self.assumed.rounds.value)
        start, end = self.plan.get_rl_steps(run)
        steps = end - start
        flops = steps * rl_flops(shape, (sampled + expert) * length, trained * length, length)
        updates = steps * rl_flops(shape, 0, trained * length, length)
        rolled = self.assumed.estimate_generation_seconds(
            steps * sampled * tokens.response, self.get_billions(run.model)
        )
        asked, size = self.estimate_generations(run.model, self.plan.count_evaluations(run))
        return JobCost(
            self.plan.plan_run_generation(run),
            run.path,
            eflops=flops / EFLOPS,
            gpus=self.gpus["train_rl"],
            gpu_hours=(self.assumed.estimate_training_seconds(updates) + rolled + asked)
            / SECONDS_PER_HOUR,
            model=run.model,
            stays=self.compute_weight_bytes(run.model) + self.compute_kept_bytes(run) + size,
            state=self.compute_state_bytes(run.model),
        )

    def price_reference(self) -> Iterator[JobCost]:
        """The reference model's attempts at the pool; training one is not priced (none is)."""
        reference = self.plan.reference
        count = reference.attempts * count_pool_rows(self.plan.study)
        tokens = count * self.assumed.answer_tokens.value
        seconds = self.assumed.estimate_generation_seconds(
            tokens, self.get_billions(reference.model)
        )
        yield JobCost(
            self.plan.generate_reference(),
            "reference/generations.parquet",
            gpus=self.gpus["generate_reference"],
            gpu_hours=seconds / SECONDS_PER_HOUR,
            model=reference.model,
            stays=tokens * self.assumed.text_bytes.value,
        )


def count_rl_rows(recipe: RlRecipe, rounds: float) -> tuple[float, int, int]:
    """Sampled, trained and expert rows of a step.

    Dynamic sampling asks for K rounds of more prompts than are trained on; LUFFY and SRFT train on
    the expert's rows besides their own. UPT is priced as if no prompt were imitated.
    """
    planner = recipe.paradigm.planner
    expert = recipe.prompts_per_step * planner.n_expert
    trained = recipe.prompts_per_step * recipe.rollouts
    dynamic = planner.dynamic_sampling
    times = rounds * dynamic.gen_batch_factor if dynamic else 1
    return times * (trained - expert), trained, expert
