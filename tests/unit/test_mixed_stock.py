"""Against TRL's own trainer: plain paradigms are equal to the bit, our losses to rounding."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mixed_fixtures import (
    SHAPE,
    list_steps,
    make_lab_tokenizer,
    make_preset,
    make_tiny_grpo_config,
    make_trainer_parts,
)
from transformers import AutoModelForCausalLM, TrainerCallback
from trl import GRPOTrainer

from retu.config.paradigm import ParadigmSettings
from retu.models.loading import build_model
from retu.training.paradigms.trainer import MixedGRPOTrainer

REDUCTIONS = {"seq_mean": "grpo", "token_mean": "dapo", "dr_grpo": "dr_grpo"}


def make_gradient_keeper(kept: list[list[torch.Tensor]]) -> TrainerCallback:
    """A callback that keeps the gradients of every update, after clipping."""

    def keep(*_: Any, model: Any, **__: Any) -> None:
        kept.append([parameter.grad.clone() for parameter in model.parameters()])

    callback = TrainerCallback()
    callback.on_pre_optimizer_step = keep
    return callback


def make_plain_paradigm(reduction: str, *, exact: bool = False, **changes: Any) -> ParadigmSettings:
    """GRPO with every feature that TRL shares with us; `changes` are to the objective."""
    objective = {
        "method": "grpo",
        "reduction": reduction,
        "clip": {"low": 0.1, "high": 0.15, "dual": 1.2},
        "entropy_coef": 0.01,
        **changes,
    }
    scaled = {"divide_by_std": True}
    return make_preset("grpo", objective=objective, advantage=scaled, exact_window=exact)


def train_paradigm(kind: Any, folder: Path, paradigm: ParadigmSettings, **arguments: Any) -> Any:
    """A trained run of TRL's trainer or of MixedGRPOTrainer, with the gradients of its updates."""
    gradients: list[list[torch.Tensor]] = []
    named = {"paradigm": paradigm} if kind is not GRPOTrainer else {}
    changes = {"callbacks": [make_gradient_keeper(gradients)]} | arguments.pop("changes", {})
    args = make_tiny_grpo_config(folder, paradigm, **arguments)
    run = kind(args=args, **named, **make_trainer_parts(**changes))
    run.train()
    run.gradients = gradients
    return run


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_plain_paradigms_are_trls_to_the_bit(
    tmp_path: Path, reduction: str, accumulation: int
) -> None:
    # TRL's entropy bonus is a mean of each micro-batch, ours one of the window.
    paradigm = make_plain_paradigm(reduction, entropy_coef=0.01 if accumulation == 1 else 0.0)
    shape = {
        "gradient_accumulation_steps": accumulation,
        "per_device_train_batch_size": 8 // accumulation,
    }
    stock = train_paradigm(GRPOTrainer, tmp_path / "stock", paradigm, **shape)
    run = train_paradigm(MixedGRPOTrainer, tmp_path / "ours", paradigm, **shape)
    assert paradigm.is_plain
    assert stock.args.loss_type == REDUCTIONS[reduction]
    assert len(run.gradients) == 2
    for mine, theirs in zip(run.gradients, stock.gradients, strict=True):
        assert any(gradient.abs().max() > 1e-3 for gradient in mine)
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    for mine, theirs in zip(list_steps(run), list_steps(stock), strict=True):
        assert {key: mine[key] for key in theirs} == theirs
        assert all(key.startswith("paradigm/") for key in set(mine) - set(theirs))
    weights, expected = run.model.state_dict(), stock.model.state_dict()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def assert_close_runs(run: Any, stock: Any) -> None:
    """Losses, gradients and weights agree to 1e-6."""
    for mine, theirs in zip(list_steps(run), list_steps(stock), strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-6)
    for mine, theirs in zip(run.gradients, stock.gradients, strict=True):
        for gradient, expected in zip(mine, theirs, strict=True):
            torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-5)
    for name, weight in stock.model.state_dict().items():
        torch.testing.assert_close(run.model.state_dict()[name], weight, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_our_losses_agree_with_trls(tmp_path: Path, reduction: str, accumulation: int) -> None:
    # TRL's entropy bonus is a mean of each micro-batch, ours one of the window.
    bonus = 0.01 if accumulation == 1 else 0.0
    theirs = make_plain_paradigm(reduction, entropy_coef=bonus)
    mine = make_plain_paradigm(reduction, exact=True, entropy_coef=bonus)
    assert theirs.is_plain
    assert not mine.is_plain
    shape = {
        "gradient_accumulation_steps": accumulation,
        "per_device_train_batch_size": 8 // accumulation,
        "optim": "sgd",
    }
    stock = train_paradigm(GRPOTrainer, tmp_path / "stock", theirs, **shape)
    run = train_paradigm(MixedGRPOTrainer, tmp_path / "ours", mine, **shape)
    assert_close_runs(run, stock)


@pytest.mark.parametrize("reduction", ["seq_mean", "dr_grpo"])
def test_later_updates_with_the_same_rows_agree_with_trls(tmp_path: Path, reduction: str) -> None:
    theirs, mine = make_plain_paradigm(reduction), make_plain_paradigm(reduction, exact=True)
    shape = {"num_iterations": 3, "max_steps": 4, "optim": "sgd", "learning_rate": 3.0}
    stock = train_paradigm(GRPOTrainer, tmp_path / "stock", theirs, **shape)
    run = train_paradigm(MixedGRPOTrainer, tmp_path / "ours", mine, **shape)
    assert_close_runs(run, stock)
    clipped = [
        max(step["paradigm/clip_low"], step["paradigm/clip_high"], step["paradigm/clip_dual"])
        for step in list_steps(run)
    ]
    # Rows are new at the first and the fourth update.
    assert [share > 0 for share in clipped] == [False, True, True, False]
    assert [step["paradigm/rows_generated"] for step in list_steps(run)] == [8.0, 0.0, 0.0, 8.0]


def test_divergence_from_a_reference_agrees_with_trls(tmp_path: Path) -> None:
    folder = tmp_path / "reference"
    build_model(SHAPE, seed=3).save_pretrained(folder)
    make_lab_tokenizer().save_pretrained(folder)
    theirs = make_plain_paradigm("token_mean", kl_coef=0.5)
    mine = make_plain_paradigm("token_mean", exact=True, kl_coef=0.5)
    runs = [
        train_paradigm(
            kind,
            tmp_path / name,
            paradigm,
            optim="sgd",
            learning_rate=1.0,
            changes={"model": AutoModelForCausalLM.from_pretrained(folder)},
        )
        for kind, name, paradigm in (
            (GRPOTrainer, "stock", theirs),
            (MixedGRPOTrainer, "ours", mine),
        )
    ]
    stock, run = runs
    assert_close_runs(run, stock)
    assert list_steps(run)[1]["paradigm/loss/kl"] == pytest.approx(
        0.5 * list_steps(stock)[1]["kl"], rel=1e-4
    )
    assert list_steps(run)[1]["paradigm/loss/kl"] > 1e-4
