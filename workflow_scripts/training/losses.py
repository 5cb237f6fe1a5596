"""The loss curve of an SFT run, from the trainer's history."""

from typing import Any

import pandas as pd


def loss_table(history: list[dict[str, Any]], epochs_per_step: float) -> pd.DataFrame:
    """One row per evaluation: step, epoch, val_loss, train_loss (the newest logged one).

    The training loss is empty at step 0, where nothing has been trained yet.
    """
    rows: dict[int, dict[str, float | int | None]] = {}
    train_loss = None
    for entry in history:
        train_loss = entry.get("loss", train_loss)
        if "eval_loss" in entry:
            step = int(entry["step"])
            rows[step] = {
                "step": step,
                "epoch": step * epochs_per_step,
                "val_loss": float(entry["eval_loss"]),
                "train_loss": None if train_loss is None else float(train_loss),
            }
    return pd.DataFrame([rows[step] for step in sorted(rows)])
