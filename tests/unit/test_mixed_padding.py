"""Passes without padding: shorter, and the same figures."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mixed_fixtures import list_steps, make_mixed_trainer, make_preset
from torch import Tensor

from retu.training.paradigms import batch
from retu.training.paradigms.batch import find_used_columns, run_without_padding

# Prompts of 2, 1 and 3 tokens and completions of 1, 2 and 0, in 3 + 4 columns.
MASK = torch.tensor([[0, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("rows", "expected"), [([0], (1, 1)), ([1], (2, 2)), ([2], (0, 1)), ([0, 1], (1, 2))]
)
def test_columns_that_a_row_needs(rows: list[int], expected: tuple[int, int]) -> None:
    assert find_used_columns(MASK[rows], 4) == expected


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_micro_batch_is_as_short_as_it_can_be(size: int) -> None:
    seen: list[tuple[int, ...]] = []

    def forward(ids: Tensor, mask: Tensor, width: int) -> tuple[Tensor, None]:
        seen.append(tuple(ids.shape))
        return (ids * mask)[:, -width:], None

    ids = torch.arange(1, 22).view(3, 7)
    made, nothing = run_without_padding(forward, ids, MASK, 4, size)
    assert torch.equal(made, (ids * MASK)[:, 3:])
    assert nothing is None
    widths = {1: [(1, 3), (1, 3), (1, 4)], 2: [(2, 4), (1, 4)], 3: [(3, 5)]}
    assert seen == widths[size]


@pytest.mark.parametrize("name", ["dapo_dc", "luffy"])
def test_training_without_padding_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shape: dict[str, Any] = {
        "gradient_accumulation_steps": 4,
        "per_device_train_batch_size": 2,
        "optim": "sgd",
    }
    padded = make_mixed_trainer(tmp_path / "padded", make_preset(name), **shape)
    padded.train()
    monkeypatch.setattr(batch, "DEVICES", {"cpu"})
    cut = make_mixed_trainer(tmp_path / "cut", make_preset(name), **shape)
    widths: list[int] = []
    cut.model.register_forward_pre_hook(
        lambda _, __, given: widths.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    cut.train()
    assert len(set(widths)) > 1
    for mine, theirs in zip(list_steps(cut), list_steps(padded), strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-6)
    for left, right in zip(cut.model.parameters(), padded.model.parameters(), strict=True):
        torch.testing.assert_close(left, right, atol=1e-6, rtol=1e-5)
