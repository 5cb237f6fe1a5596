"""What an SFT job reads, and what its steps cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from retu.compute.flops import EFLOPS, ModelShape, sft_step_flops
from retu.planning.jobs import SftJob
from retu.training.checkpoints import (
    read_model_config,
)
from retu.training.tokenized_sets import load_tokenised_set

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


def read_sets(
    sets: Sequence[Path], job: SftJob, tokenizer: "PreTrainedTokenizerBase", state: Path
) -> list["Dataset"]:
    """The training and the validation set as tokens.

    Raises:
        InputError: a row to train on is too long and the recipe does not allow to cut it.
    """
    recipe, threads = job.recipe, job.execution.threads
    remedy = "raise max_length in the SFT recipe, or set too_long: truncate"
    remedies = (remedy if recipe.too_long == "error" else None, None)
    return [
        load_tokenised_set(
            path, tokenizer, state / "tokens" / name, threads, recipe.max_length, remedy
        )
        for name, path, remedy in zip(("train", "validation"), sets, remedies, strict=True)
    ]


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
