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

from retu.config.study import SftRecipe
from retu.models.trainer_arguments import (
    make_accumulation_arguments,
    make_memory_arguments,
    make_packing_arguments,
    make_sequence_parallel_arguments,
    make_trainer_arguments,
)
from retu.planning.jobs import SftJob
from retu.runtime.processes import get_world_size
from retu.runtime.progress import ProgressCallback
from retu.training.checkpoints import NanGuard, SaveCallback, list_due_steps

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
    """What a supervised run is called, what its job says, and where the trainer keeps its state."""

    title: str
    job: SftJob
    state: Path

    @property
    def saved_steps(self) -> list[int]:
        """The checkpoints to publish, and steps between them so that a kill costs less."""
        return list_due_steps(self.job.checkpoints, self.job.recipe.save_every, self.job.steps)

    @property
    def evaluated_steps(self) -> list[int]:
        """Where the validation loss is measured, besides the start."""
        return list_due_steps(self.job.checkpoints, self.job.evaluate_every, self.job.steps)


def make_sft_config(run: SupervisedRun) -> "SFTConfig":
    """SFTConfig of a run: loss on the trajectory, end-of-sequence included."""
    from trl import SFTConfig

    job, recipe, training = run.job, run.job.recipe, run.job.execution.sft
    processes = get_world_size()
    return SFTConfig(
        **make_trainer_arguments(run.state, job.execution, job.seed),
        **make_accumulation_arguments(
            training, recipe.batch_size, processes, training.sequence_parallel
        ),
        **make_memory_arguments(training),
        **make_packing_arguments(training, recipe.max_length),
        **make_sequence_parallel_arguments(training, job.execution.attention, processes),
        per_device_eval_batch_size=training.micro_batch or EVALUATED_AT_A_TIME,
        max_steps=job.steps,
        eval_strategy="no",
        logging_steps=10,
        completion_only_loss=True,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=count_warmup_steps(recipe, job.steps),
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
        run, model, tokenizer: what is trained.
        config: made before the model was loaded: it says how weights are read with ZeRO's stage 3.
        train, validation: rows of `load_tokenised_set`.

    Raises:
        InputError: processes that share sequences would end a pass with an empty update.
    """
    from retu.training.batch_filling import check_updates
    from retu.training.memory.adapters import make_adapter_config
    from retu.training.memory.micro_batches import find_evaluation_budget
    from retu.training.sft_trainer import UpdateMeanSFTTrainer

    evaluation = EvaluationCallback(run.evaluated_steps)
    training, device = run.job.execution.sft, run.job.execution.device
    bucketed = fit_supervised_batches(run, config, model, train)
    trainer = UpdateMeanSFTTrainer(
        model=model,
        args=config,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        peft_config=make_adapter_config(run.job.recipe.lora),
        eval_tokens=find_evaluation_budget(training, device, model.config),
        bucketed=bucketed,
        by_rows=run.job.recipe.reduction == "row",
        callbacks=[
            SaveCallback(run.saved_steps, published=run.job.checkpoints),
            *([] if validation is None else [evaluation]),
            NanGuard(),
            ProgressCallback(run.title),
        ],
    )
    check_updates(len(trainer.train_dataset), config, get_world_size(), training.sequence_parallel)
    evaluation.trainer = trainer
    return trainer


def fit_supervised_batches(
    run: SupervisedRun, config: "SFTConfig", model: "PreTrainedModel", train: "Dataset"
) -> bool:
    """Make micro-batches small enough for memory; whether their rows are dealt out by length.

    Those that share sequences, or hold many in one row, are left as they are.
    """
    from retu.training.memory.micro_batches import find_token_budget, fit_micro_batch
    from retu.training.tokenized_sets import list_trained_lengths

    training = run.job.execution.sft
    if training.sequence_parallel > 1 or training.batching not in ("padded", "bucketed"):
        return False
    budget = find_token_budget(training, run.job.execution.device, model.config)
    longest = max(list_trained_lengths(train, run.job.recipe.max_length))
    made_smaller = fit_micro_batch(config, training, longest, budget)
    return made_smaller or training.batching == "bucketed"
