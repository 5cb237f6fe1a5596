"""Supervised training with TRL's SFTTrainer: pre-training on documents, SFT on trajectories.

The validation loss is the mean over all learnt tokens of the validation set. The paper's trainer
takes the plain mean over its batches, each a mean over its tokens, which depends on their size.
Ours does not, and differs from it where long answers have other losses than short ones.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from retu.config.execution import Execution
from retu.config.lab_study import Pretraining
from retu.config.study import SftRecipe
from retu.models.trainer_arguments import (
    batches,
    batching_arguments,
    memory_arguments,
    sharing_arguments,
    trainer_arguments,
)
from retu.runtime.processes import world_size
from retu.runtime.progress import Progress
from retu.training.checkpoints import SaveAtSteps, StopOnNan

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTConfig, SFTTrainer

EVALUATED_AT_A_TIME = 256
"""Validation rows of a process at a time where the study names no micro_batch."""


class EvaluateAtSteps(TrainerCallback):
    """Evaluate before the first step and at the given ones.

    The base model's loss is step 0 of the loss curve; a resumed run has it in its history.
    """

    def __init__(self, steps: list[int]) -> None:
        self.steps = frozenset(steps)
        self.trainer: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate unless the run is resumed."""
        if state.global_step == 0 and self.trainer is not None:
            self.trainer.evaluate()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask the trainer for an evaluation; a log line comes first, with the training loss."""
        if state.global_step in self.steps:
            control.should_log = control.should_evaluate = True


@dataclass(frozen=True)
class Supervised:
    """What a supervised run needs besides its hyperparameters, its data and its model.

    Attributes:
        title: what it is called while it runs.
        checkpoints: steps that are published.
        steps: the length of the run and of its learning rate's schedule.
        evaluate_every: steps between evaluations, besides those at checkpoints.
        save_every: steps between saves, besides the checkpoints.
        seed: of the order of rows.
        state: where the trainer keeps its state.
        execution: the study's.
    """

    title: str
    checkpoints: list[int]
    steps: int
    seed: int
    state: Path
    execution: Execution
    evaluate_every: int | None = None
    save_every: int | None = None


def steps_of(checkpoints: list[int], every: int | None, last: int) -> list[int]:
    """The checkpoints, and every so many steps up to the last step of the run."""
    return sorted({*checkpoints, *(range(every, last + 1, every) if every else ())})


def base_arguments(run: Supervised, batch_size: int, max_length: int) -> dict[str, Any]:
    """Trainer arguments that every supervised run shares."""
    training = run.execution.sft
    return {
        **trainer_arguments(run.state, run.execution, run.seed),
        **batches(training, batch_size, world_size(), training.sequence_parallel),
        **memory_arguments(training),
        **batching_arguments(training, max_length),
        **sharing_arguments(training, run.execution.attention, world_size()),
        "per_device_eval_batch_size": training.micro_batch or EVALUATED_AT_A_TIME,
        "max_steps": run.steps,
        "eval_strategy": "no",
        "logging_steps": 10,
        "completion_only_loss": True,
    }


def pretraining_config(run: Supervised, recipe: Pretraining) -> "SFTConfig":
    """SFTConfig of pre-training: loss on what follows the problem; the problem itself is random."""
    from trl import SFTConfig

    return SFTConfig(
        **base_arguments(run, recipe.batch_size, recipe.max_length),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        adam_beta2=0.98,
    )


def sft_config(run: Supervised, recipe: SftRecipe) -> "SFTConfig":
    """SFTConfig of fine-tuning: loss on the trajectory, end-of-sequence included."""
    from trl import SFTConfig

    return SFTConfig(
        **base_arguments(run, recipe.batch_size, recipe.max_length),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=warmup_steps(recipe, run.steps),
        weight_decay=recipe.weight_decay,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        max_grad_norm=recipe.max_grad_norm,
    )


def warmup_steps(recipe: SftRecipe, steps: int) -> int:
    """How many steps the learning rate rises: a share of all steps, rounded up, or as given."""
    if recipe.warmup_ratio is None:
        return recipe.warmup_steps
    return math.ceil(recipe.warmup_ratio * steps)


def supervised_trainer(
    run: Supervised,
    config: "SFTConfig",
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    train: "Dataset",
    validation: "Dataset | None" = None,
) -> "SFTTrainer":
    """The trainer, with our checkpoints, progress and guards.

    Args:
        run: what is run.
        config: made before the model was loaded: it says how weights are read with ZeRO's stage 3.
        model, tokenizer: what is trained.
        train, validation: rows of `tokens.tokenised`.

    Raises:
        InputError: processes that share sequences would end a pass with an empty update.
    """
    from retu.training.batch_filling import check_updates, fill_batches
    from retu.training.sft_trainer import EvaluatedTrainer

    if validation is not None and world_size() > 1:
        validation = fill_batches(validation, config.per_device_eval_batch_size * world_size())
    evaluated = (
        steps_of(run.checkpoints, run.evaluate_every, run.steps) if validation is not None else []
    )
    saved = steps_of(run.checkpoints, run.save_every, run.steps)
    evaluation = EvaluateAtSteps(evaluated)
    trainer = EvaluatedTrainer(
        model=model,
        args=config,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        callbacks=[
            SaveAtSteps(saved, evaluate=False, published=run.checkpoints),
            evaluation,
            StopOnNan(),
            Progress(run.title),
        ],
    )
    sharing = run.execution.sft.sequence_parallel
    if sharing > 1:
        check_updates(len(trainer.train_dataset), config, world_size(), sharing)
    if validation is not None:
        evaluation.trainer = trainer
    return trainer
