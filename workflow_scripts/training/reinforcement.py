"""Reinforcement learning with TRL's GRPOTrainer, evaluated while it runs.

The recipe is the paper's DAPO_dc without dynamic sampling: clip-higher, dual clip, no KL term,
group-normalised advantages (appendix C.2.2). Every `evaluate_every` steps the benchmarks are
answered by the model as it is, the answers are put on disk, and the training state is saved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from transformers import TrainerCallback

from workflow_scripts.compute.flops import EFLOPS, ModelShape, rl_flops
from workflow_scripts.evaluation.engines import Engine, TransformersEngine, VllmEngine
from workflow_scripts.evaluation.generate import generate
from workflow_scripts.study.jobs import RlJob
from workflow_scripts.tables_io import write_parquet
from workflow_scripts.training.checkpoints import SaveAtSteps, StopOnNan
from workflow_scripts.training.models import trainer_arguments
from workflow_scripts.training.progress import Progress

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import GRPOConfig, GRPOTrainer

# Wall-clock figures have no place among results that two equal runs must share to the byte.
NOT_REPEATABLE = (
    *("step_time", "train_runtime"),
    *("train_samples_per_second", "train_steps_per_second"),
)


@dataclass(frozen=True)
class Reinforced:
    """What an RL run needs besides its job: the model, data and where its state is kept."""

    title: str
    job: RlJob
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    prompts: "Dataset"
    attempts: pd.DataFrame
    reward: Callable[..., list[float]]
    state: Path


def evaluation_steps(steps: int, every: int) -> list[int]:
    """The steps at which an RL run is evaluated: every so many, and the last."""
    return sorted({*range(every, steps + 1, every), steps})


def part_path(state: Path, step: int) -> Path:
    """Where the generations of one evaluation wait until the run is over."""
    return state / "generations" / f"step-{step:06d}.parquet"


class EvaluateWhileTraining(TrainerCallback):
    """Answer the benchmarks at the evaluation steps and store the answers."""

    def __init__(self, run: Reinforced, steps: list[int]) -> None:
        self.run = run
        self.steps = frozenset(steps)
        self.engine: Callable[[], Engine] | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate before the trainer saves, so that a saved step has its generations."""
        if state.global_step in self.steps and self.engine is not None:
            settings = self.run.job.evaluation
            rows = generate(self.engine(), self.run.attempts, state.global_step, settings)
            write_parquet(rows, part_path(self.run.state, state.global_step))


def grpo_config(run: Reinforced) -> "GRPOConfig":
    """TRL's configuration of the recipe: one optimiser step per generated batch."""
    from trl import GRPOConfig

    recipe, execution = run.job.recipe, run.job.execution
    sequences = recipe.prompts_per_step * recipe.rollouts
    return GRPOConfig(
        **trainer_arguments(run.state, execution, run.job.seed),
        max_steps=recipe.steps,
        per_device_train_batch_size=sequences // execution.gradient_accumulation,
        num_generations=recipe.rollouts,
        max_completion_length=recipe.max_completion_length,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        epsilon=recipe.epsilon_low,
        epsilon_high=recipe.epsilon_high,
        delta=recipe.dual_clip,
        beta=recipe.kl_coefficient,
        scale_rewards=recipe.scale_rewards,
        loss_type=recipe.loss,
        temperature=recipe.temperature,
        top_p=1.0,
        use_vllm=execution.vllm,
        vllm_mode="colocate",
        vllm_importance_sampling_correction=False,
        logging_steps=1,
    )


def rl_trainer(run: Reinforced) -> "GRPOTrainer":
    """The trainer, with our evaluation, checkpoints, progress and guards."""
    from trl import GRPOTrainer

    steps = evaluation_steps(run.job.recipe.steps, run.job.recipe.evaluate_every)
    evaluation = EvaluateWhileTraining(run, steps)
    trainer = GRPOTrainer(
        model=run.model,
        reward_funcs=run.reward,
        args=grpo_config(run),
        train_dataset=run.prompts,
        processing_class=run.tokenizer,
        callbacks=[
            evaluation,
            SaveAtSteps(steps, evaluate=False),
            StopOnNan(),
            Progress(run.title),
        ],
    )

    def engine() -> Engine:
        if run.job.execution.vllm:
            trainer.vllm_generation.sync_weights()
            return VllmEngine(trainer.vllm_generation.llm)
        return TransformersEngine(trainer.accelerator.unwrap_model(trainer.model), run.tokenizer)

    evaluation.engine = engine
    return trainer


def history_table(log_history: list[dict[str, Any]]) -> pd.DataFrame:
    """Every logged figure of every step, without wall-clock times."""
    rows = [entry for entry in log_history if "reward" in entry]
    frame = pd.DataFrame(rows).drop(columns=list(NOT_REPEATABLE), errors="ignore")
    return frame[["step", *sorted(set(frame.columns) - {"step"})]].astype({"step": int})


def compute_table(history: pd.DataFrame, job: RlJob, shape: ModelShape) -> pd.DataFrame:
    """Cumulative RL compute at every step, by the paper's convention (appendix E).

    Every generated sequence costs one forward pass, every trained one three more; without
    dynamic sampling both are prompts x rollouts. The mean length is the step's own.

    Returns:
        columns step, sequences, tokens (cumulative), x_rl_eflops (cumulative).
    """
    sequences = job.recipe.prompts_per_step * job.recipe.rollouts
    tokens = history["num_tokens"].diff().fillna(history["num_tokens"])
    flops = [rl_flops(shape, sequences, sequences, count / sequences) for count in tokens]
    return pd.DataFrame(
        {
            "step": history["step"],
            "sequences": history["step"] * sequences,
            "tokens": history["num_tokens"],
            "x_rl_eflops": pd.Series(flops, index=history.index).cumsum() / EFLOPS,
        }
    )
