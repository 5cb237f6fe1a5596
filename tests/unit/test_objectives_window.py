"""Losses do not depend on micro-batches or processes; absent rows add exactly nothing."""

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from objectives_fixtures import (
    SETTINGS,
    SHARED,
    count_window,
    evaluate_objective,
    make_golden_batch,
    make_random_window,
    select_rows,
)
from torch import Tensor

from retu.config.objectives import Clip, ObjectiveSettings, Reduction
from retu.training.paradigms.losses import compute_objective
from retu.training.paradigms.metrics import merge_metrics
from retu.training.paradigms.reduction import WindowCounts, count_window_totals
from retu.training.paradigms.token_losses import PolicyBatch

LIMIT = 10
SPLITS = {
    "two halves": [list(range(6)), list(range(6, 12))],
    "single rows": [[row] for row in range(12)],
    "uneven and shuffled": [[7], [11, 0, 3, 9, 4], [1, 2], [10, 5, 8, 6]],
    "experts apart": [[3, 7, 11], [0, 1, 2, 4, 5, 6, 8, 9, 10]],
}
EXACT = {"atol": 1e-12, "rtol": 0.0}
METHODS = pytest.mark.parametrize("name", SETTINGS)
REDUCTIONS = pytest.mark.parametrize("mode", ["token_mean", "seq_mean", "const", "dr_grpo"])


def evaluate_split_window(
    window: PolicyBatch, split: list[list[int]], settings: ObjectiveSettings, counts: WindowCounts
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Loss, gradient and metrics of a window that is gone through in micro-batches."""
    loss, gradient, parts = torch.zeros(()).double(), torch.zeros_like(window.log_prob), []
    for rows in split:
        result, of_rows = evaluate_objective(select_rows(window, rows), settings, counts)
        loss = loss + result.loss.detach()
        gradient[rows] += of_rows
        parts.append(result.metrics)
    return loss, gradient, merge_metrics(parts)


@METHODS
@REDUCTIONS
@pytest.mark.parametrize("split", SPLITS.values(), ids=list(SPLITS))
def test_any_split_of_the_window_is_the_same(
    name: str, mode: Reduction, split: list[list[int]]
) -> None:
    window, settings = make_random_window(), replace(SETTINGS[name], reduction=mode)
    counts = count_window(window, LIMIT)
    whole, gradient = evaluate_objective(window, settings, counts)
    loss, summed, metrics = evaluate_split_window(window, split, settings, counts)
    assert abs(whole.loss.item()) > 1e-3
    torch.testing.assert_close(loss, whole.loss.detach(), **EXACT)
    torch.testing.assert_close(summed, gradient, **EXACT)
    assert metrics.keys() == whole.metrics.keys()
    for title, value in whole.metrics.items():
        torch.testing.assert_close(metrics[title], value, **EXACT)


@METHODS
def test_two_processes_whose_gradients_are_averaged_are_the_same(name: str) -> None:
    window, settings = make_random_window(), SETTINGS[name]
    counts = count_window(window, LIMIT)
    whole, gradient = evaluate_objective(window, settings, counts)
    split = SPLITS["uneven and shuffled"]
    loss, summed, _ = evaluate_split_window(window, split, settings, replace(counts, processes=2))
    torch.testing.assert_close(loss / 2, whole.loss.detach(), **EXACT)
    torch.testing.assert_close(summed / 2, gradient, **EXACT)


def test_totals_add_up_and_count_by_kind() -> None:
    window = make_random_window()
    parts = [select_rows(window, rows) for rows in SPLITS["uneven and shuffled"]]
    totals = [count_window_totals(part.mask, part.expert_row, part.active) for part in parts]
    lengths = window.mask.sum(-1)
    # Rows 3 and 11 are active experts; 7 is the expert that is switched off.
    active = [3, 4, 5, 6, 8, 9, 10, 11]
    experts = [2, int(lengths[[3, 11]].sum())]
    expected = [len(active), int(lengths[active].sum()), *experts, *experts]
    assert torch.stack(totals).sum(0).tolist() == expected
    plain = WindowCounts.from_totals(count_window_totals(window.mask), LIMIT)
    assert (plain.rows, plain.tokens, plain.expert_rows) == (12, int(lengths.sum()), 0)


@METHODS
def test_losses_are_the_sum_of_their_terms(name: str) -> None:
    result = compute_objective(
        make_random_window(), SETTINGS[name], count_window(make_random_window(), LIMIT)
    )
    assert result.loss.item() == pytest.approx(sum(float(t) for t in result.terms.values()))
    detached = [*result.terms.values(), *result.metrics.values()]
    assert not any(value.requires_grad for value in detached)


def make_window_without_experts() -> PolicyBatch:
    """The rollouts of a window that has experts elsewhere."""
    return select_rows(make_random_window(), [4, 5, 6, 8, 9])


@METHODS
def test_a_micro_batch_without_experts_adds_exactly_zero_of_them(name: str) -> None:
    counts = count_window(make_random_window(), LIMIT)
    result, gradient = evaluate_objective(make_window_without_experts(), SETTINGS[name], counts)
    for term in {"expert", "sft", "sft_demo", "rl_demo"} & set(result.terms):
        assert result.terms[term].item() == 0.0
    assert bool(gradient.isfinite().all())
    if name == "sft":
        assert result.loss.item() == 0.0
        assert gradient.abs().max().item() == 0.0


@METHODS
@pytest.mark.parametrize("absent", ["no token", "no active row"])
@pytest.mark.parametrize("counts", [None, WindowCounts(0, 0, 0, 0, 0, 0, LIMIT, processes=2)])
def test_nothing_to_train_on_adds_exactly_zero(
    name: str, absent: str, counts: WindowCounts | None
) -> None:
    window = make_random_window()
    change: dict[str, Any] = {"mask": torch.zeros_like(window.mask)}
    if absent == "no active row":
        change = {"active": torch.zeros(12).bool()}
    counts = counts or count_window(window, LIMIT)
    result, gradient = evaluate_objective(replace(window, **change), SETTINGS[name], counts)
    assert result.loss.item() == 0.0
    assert gradient.abs().max().item() == 0.0
    assert all(math.isfinite(float(value)) for value in result.metrics.values())


@METHODS
@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_values_that_do_not_count_are_never_used(name: str, poison: float) -> None:
    window, settings = make_random_window(), SETTINGS[name]
    clean, expected = evaluate_objective(window, settings)
    assert window.active is not None
    ignored = ~(window.mask & window.active[:, None])
    changes = {
        key: torch.where(ignored, poison, getattr(window, key).detach())
        for key in ("log_prob", "old_log_prob", "entropy", "reference_log_prob")
    }
    changes["log_prob"].requires_grad_()
    wide = window.advantage[:, None].expand_as(window.mask)
    changes["advantage"] = torch.where(ignored, poison, wide)
    poisoned, gradient = evaluate_objective(replace(window, **changes), settings)
    assert torch.equal(poisoned.loss, clean.loss)
    assert torch.equal(gradient, expected)
    assert poisoned.metrics.keys() == clean.metrics.keys()
    assert all(torch.equal(poisoned.metrics[key], clean.metrics[key]) for key in clean.metrics)


@pytest.mark.parametrize("name", ["luffy", "srft", "srft_ratio", "upt"])
def test_experts_need_no_old_log_prob(name: str) -> None:
    window = make_random_window()
    clean, expected = evaluate_objective(window, SETTINGS[name])
    assert window.expert_row is not None
    missing = torch.where(window.expert_row[:, None], math.nan, window.old_log_prob)
    got, gradient = evaluate_objective(replace(window, old_log_prob=missing), SETTINGS[name])
    assert torch.equal(got.loss, clean.loss)
    assert torch.equal(gradient, expected)


@METHODS
def test_inactive_rows_are_as_good_as_absent(name: str) -> None:
    window, settings = make_random_window(), SETTINGS[name]
    assert window.active is not None
    present = window.active.nonzero()[:, 0].tolist()
    smaller = select_rows(window, present)
    assert count_window(smaller) == count_window(window)
    expected, of_present = evaluate_objective(smaller, settings)
    got, gradient = evaluate_objective(window, settings)
    torch.testing.assert_close(got.loss, expected.loss, **EXACT)
    torch.testing.assert_close(gradient[present], of_present, **EXACT)
    assert gradient[~window.active].abs().max().item() == 0.0


@REDUCTIONS
@pytest.mark.parametrize("method", ["dapo", "luffy", "upt", "prefix_rft"])
def test_mixed_methods_without_experts_are_grpo_bit_for_bit(method: Any, mode: Reduction) -> None:
    clip = Clip(0.2, 0.28, 3.0)
    batch = make_golden_batch(SHARED.reward - 0.5)
    expected, of_grpo = evaluate_objective(batch, ObjectiveSettings("grpo", mode, clip))
    got, gradient = evaluate_objective(batch, ObjectiveSettings(method, mode, clip))
    assert torch.equal(got.loss, expected.loss)
    assert torch.equal(gradient, of_grpo)


def test_entropy_scope_of_the_batch_is_what_depends_on_the_split() -> None:
    window = replace(make_random_window(), active=None)
    settings = replace(SETTINGS["prefix_rft"], entropy_scope="batch", entropy_keep=0.5)
    counts = count_window(window, LIMIT)
    whole, _ = evaluate_objective(window, settings, counts)
    loss, _, _ = evaluate_split_window(window, SPLITS["single rows"], settings, counts)
    by_row, _ = evaluate_objective(window, replace(settings, entropy_scope="row"), counts)
    torch.testing.assert_close(loss, by_row.loss.detach(), **EXACT)
    assert abs(loss.item() - whole.loss.item()) > 1e-6


def test_nothing_but_pytorch_is_imported() -> None:
    code = (
        "import sys, retu.training.paradigms.losses\n"
        "import retu.training.paradigms.upt_gate\n"
        "print({'trl', 'transformers', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "set()\n")
