"""Micro-batches by tokens: what they hold, and that losses do not depend on them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset
from mixed_fixtures import SHAPE, list_steps, make_lab_tokenizer, make_mixed_trainer, make_preset

from retu.config.execution import Execution, SftExecution, TrainingExecution
from retu.config.study import SftRecipe
from retu.core.errors import InputError
from retu.models.compatibility import check_sft
from retu.models.loading import build_model
from retu.planning.jobs import SftJob
from retu.training.memory import compact_head, micro_batches
from retu.training.memory.micro_batches import (
    EVALUATED_ON_GPU,
    EVALUATED_OVER_TRAINED,
    bucket_rows,
    estimate_token_bytes,
    find_evaluation_budget,
    find_token_budget,
    fit_micro_batch,
    split_by_tokens,
)
from retu.training.paradigms.forward import bucket_buffer
from retu.training.supervised import SupervisedRun, make_sft_config, make_supervised_trainer

LENGTHS = [9, 3, 14, 5, 5, 11, 2, 7]


@pytest.mark.parametrize(
    ("budget", "most", "expected"),
    [
        (100, 3, [[2, 5, 0], [7, 3, 4], [1, 6]]),
        (28, 8, [[2, 5], [0, 7, 3], [4, 1, 6]]),
        (1, 8, [[2], [5], [0], [7], [3], [4], [1], [6]]),
    ],
)
def test_batches_hold_so_many_tokens(budget: int, most: int, expected: list[list[int]]) -> None:
    made = split_by_tokens(LENGTHS, budget, most)
    assert made == expected
    assert all(len(b) == 1 or len(b) * max(LENGTHS[i] for i in b) <= budget for b in made)


def make_arguments(**changes: Any) -> Any:
    """A trainer's arguments: an update of eight rows at once."""
    fixed = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1}
    return SimpleNamespace(**fixed, **changes)


@pytest.mark.parametrize(
    ("budget", "size"), [(None, 8), (160, 8), (159, 4), (79, 2), (39, 1), (3, 1)]
)
def test_an_update_keeps_its_rows(budget: int | None, size: int) -> None:
    args = make_arguments(steps_per_generation=1)
    assert fit_micro_batch(args, TrainingExecution(), 20, budget) == (size < 8)
    assert args.per_device_train_batch_size == size
    assert args.gradient_accumulation_steps == args.steps_per_generation == 8 // size


@pytest.mark.parametrize("settings", [{"micro_batch": 8}, {"zero": 2}])
def test_a_micro_batch_that_is_told_stays(settings: dict[str, int]) -> None:
    args = make_arguments()
    assert not fit_micro_batch(args, TrainingExecution.model_validate(settings), 20, 10)
    assert args.per_device_train_batch_size == 8


def test_the_budget_is_the_studys_or_the_processors() -> None:
    config = build_model(SHAPE, seed=3).config
    limit = micro_batches.ACTIVATION_BYTES // estimate_token_bytes(config)
    assert estimate_token_bytes(config) == 4 * (14 * 16 + 5 * 32)
    assert find_token_budget(TrainingExecution(), "cpu", config) == limit
    assert find_token_budget(TrainingExecution(), "cuda", config) is None
    assert find_evaluation_budget(TrainingExecution(), "cuda", config) == EVALUATED_ON_GPU
    told = TrainingExecution(tokens_at_a_time=50)
    for device in ("cpu", "cuda"):
        assert find_token_budget(told, device, config) == 50
        assert find_evaluation_budget(told, device, config) == 50 * EVALUATED_OVER_TRAINED


@pytest.mark.parametrize("other", ["micro_batch", "zero"])
def test_tokens_and_another_limit_contradict(other: str) -> None:
    execution = Execution.model_validate({"sft": {"tokens_at_a_time": 64, other: 2}})
    with pytest.raises(InputError, match=f"execution.sft.tokens_at_a_time: {other} is set, too"):
        check_sft(execution)


def make_batch(*lengths: int) -> dict[str, torch.Tensor]:
    """Rows whose tokens are all their length."""
    width = max(lengths)
    used = torch.arange(width) < torch.tensor(lengths)[:, None]
    ids = torch.tensor(lengths)[:, None].expand(-1, width).clone()
    return {
        "input_ids": ids.where(used, torch.tensor(-1)),
        "labels": ids.where(used, torch.tensor(-100)),
        "attention_mask": used.long(),
    }


def test_rows_of_an_update_are_dealt_out_by_length() -> None:
    first, second = bucket_rows([make_batch(7, 2), make_batch(3, 9)], pad=-1)
    assert first["input_ids"].tolist() == [[2, 2, -1], [3, 3, 3]]
    assert first["labels"].tolist() == [[2, 2, -100], [3, 3, 3]]
    assert first["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert second["input_ids"].shape == (2, 9)
    assert second["labels"][0].tolist() == [7] * 7 + [-100] * 2


def test_rows_of_a_buffer_keep_what_is_theirs() -> None:
    def make_rows(*lengths: int) -> dict[str, torch.Tensor]:
        mask = (torch.arange(5) < torch.tensor(lengths)[:, None]).long()
        tensors = {"prompt_mask": torch.ones(len(lengths), 2), "completion_mask": mask}
        return tensors | {"advantages": torch.tensor(lengths), "items": torch.tensor(8)}

    made = bucket_buffer([make_rows(5, 1), make_rows(4, 2)])
    assert [batch["advantages"].tolist() for batch in made] == [[1, 2], [4, 5]]
    assert [batch["completion_mask"].sum(-1).tolist() for batch in made] == [[1, 2], [4, 5]]
    assert [int(batch["items"]) for batch in made] == [8, 8]


def draw_rows(count: int) -> Dataset:
    """Rows of many lengths, whose first half is a prompt."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(4, 40, (count,), generator=generator).tolist()
    ids = [torch.randint(4, 20, (n,), generator=generator).tolist() for n in lengths]
    labels = [[-100] * (len(row) // 2) + row[len(row) // 2 :] for row in ids]
    return Dataset.from_dict({"input_ids": ids, "labels": labels, "length": lengths})


def train_tiny_model(folder: Path, **sft: Any) -> Any:
    """A trained run of SFT, three updates of eight rows, validated before and after."""
    execution = Execution(sft=SftExecution.model_validate(sft))
    recipe = SftRecipe(batch_size=8, learning_rate=1e-2, scheduler="constant", max_length=64)
    job = SftJob(recipe=recipe, checkpoints=[3], steps=3, seed=0, execution=execution)
    run = SupervisedRun("SFT", job, folder)
    model, tokenizer = build_model(SHAPE, seed=3), make_lab_tokenizer()
    config = make_sft_config(run)
    trainer = make_supervised_trainer(run, config, model, tokenizer, draw_rows(24), draw_rows(19))
    trainer.widths = []
    model.base_model.register_forward_pre_hook(
        lambda _, __, given: trainer.widths.append(tuple(given["input_ids"].shape)),
        with_kwargs=True,
    )
    trainer.train()
    return trainer


def list_losses(trainer: Any) -> list[tuple[str, float]]:
    """All losses that a run logged."""
    names = ("loss", "eval_loss")
    return [(n, e[n]) for e in trainer.state.log_history for n in names if n in e]


@pytest.mark.parametrize("tokens", [16, 60, 200])
@pytest.mark.parametrize("small_logits", [0, 2**20])
def test_losses_do_not_depend_on_micro_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: int, small_logits: int
) -> None:
    whole = train_tiny_model(tmp_path / "whole")
    monkeypatch.setattr(compact_head, "SMALL_LOGITS", small_logits)
    parts = train_tiny_model(tmp_path / "parts", tokens_at_a_time=tokens)
    assert (8, max(draw_rows(24)["length"])) in whole.widths
    limit = max(EVALUATED_OVER_TRAINED * tokens, 40)
    assert all(rows * width <= limit for rows, width in parts.widths)
    assert len(parts.widths) > len(whole.widths)
    assert len(list_losses(whole)) == 3
    for (name, mine), (other, theirs) in zip(list_losses(parts), list_losses(whole), strict=True):
        assert name == other
        assert mine == pytest.approx(theirs, abs=1e-5)
    for left, right in zip(parts.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(left, right, atol=2e-5, rtol=1e-4)


def test_bucketed_rows_need_less_padding(tmp_path: Path) -> None:
    padded = train_tiny_model(tmp_path / "padded", micro_batch=2)
    bucketed = train_tiny_model(tmp_path / "bucketed", micro_batch=2, batching="bucketed")
    sizes = [sum(rows * width for rows, width in run.widths) for run in (bucketed, padded)]
    assert sizes[0] < 0.9 * sizes[1]
    for (_, mine), (_, theirs) in zip(list_losses(bucketed), list_losses(padded), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("name", ["grpo", "dapo_dc", "luffy"])
def test_rl_updates_are_the_same_with_rows_by_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shape: dict[str, Any] = {"optim": "sgd", "per_device_train_batch_size": 2}
    shape["gradient_accumulation_steps"] = 4
    stock = make_mixed_trainer(tmp_path / "stock", make_preset(name), **shape)
    stock.train()
    monkeypatch.setattr(compact_head, "SMALL_LOGITS", 0)
    sorted_run = make_mixed_trainer(tmp_path / "sorted", make_preset(name), **shape)
    sorted_run.train()
    masks = [batch["completion_mask"].sum(-1) for batch in sorted_run._buffered_inputs]
    assert len({tuple(mask.tolist()) for mask in masks}) > 1
    for mine, theirs in zip(list_steps(sorted_run), list_steps(stock), strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], abs=1e-5, rel=1e-4)
