"""The loss curve: one row per evaluation, in order, with the newest training loss."""

from typing import Any

import pandas as pd
import pytest

from retu.training.loss_curve import count_epochs, tabulate_losses

HISTORY: list[dict[str, Any]] = [
    {"step": 0, "eval_loss": 2.5, "eval_runtime": 0.1},
    {"step": 10, "loss": "1.75", "grad_norm": 1.0},
    {"step": 15, "loss": 1.5},
    {"step": 15, "eval_loss": 1.625},
    {"step": 20, "loss": 1.25},
    {"step": 30, "eval_loss": 1.375},
    {"step": 30, "train_loss": 1.4},
]


def test_one_row_per_evaluation() -> None:
    expected = pd.DataFrame(
        {
            "step": [0, 15, 30],
            "epoch": [0.0, 3.75, 7.5],
            "val_loss": [2.5, 1.625, 1.375],
            "train_loss": [float("nan"), 1.5, 1.25],
        }
    )
    pd.testing.assert_frame_equal(tabulate_losses(HISTORY, rows=32, batch_size=8), expected)


def test_a_step_that_was_evaluated_again_counts_once_and_rows_are_sorted() -> None:
    history = [{"step": 9, "eval_loss": 1.0}, {"step": 3, "eval_loss": 2.0}]
    table = tabulate_losses([*history, {"step": 9, "eval_loss": 1.0}], 8, 8)
    assert table["step"].tolist() == [3, 9]


@pytest.mark.parametrize(
    ("step", "epoch"), [(0, 0.0), (1, 0.4), (2, 0.8), (3, 1.0), (4, 1.4), (6, 2.0), (30, 10.0)]
)
def test_the_last_update_of_a_pass_takes_what_is_left(step: int, epoch: float) -> None:
    # 20 rows in updates of 8 are updates of 8, 8 and 4, and not 1.2 passes.
    assert count_epochs(step, rows=20, batch_size=8) == epoch
    assert count_epochs(step, rows=16, batch_size=8) == step / 2
    assert count_epochs(step, rows=3, batch_size=8) == step
