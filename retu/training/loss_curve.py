"""The loss curve of an SFT run, from the trainer's history, and what its steps cost."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from retu.compute.flops import EFLOPS, ModelShape, sft_step_flops
from retu.config.study import SftRecipe
from retu.training.published_checkpoints import read_model_config
from retu.training.tokenized_sets import list_trained_lengths

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTTrainer


def measure_losses(
    trainer: "SFTTrainer", train: "Dataset", recipe: SftRecipe, base: Path
) -> pd.DataFrame:
    """The loss curve of a finished run with its compute.

    Args:
        trainer: it has trained on `train`, perhaps packed.
        train: rows of `load_tokenised_set`.
        recipe: of the run.
        base: the model that it started from, for its shape.

    Returns:
        Columns of `tabulate_losses`, tokens and x_sft_eflops (both cumulative).
    """
    rows = len(trainer.train_dataset)
    # Packed, a sequence of the batch holds several trajectories.
    batch = recipe.batch_size * len(train) / rows
    losses = tabulate_losses(trainer.state.log_history, rows, recipe.batch_size)
    return add_compute(losses, list_trained_lengths(train, recipe.max_length), batch, base)


def count_epochs(step: int, rows: int, batch_size: int) -> float:
    """Passes over the training set after `step` updates, of which a pass's last takes the rest."""
    passes, updates = divmod(step, math.ceil(rows / batch_size))
    return (passes * rows + updates * batch_size) / rows


def tabulate_losses(history: list[dict[str, Any]], rows: int, batch_size: int) -> pd.DataFrame:
    """One row per evaluation: step, epoch, val_loss, train_loss (the newest logged one).

    The training loss is empty at step 0, where nothing has been trained yet.

    Args:
        history: the trainer's.
        rows: of the training set, as batches take them (packs, if it is packed).
        batch_size: rows of an update.
    """
    evaluations: dict[int, dict[str, float | int | None]] = {}
    train_loss = None
    for entry in history:
        train_loss = entry.get("loss", train_loss)
        if "eval_loss" in entry:
            step = int(entry["step"])
            evaluations[step] = {
                "step": step,
                "epoch": count_epochs(step, rows, batch_size),
                "val_loss": float(entry["eval_loss"]),
                "train_loss": None if train_loss is None else float(train_loss),
            }
    return pd.DataFrame([evaluations[step] for step in sorted(evaluations)])


def add_compute(losses: pd.DataFrame, lengths: list[int], batch: float, base: Path) -> pd.DataFrame:
    """Add cumulative tokens and x_sft in EFLOPs, every step costing a batch of mean length.

    Args:
        losses: the loss curve.
        lengths: tokens of every trajectory with its prompt.
        batch: trajectories of a step, on average.
        base: the model, for its shape.
    """
    mean_length = sum(lengths) / len(lengths)
    shape = ModelShape.from_config(read_model_config(base))
    flops = sft_step_flops(shape, batch, mean_length)
    return losses.assign(
        tokens=losses["step"] * batch * mean_length,
        x_sft_eflops=losses["step"] * flops / EFLOPS,
    )
