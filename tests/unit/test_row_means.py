"""The mean over rows: which row a token is of, what counts, and which study may ask for it."""

from pathlib import Path

import pytest
import torch

from retu.config.load import load_training_study
from retu.config.study_checks import check_means
from retu.core.errors import InputError
from retu.training.row_means import count_learnt_rows, number_rows, sum_row_means

PADDED = {"labels": torch.tensor([[-100, 1, 1, 1, 1], [-100, -100, 2, -100, -100], [-100] * 5])}
JOINED = {
    "labels": torch.tensor([[-100, 1, 1, 1, 1, -100, -100, 2, -100, -100]]),
    "position_ids": torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 0, 1]]),
}


def test_a_row_counts_once_however_long_it_is_and_wherever_it_lies() -> None:
    padded = torch.tensor([[1.0, 2, 3, 6], [9, 5, 9, 9], [9, 9, 9, 9]], requires_grad=True)
    total = sum_row_means(padded, PADDED)
    assert float(total.detach()) == 3.0 + 5.0
    total.backward()
    assert padded.grad is not None
    assert padded.grad.tolist() == [[0.25] * 4, [0, 1, 0, 0], [0] * 4]
    joined = torch.tensor([[1.0, 2, 3, 6, 9, 9, 5, 9, 9]])
    assert float(sum_row_means(joined, JOINED)) == 3.0 + 5.0
    assert number_rows(JOINED).tolist() == [[0, 0, 0, 0, 1, 1, 1, 2, 2]]
    assert count_learnt_rows(PADDED) == count_learnt_rows(JOINED) == 2


def test_a_batch_of_which_nothing_is_learnt_adds_a_zero_of_the_graph() -> None:
    values = torch.ones((2, 4), requires_grad=True)
    batch = {"labels": torch.full((2, 5), -100)}
    total = sum_row_means(values, batch)
    assert float(total.detach()) == 0.0
    total.backward()
    assert values.grad is not None
    assert not values.grad.any()
    assert count_learnt_rows(batch) == 0


def test_rows_in_parts_have_no_mean() -> None:
    study = load_training_study("smoke")
    recipes = study.recipes.sft
    name = next(iter(recipes))
    rowwise = {**recipes, name: recipes[name].model_copy(update={"reduction": "row"})}
    shared = study.execution.sft.model_copy(update={"sequence_parallel": 2})
    execution = study.execution.model_copy(update={"sft": shared})
    by_token = study.model_copy(update={"execution": execution})
    check_means(by_token, Path("study.yaml"))
    by_row = {"recipes": study.recipes.model_copy(update={"sft": rowwise})}
    check_means(study.model_copy(update=by_row), Path("study.yaml"))
    with pytest.raises(InputError, match=rf"recipes\.sft\.{name}\.reduction: row needs whole rows"):
        check_means(by_token.model_copy(update=by_row), Path("study.yaml"))
