"""Batches of several processes are full, and every row is in a pass once."""

from types import SimpleNamespace

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from datasets import Dataset
from torch.utils.data import BatchSampler

from retu.core.errors import InputError
from retu.training.batch_filling import (
    FilledSampler,
    add_empty_rows,
    check_updates,
    fill_batches,
)
from retu.training.memory.labels import IGNORED_LABEL


def test_a_pass_has_every_row_once_and_then_the_empty_one() -> None:
    sampler = FilledSampler(rows=20, multiple=8, seed=7)
    shares = [
        BatchSamplerShard(BatchSampler(sampler, 4, drop_last=False), 2, process)
        for process in (0, 1)
    ]
    assert len(sampler) == 24
    for epoch in (0, 3):
        sampler.set_epoch(epoch)
        order = torch.randperm(20, generator=torch.Generator().manual_seed(7 + epoch)).tolist()
        assert list(sampler) == order + [20] * 4
        seen = []
        for share in shares:
            sampler.set_epoch(epoch)
            seen.append(list(share))
        turns = [row for turn in zip(*seen, strict=True) for batch in turn for row in batch]
        assert turns == order + [20] * 4


def test_an_empty_row_teaches_nothing() -> None:
    rows = Dataset.from_dict({"input_ids": [[5, 6, 7]] * 3, "labels": [[IGNORED_LABEL, 6, 7]] * 3})
    longer = add_empty_rows(rows, 2)
    assert longer[:3] == rows[:3]
    assert longer[3:]["labels"] == [[IGNORED_LABEL] * 2] * 2
    assert longer[3:]["input_ids"] == [[5, 6]] * 2
    packed = rows.add_column("seq_lengths", [[3]] * 3)
    assert add_empty_rows(packed, 1)[3]["seq_lengths"] == [2]
    assert len(fill_batches(rows, 4)) == 4
    assert fill_batches(rows, 3) is rows


def test_shared_sequences_leave_no_update_of_empty_rows() -> None:
    def check(rows: int, accumulation: int) -> None:
        args = SimpleNamespace(
            per_device_train_batch_size=4, gradient_accumulation_steps=accumulation
        )
        check_updates(rows, args, processes=2, sharing=2)

    check(20, accumulation=2)
    check(16, accumulation=1)
    with pytest.raises(InputError, match=r"8 rows at a time, .* over 20 rows with an empty update"):
        check(20, accumulation=1)
