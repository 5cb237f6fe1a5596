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
from retu.config.lab_study import PretrainingSettings
from retu.config.study import SftRecipe
from retu.models.trainer_arguments import (
    make_accumulation_arguments,
    make_memory_arguments,
    make_packing_arguments,
    make_sequence_parallel_arguments,
    make_trainer_arguments,
)
from retu.runtime.processes import get_world_size
from retu.runtime.progress import ProgressCallback
from retu.training.checkpoints import NanGuard, SaveCallback

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTConfig, SFTTrainer

EVALUATED_AT_A_TIME = 256
"""Validation rows of a process at a time where the study names no micro_batch."""


class EvaluationCallback(TrainerCallback):
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
class SupervisedRun:
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


def list_due_steps(checkpoints: list[int], every: int | None, last: int) -> list[int]:
    """The checkpoints, and every so many steps up to the last step of the run."""
    return sorted({*checkpoints, *(range(every, last + 1, every) if every else ())})


def make_base_arguments(run: SupervisedRun, batch_size: int, max_length: int) -> dict[str, Any]:
    """Trainer arguments that every supervised run shares."""
    training = run.execution.sft
    return {
        **make_trainer_arguments(run.state, run.execution, run.seed),
        **make_accumulation_arguments(
            training, batch_size, get_world_size(), training.sequence_parallel
        ),
        **make_memory_arguments(training),
        **make_packing_arguments(training, max_length),
        **make_sequence_parallel_arguments(training, run.execution.attention, get_world_size()),
        "per_device_eval_batch_size": training.micro_batch or EVALUATED_AT_A_TIME,
        "max_steps": run.steps,
        "eval_strategy": "no",
        "logging_steps": 10,
        "completion_only_loss": True,
    }


def make_pretraining_config(run: SupervisedRun, recipe: PretrainingSettings) -> "SFTConfig":
    """SFTConfig of pre-training: loss on what follows the problem; the problem itself is random."""
    from trl import SFTConfig

    return SFTConfig(
        **make_base_arguments(run, recipe.batch_size, recipe.max_length),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        adam_beta2=0.98,
    )


def make_sft_config(run: SupervisedRun, recipe: SftRecipe) -> "SFTConfig":
    """SFTConfig of fine-tuning: loss on the trajectory, end-of-sequence included."""
    from trl import SFTConfig

    return SFTConfig(
        **make_base_arguments(run, recipe.batch_size, recipe.max_length),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=count_warmup_steps(recipe, run.steps),
        weight_decay=recipe.weight_decay,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        max_grad_norm=recipe.max_grad_norm,
    )


def count_warmup_steps(recipe: SftRecipe, steps: int) -> int:
    """How many steps the learning rate rises: a share of all steps, rounded up, or as given."""
    if recipe.warmup_ratio is None:
        return recipe.warmup_steps
    return math.ceil(recipe.warmup_ratio * steps)


def make_supervised_trainer(
    run: SupervisedRun,
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
        train, validation: rows of `load_tokenised_set`.

    Raises:
        InputError: processes that share sequences would end a pass with an empty update.
    """
    from retu.training.batch_filling import check_updates, fill_batches
    from retu.training.sft_trainer import TokenMeanSFTTrainer

    if validation is not None and get_world_size() > 1:
        validation = fill_batches(validation, config.per_device_eval_batch_size * get_world_size())
    evaluated = (
        list_due_steps(run.checkpoints, run.evaluate_every, run.steps)
        if validation is not None
        else []
    )
    saved = list_due_steps(run.checkpoints, run.save_every, run.steps)
    evaluation = EvaluationCallback(evaluated)
    trainer = TokenMeanSFTTrainer(
        model=model,
        args=config,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        callbacks=[
            SaveCallback(saved, evaluate=False, published=run.checkpoints),
            evaluation,
            NanGuard(),
            ProgressCallback(run.title),
        ],
    )
    sharing = run.execution.sft.sequence_parallel
    if sharing > 1:
        check_updates(len(trainer.train_dataset), config, get_world_size(), sharing)
    if validation is not None:
        evaluation.trainer = trainer
    return trainer
