"""Gradients against finite differences, and what must not carry any."""

import math
from dataclasses import replace

import pytest
import torch
from objectives_fixtures import (
    SETTINGS,
    count_window,
    evaluate_objective,
    make_golden_batch,
    make_random_window,
)
from torch import Tensor

from retu.config.objectives import Clip, ObjectiveSettings
from retu.training.paradigms.losses import compute_objective
from retu.training.paradigms.reduction import WindowCounts
from retu.training.paradigms.token_losses import (
    PolicyBatch,
    compute_importance_ratio,
    shape_probability,
)

STEP = 1e-6
LIMIT = 10
CASES = {
    **SETTINGS,
    "unshaped luffy with a clip": replace(SETTINGS["luffy"], gamma=None, clip=Clip(0.1, 0.3)),
    "prefix_rft by batch": replace(
        SETTINGS["prefix_rft"], entropy_scope="batch", reduction="seq_mean", entropy_keep=0.6
    ),
    "grpo with a tight clip": ObjectiveSettings("grpo", "dr_grpo", Clip(0.05, 0.05, 1.2)),
}


def compute_central_difference(
    batch: PolicyBatch, settings: ObjectiveSettings, counts: WindowCounts, row: int, column: int
) -> float:
    """The central difference of the loss by one token's log-probability."""
    losses: list[float] = []
    for sign in (1, -1):
        moved = batch.log_prob.detach().clone()
        moved[row, column] += sign * STEP
        losses.append(
            compute_objective(replace(batch, log_prob=moved), settings, counts).loss.item()
        )
    return (losses[0] - losses[1]) / (2 * STEP)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_the_finite_differences(name: str) -> None:
    # Shaped experts of both kinds for UPT; other methods do not look at `imitated`.
    window = replace(make_random_window(seed=1), active=None, imitated=torch.arange(12) < 6)
    counts = count_window(window, LIMIT)
    _, gradient = evaluate_objective(window, CASES[name], counts)
    expected = torch.zeros_like(gradient)
    for row, column in window.mask.nonzero().tolist():
        expected[row, column] = compute_central_difference(window, CASES[name], counts, row, column)
    assert expected.abs().max().item() > 1e-3
    torch.testing.assert_close(gradient, expected, atol=1e-8, rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_entropy_carries_the_bonus_and_nothing_else(name: str) -> None:
    window = make_random_window()
    entropy = window.entropy.clone().requires_grad_()
    counts = count_window(window, LIMIT)
    loss = compute_objective(replace(window, entropy=entropy), CASES[name], counts).loss
    coefficient = CASES[name].entropy_coef
    if coefficient == 0:
        assert torch.autograd.grad(loss, entropy, allow_unused=True) == (None,)
        return
    (gradient,) = torch.autograd.grad(loss, entropy)
    assert window.active is not None
    trained = (window.mask & window.active[:, None]).double()
    torch.testing.assert_close(gradient, -coefficient * trained / trained.sum())


@pytest.mark.parametrize("name", CASES)
def test_old_probabilities_advantages_and_references_are_constants(name: str) -> None:
    window = make_random_window()
    leaves: dict[str, Tensor] = {
        key: getattr(window, key).clone().requires_grad_()
        for key in ("old_log_prob", "advantage", "reference_log_prob")
    }
    loss = compute_objective(
        replace(window, **leaves), CASES[name], count_window(window, LIMIT)
    ).loss
    assert torch.autograd.grad(loss, list(leaves.values()), allow_unused=True) == (None,) * 3


def test_on_policy_ratios_are_one_with_the_gradient_of_minus_a() -> None:
    advantage = torch.tensor([1.0, -0.5, 0.25, 2.0, -1.0, 0.5, 0.75, -2.0]).double()
    batch = make_golden_batch(advantage)
    batch = replace(batch, old_log_prob=batch.log_prob.detach())
    settings = ObjectiveSettings("grpo", "token_mean", Clip())
    result, gradient = evaluate_objective(batch, settings)
    expected = -advantage[:, None] * batch.mask / batch.mask.sum()
    torch.testing.assert_close(gradient, expected)
    assert result.metrics["ratio_mean"].item() == pytest.approx(1.0)
    assert result.metrics["ratio_max"].item() == 1.0
    assert result.metrics["clip_low"].item() == result.metrics["clip_high"].item() == 0.0


def test_extreme_log_probabilities_stay_finite() -> None:
    extreme = torch.tensor([[-1e4, -30.0, 0.0]]).double().requires_grad_()
    ratio = compute_importance_ratio(extreme, extreme.detach().flip(-1) - 60.0)
    shaped = shape_probability(extreme, 0.1)
    (gradient,) = torch.autograd.grad(ratio.sum() + shaped.sum(), extreme)
    assert bool(ratio.isfinite().all())
    assert bool(gradient.isfinite().all())
    assert ratio.max().item() == pytest.approx(math.exp(20.0))
    assert gradient[0, 2].item() == pytest.approx(0.1 / 1.1**2)
    assert shaped[0, 2].item() == pytest.approx(1 / 1.1)


def test_srft_pushes_wrong_rollouts_down_without_bound_but_not_by_the_ratio() -> None:
    far = replace(make_golden_batch(torch.zeros(8).double()), reward=torch.zeros(8).double())
    far = replace(far, log_prob=(far.log_prob.detach() - 15.0).requires_grad_())
    _, by_log_prob = evaluate_objective(far, ObjectiveSettings("srft", "const", None))
    ratio = ObjectiveSettings("srft", "const", None, srft_self_term="ratio")
    _, by_ratio = evaluate_objective(far, ratio)
    assert by_log_prob[far.mask].min().item() == pytest.approx(0.1)
    assert by_ratio[far.mask].abs().max().item() < 1e-5


def test_the_expert_gradient_of_luffy_is_largest_where_p_is_gamma() -> None:
    probability = torch.linspace(0.01, 0.99, 99).double()
    log_prob = probability.log().requires_grad_()
    (gradient,) = torch.autograd.grad(shape_probability(log_prob, 0.1).sum(), log_prob)
    assert probability[gradient.argmax()].item() == pytest.approx(0.1)
