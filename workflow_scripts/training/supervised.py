"""Supervised training with TRL's SFTTrainer: pre-training on documents, SFT on trajectories."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from workflow_scripts.study.execution import Execution
from workflow_scripts.study.schema import Pretraining, SftRecipe
from workflow_scripts.training.checkpoints import SaveAtSteps, StopOnNan
from workflow_scripts.training.models import batches, trainer_arguments
from workflow_scripts.training.progress import Progress

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTConfig, SFTTrainer


class EvaluateFirst(TrainerCallback):
    """Evaluate once before the first step: the base model's loss is step 0 of the loss curve."""

    trainer: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate unless the run is resumed (then step 0 is in the trainer's history)."""
        if state.global_step == 0 and self.trainer is not None:
            self.trainer.evaluate()


@dataclass(frozen=True)
class Supervised:
    """What a supervised run needs besides its hyperparameters."""

    title: str
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    train: "Dataset"
    validation: "Dataset | None"
    save_steps: list[int]
    seed: int
    state: Path
    execution: Execution


def as_completions(dataset: "Dataset") -> "Dataset":
    """Rename to TRL's prompt and completion columns; a blank keeps the words apart."""
    prompts = [f"{prompt} " for prompt in dataset["prompt"]]
    renamed = dataset.rename_column("trajectory", "completion").remove_columns("prompt")
    return renamed.add_column("prompt", prompts)


def base_arguments(run: Supervised, batch_size: int) -> dict[str, Any]:
    """Trainer arguments that every supervised run shares."""
    return {
        **trainer_arguments(run.state, run.execution, run.seed),
        **batches(run.execution.sft, batch_size),
        "per_device_eval_batch_size": 256,
        "max_steps": max(run.save_steps),
        "eval_strategy": "no",
        "logging_steps": 10,
        "completion_only_loss": True,
        "packing": False,
    }


def pretraining_config(run: Supervised, recipe: Pretraining) -> "SFTConfig":
    """SFTConfig of pre-training: loss on what follows the problem; the problem itself is random."""
    from trl import SFTConfig

    return SFTConfig(
        **base_arguments(run, recipe.batch_size),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        adam_beta2=0.98,
        max_length=recipe.max_length,
    )


def sft_config(run: Supervised, recipe: SftRecipe) -> "SFTConfig":
    """SFTConfig of fine-tuning: loss on the trajectory, end-of-sequence included."""
    from trl import SFTConfig

    return SFTConfig(
        **base_arguments(run, recipe.batch_size),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        max_grad_norm=recipe.max_grad_norm,
        max_length=recipe.max_length,
    )


def supervised_trainer(run: Supervised, config: "SFTConfig") -> "SFTTrainer":
    """The trainer, with our checkpoints, progress and guards."""
    from trl import SFTTrainer

    first = EvaluateFirst()
    trainer = SFTTrainer(
        model=run.model,
        args=config,
        train_dataset=run.train,
        eval_dataset=run.validation,
        processing_class=run.tokenizer,
        callbacks=[
            SaveAtSteps(run.save_steps, evaluate=run.validation is not None),
            StopOnNan(),
            Progress(run.title),
            first,
        ],
    )
    if run.validation is not None:
        first.trainer = trainer
    return trainer
