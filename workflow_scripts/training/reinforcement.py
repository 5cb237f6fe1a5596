"""Reinforcement learning by any paradigm, evaluated while it runs.

Every `evaluate_every` steps the benchmarks are answered by the model as it is, the answers are put
on disk, and the training state is saved.
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
from workflow_scripts.training.mixed.configuration import trl_arguments
from workflow_scripts.training.mixed.history import PREFIX
from workflow_scripts.training.models import batches, trainer_arguments
from workflow_scripts.training.progress import Progress

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import GRPOConfig

    from workflow_scripts.training.mixed.trainer import MixedGRPOTrainer

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
        **batches(execution.rl, sequences),
        num_generations=recipe.rollouts,
        max_completion_length=recipe.max_completion_length,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        temperature=recipe.temperature,
        use_vllm=execution.rl.vllm is not None,
        vllm_mode="colocate",
        logging_steps=1,
        **trl_arguments(recipe.paradigm),
    )


def rl_trainer(run: Reinforced) -> "MixedGRPOTrainer":
    """The trainer, with our evaluation, checkpoints, progress and guards."""
    from workflow_scripts.training.mixed.trainer import MixedGRPOTrainer

    steps = evaluation_steps(run.job.recipe.steps, run.job.recipe.evaluate_every)
    evaluation = EvaluateWhileTraining(run, steps)
    trainer = MixedGRPOTrainer(
        paradigm=run.job.recipe.paradigm,
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
        if run.job.execution.rl.vllm is not None:
            trainer.vllm_generation.sync_weights()
            return VllmEngine(trainer.vllm_generation.llm)
        return TransformersEngine(trainer.accelerator.unwrap_model(trainer.model), run.tokenizer)

    evaluation.engine = engine
    return trainer


def history_table(log_history: list[dict[str, Any]]) -> pd.DataFrame:
    """Every logged figure of every step, without wall-clock times."""
    rows = [entry for entry in log_history if "loss" in entry]
    frame = pd.DataFrame(rows).drop(columns=list(NOT_REPEATABLE), errors="ignore")
    return frame[["step", *sorted(set(frame.columns) - {"step"})]].astype({"step": int})


def compute_table(history: pd.DataFrame, job: RlJob, shape: ModelShape) -> pd.DataFrame:
    """Cumulative RL compute at every step, by the paper's convention (appendix E).

    Every generated token costs one forward pass, those of discarded samples too, and every trained
    one three more. LUFFY and SRFT are charged a forward pass for the expert's tokens as well, which
    nobody generated. The mean length is that of the step's generated sequences.

    Returns:
        columns step, sequences, tokens (generated, cumulative), x_rl_eflops (cumulative).
    """
    rows, tokens, trained = (
        history[PREFIX + name] for name in ("rows_generated", "tokens_generated", "tokens_trained")
    )
    forward = trained.clip(lower=tokens) if job.recipe.paradigm.planner.n_expert else tokens
    flops = [rl_flops(shape, *step) for step in zip(forward, trained, tokens / rows, strict=True)]
    return pd.DataFrame(
        {
            "step": history["step"],
            "sequences": rows.cumsum().astype(int),
            "tokens": tokens.cumsum().astype(int),
            "x_rl_eflops": pd.Series(flops, index=history.index).cumsum() / EFLOPS,
        }
    )
