"""Losses and compute of an SFT run that was trained elsewhere, from its trainer's state.

What a step cost is the paper's formula for the tokens that it saw. These are, in this order: those
that the trainer counted; those behind Transformers' `total_flos`, which is 6 times tokens times
parameters; and those of so many rows of the study's set. What nobody tells stays empty.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from retu.compute.flops import EFLOPS, ModelShape, sft_step_flops
from retu.core.errors import InputError
from retu.core.tensor_shapes import Shapes
from retu.data.chat import encode_example
from retu.data.stored_sets import check_stored
from retu.logs.log_entries import parse_number
from retu.logs.log_files import load_json
from retu.logs.trainer_state import is_filtered_loss, load_history
from retu.planning.imported_jobs import ImportSftJob

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEXT_COLUMNS = ("prompt", "trajectory")
HEAD = "lm_head.weight"
COUNTS = ("num_input_tokens_seen", "num_tokens")
"""Keys of cumulative tokens: Transformers' (where it was asked to count) and TRL's."""
FLOPS_PER_TOKEN = 6
"""Transformers' `floating_point_ops`: so many times tokens times parameters without embedding."""
UNKNOWN_LENGTH = 1.0
"""Stands for a mean length that is not known: attention then counts for almost nothing."""
COLUMNS = ("step", "epoch", "val_loss", "train_loss", "tokens", "x_sft_eflops")


@dataclass(frozen=True)
class TrainerHistory:
    """What the states of a run tell: the entries of the longest, and totals by step."""

    entries: Sequence[Mapping[str, Any]]
    totals: Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class SftRows:
    """What is known of the rows of the set: how many, their mean tokens, and rows of an update."""

    rows: int | None = None
    mean_tokens: float | None = None
    batch_size: int | None = None


def read_trainer_history(paths: Sequence[Path]) -> TrainerHistory:
    """Read the states of a run; of their histories, the one that went furthest.

    Raises:
        InputError: one is cut off, or has no history.
    """
    read = [(*load_history(path), load_json(path)) for path in paths]
    longest = max(read, key=lambda one: one[0])[1] if read else []
    states = [content for _, _, content in read if isinstance(content, dict)]
    totals = {
        int(state["global_step"]): {
            key: number
            for key in ("total_flos", *COUNTS)
            if (number := parse_number(state.get(key))) is not None and number > 0
        }
        for state in states
        if state.get("global_step")
    }
    return TrainerHistory(longest, totals)


def tabulate_history(
    history: TrainerHistory, checkpoints: Sequence[int], eval_loss: str
) -> pd.DataFrame:
    """One row for step 0, every checkpoint and every evaluation: step, epoch, val_loss, train_loss.

    The training loss is the newest logged one, as `tabulate_losses` has it; a loss of 0.0 that
    stands for NaN counts as none.
    """
    steps: dict[int, dict[str, float]] = {step: {} for step in (0, *checkpoints)}
    steps[0]["epoch"] = 0.0
    train_loss: dict[int, float] = {}
    for entry in history.entries:
        step, values = parse_number(entry.get("step")), read_numbers(entry)
        if step is None or "train_runtime" in values:
            continue
        if "loss" in values:
            train_loss[int(step)] = math.nan if is_filtered_loss(values) else values["loss"]
        if eval_loss in values:
            steps.setdefault(int(step), {})["val_loss"] = values[eval_loss]
        if int(step) in steps and "epoch" in values:
            steps[int(step)]["epoch"] = values["epoch"]
    rows = [{"step": step, **steps[step]} for step in sorted(steps)]
    for row in rows:
        before = [logged for logged in train_loss if logged <= row["step"]]
        row["train_loss"] = train_loss[max(before)] if before and row["step"] else math.nan
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS[:4]))


def read_numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an entry of a history."""
    found = ((key, parse_number(value)) for key, value in entry.items())
    return {key: number for key, number in found if number is not None}


def find_counted_tokens(history: TrainerHistory) -> tuple[str, dict[int, float]]:
    """Which count of tokens the trainer kept, and the tokens by step; empty if it kept none.

    A count that goes back was begun anew by a resumed run, and tells nothing.
    """
    for key in COUNTS:
        found = {step: total[key] for step, total in history.totals.items() if key in total}
        for entry in history.entries:
            values = read_numbers(entry)
            step, count = values.get("step"), values.get(key)
            if step and count:
                found[int(step)] = count
        ordered = [found[step] for step in sorted(found)]
        if ordered and ordered == sorted(ordered):
            return key, found
    return "", {}


def count_inner_parameters(shapes: Shapes, tied: bool) -> int:
    """Parameters as Transformers counts them for `total_flos`: without the embedding.

    An output layer counts unless it is the embedding (`tied`).
    """
    left_out = {HEAD} if tied else set()
    return sum(
        math.prod(shape)
        for name, shape in shapes.items()
        if "embed" not in name and name not in left_out
    )


def measure_rows(path: Path, tokenizer: "PreTrainedTokenizerBase", job: ImportSftJob) -> SftRows:
    """The rows of a stored set and their mean tokens, as SFT here would show them."""
    check_stored(path, TEXT_COLUMNS)
    lengths = [
        len(encode_example(tokenizer, prompt, trajectory, job.max_length)["input_ids"])
        for batch in pq.ParquetFile(path).iter_batches(columns=list(TEXT_COLUMNS))
        for prompt, trajectory in zip(
            *(batch[name].to_pylist() for name in TEXT_COLUMNS), strict=True
        )
    ]
    return SftRows(len(lengths), sum(lengths) / len(lengths), job.batch_size)


def find_tokens(
    history: TrainerHistory, table: pd.DataFrame, parameters: int, known: SftRows
) -> tuple[pd.Series, str]:
    """Cumulative tokens at the steps of a table, and where they are from.

    Raises:
        InputError: nothing tells them.
    """
    key, counted = find_counted_tokens(history)
    if counted:
        return interpolate(table["step"], counted), f"{key} of the trainer"
    flops = {
        step: found["total_flos"] for step, found in history.totals.items() if "total_flos" in found
    }
    if flops:
        each = {step: total / FLOPS_PER_TOKEN / parameters for step, total in flops.items()}
        return interpolate(table["step"], each), "total_flos of the trainer, padding included"
    if known.mean_tokens and known.batch_size:
        tokens = table["step"] * known.batch_size * known.mean_tokens
        return tokens, "batch_size of the recipe and the mean length of the set"
    epochs = {int(s): e for s, e in zip(table["step"], table["epoch"], strict=True) if s and e > 0}
    if known.mean_tokens and known.rows and epochs:
        passes = interpolate(table["step"], epochs)
        return passes * known.rows * known.mean_tokens, "epochs and the lengths of the set"
    raise InputError(
        "trainer_state.json: tells neither tokens nor total_flos, so that compute is not known;"
        " name the run's recipe (its batch_size) in the study, and its set or its mean_tokens"
    )


def interpolate(steps: pd.Series, known: Mapping[int, float]) -> pd.Series:
    """A cumulative count at some steps, given it at others; in proportion after the last."""
    at = np.array([0, *sorted(known)], dtype=float)
    values = np.array([0.0, *(known[step] for step in sorted(known))])
    inside = np.interp(steps, at, values)
    beyond = np.maximum(steps.to_numpy(dtype=float) - at[-1], 0.0) * values[-1] / at[-1]
    return pd.Series(inside + beyond, index=steps.index)


def add_imported_compute(
    table: pd.DataFrame, tokens: pd.Series, shape: ModelShape, mean_tokens: float | None
) -> pd.DataFrame:
    """Add cumulative tokens and x_sft in EFLOPs, by the paper's formula (appendix E)."""
    each = sft_step_flops(shape, 1.0, mean_tokens or UNKNOWN_LENGTH) / (
        mean_tokens or UNKNOWN_LENGTH
    )
    return table.assign(tokens=tokens, x_sft_eflops=tokens * each / EFLOPS)[list(COLUMNS)]
