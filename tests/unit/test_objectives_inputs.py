"""Bad input of the objectives and what surrounds them, and their edge cases."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from objectives_fixtures import (
    SETTINGS,
    SHARED,
    count_window,
    evaluate_objective,
    make_bool_tensor,
    make_float_tensor,
    make_golden_batch,
    make_random_window,
)

from retu.config.objectives import Clip, ObjectiveSettings
from retu.core.errors import InputError
from retu.training.paradigms.advantages import (
    compute_group_advantages,
    compute_separate_prefix_advantages,
)
from retu.training.paradigms.losses import compute_objective
from retu.training.paradigms.reduction import reduce_loss
from retu.training.paradigms.token_losses import find_low_entropy_tokens

GROUP = torch.tensor([4, 4])


def make_luffy_settings(**changes: Any) -> ObjectiveSettings:
    """LUFFY's with something wrong."""
    return ObjectiveSettings(**{"method": "luffy", "reduction": "const", "clip": None} | changes)


BAD: dict[str, tuple[str, Callable[[], object]]] = {
    "method": (
        "method: 'ppo' is unknown; use one of grpo, ",
        lambda: make_luffy_settings(method="ppo"),
    ),
    "reduction": ("reduction: 'mean' is unknown", lambda: make_luffy_settings(reduction="mean")),
    "self term": (
        "srft_self_term: 'p' is unknown",
        lambda: make_luffy_settings(srft_self_term="p"),
    ),
    "scope": ("entropy_scope: 'all' is unknown", lambda: make_luffy_settings(entropy_scope="all")),
    "negative bonus": ("entropy_coef: is -0.1", lambda: make_luffy_settings(entropy_coef=-0.1)),
    "weight that is no number": (
        "sft_weight: is nan",
        lambda: make_luffy_settings(sft_weight=float("nan")),
    ),
    "gamma": ("gamma: is 0", lambda: make_luffy_settings(gamma=0)),
    "keep": ("entropy_keep: is 20", lambda: make_luffy_settings(entropy_keep=20)),
    "clip": ("epsilon_low, epsilon_high: are 0, 0.2", lambda: Clip(low=0)),
    "dual clip": ("dual_clip: is 1.2; choose more than 1", lambda: Clip(dual=1.2)),
    "lone row": (
        "rollouts: prompt 7 has fewer than 2 rollouts to compare; set rollouts to 2 or more",
        lambda: compute_group_advantages(
            make_float_tensor([1, 0, 1]), torch.tensor([3, 3, 7]), divide_by_std=False
        ),
    ),
    "lone rollout beside an expert": (
        "rollouts: prompt 4 has fewer than 2",
        lambda: compute_group_advantages(
            make_float_tensor([1, 0]),
            GROUP,
            divide_by_std=True,
            baseline="on_policy",
            expert_row=make_bool_tensor([0, 1]),
        ),
    ),
    "lone plain row": (
        "rollouts: prompt 4 has fewer than 2 rollouts without a prefix",
        lambda: compute_separate_prefix_advantages(
            make_float_tensor([1, 0]), GROUP, make_bool_tensor([[0, 0], [1, 0]])
        ),
    ),
    "entropy keep": (
        "entropy_keep: is 1.5",
        lambda: find_low_entropy_tokens(make_float_tensor([[1.0]]), make_bool_tensor([[1]]), 1.5),
    ),
    "srft without rewards": (
        "srft: the batch has no rewards",
        lambda: evaluate_objective(make_golden_batch(SHARED.reward), SETTINGS["srft"]),
    ),
    "kl without a reference": (
        "kl_coef: is positive, but",
        lambda: evaluate_objective(
            make_golden_batch(SHARED.reward), make_luffy_settings(kl_coef=0.1)
        ),
    ),
    "reduce": (
        "reduction: 'sum' is unknown; use one of token_mean, seq_mean, const, dr_grpo",
        lambda: reduce_loss(
            SHARED.entropy,
            SHARED.mask,
            "sum",  # type: ignore[arg-type]
            count_window(make_golden_batch(SHARED.reward)),
        ),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_in_one_line(name: str) -> None:
    message, call = BAD[name]
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mask", SHARED.mask[:, :3]),
        ("reward", SHARED.entropy),
        ("advantage", SHARED.reward[:7]),
        ("expert_row", SHARED.mask),
        ("prefix", SHARED.expert_row),
    ],
)
def test_shapes_must_agree(name: str, value: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=f"^{name}: has shape"):
        replace(make_golden_batch(SHARED.reward), **{name: value})


def test_upt_trains_experts_between_two_gates_by_luffys_expert_loss() -> None:
    # Imitated: the first expert. The second one's loss must be LUFFY's, among reinforced rows.
    expert_row, imitated = SHARED.expert_row, torch.arange(8) == 3
    batch = make_golden_batch(SHARED.mixed_reward - 0.4, expert_row=expert_row, imitated=imitated)
    upt, _ = evaluate_objective(batch, ObjectiveSettings("upt", "token_mean", None))
    luffy, _ = evaluate_objective(
        replace(batch, active=~imitated, imitated=None),
        ObjectiveSettings("luffy", "token_mean", None),
    )
    for term in ("policy", "expert"):
        assert upt.terms[term].item() == pytest.approx(luffy.terms[term].item(), abs=1e-12)
    assert upt.terms["sft"].item() == pytest.approx(1.3925)


@pytest.mark.parametrize(("keep", "kept"), [(1.0, 10), (0.9, 9), (0.2, 2), (0.15, 2), (0.0, 0)])
def test_the_share_of_prefix_tokens_that_is_kept(keep: float, kept: int) -> None:
    entropy = torch.arange(12).double().flip(0)[None]
    prefix = torch.arange(12)[None] < 10
    dropped = find_low_entropy_tokens(entropy, prefix, keep)
    assert (prefix & ~dropped)[0].tolist() == [column < kept for column in range(12)]
    assert not bool((dropped & ~prefix).any())


def test_of_equal_entropies_the_earlier_tokens_are_dropped() -> None:
    prefix = make_bool_tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    equal = torch.ones(2, 4).double()
    by_row = find_low_entropy_tokens(equal, prefix, 0.5)
    assert by_row.tolist() == make_bool_tensor([[1, 1, 0, 0], [1, 0, 0, 0]]).tolist()
    by_batch = find_low_entropy_tokens(equal, prefix, 0.5, scope="batch")
    assert by_batch.tolist() == make_bool_tensor([[1, 1, 1, 0], [0, 0, 0, 0]]).tolist()


def test_prefix_metrics_say_how_much_is_frozen() -> None:
    prefix = make_bool_tensor([[0] * 4] * 3 + [[1] * 4] + [[0] * 4] * 4)
    batch = make_golden_batch(SHARED.reward, prefix=prefix)
    chosen = replace(SETTINGS["prefix_rft"], entropy_keep=0.25)
    metrics = evaluate_objective(batch, chosen)[0].metrics
    assert metrics["prefix_share"].item() == pytest.approx(4 / 26)
    assert metrics["prefix_frozen_share"].item() == pytest.approx(3 / 26)


def test_expert_metrics_are_means_over_expert_tokens() -> None:
    batch = make_golden_batch(SHARED.reward, expert_row=SHARED.expert_row)
    metrics = evaluate_objective(batch, make_luffy_settings())[0].metrics
    rows = SHARED.log_prob[[3, 7]].exp()
    assert metrics["expert_prob"].item() == pytest.approx(rows.mean().item())
    shaped = (rows / (rows + 0.1)).mean().item()
    assert metrics["expert_shaped_prob"].item() == pytest.approx(shaped)
    sampled = SHARED.mask & ~SHARED.expert_row[:, None]
    assert metrics["entropy_expert"].item() == pytest.approx(SHARED.entropy[[3, 7]].mean().item())
    assert metrics["entropy_sampled"].item() == pytest.approx(SHARED.entropy[sampled].mean().item())
    ratio = (SHARED.log_prob - SHARED.old_log_prob)[sampled].exp()
    assert metrics["ratio_mean"].item() == pytest.approx(ratio.mean().item())
    assert metrics["ratio_max"].item() == pytest.approx(ratio.max().item())


@pytest.mark.parametrize(("method", "term"), [("upt", "sft"), ("srft", "sft_demo")])
def test_the_sft_weight_scales_the_sft_term_alone(method: Any, term: str) -> None:
    batch = make_golden_batch(
        SHARED.reward - 0.5, reward=SHARED.mixed_reward, expert_row=SHARED.expert_row
    )
    one, _ = evaluate_objective(batch, make_luffy_settings(method=method))
    half, _ = evaluate_objective(batch, make_luffy_settings(method=method, sft_weight=0.5))
    assert abs(one.terms[term].item()) > 0.1
    for name, value in one.terms.items():
        factor = 0.5 if name == term else 1.0
        assert half.terms[name].item() == pytest.approx(factor * value.item(), abs=1e-12)


def test_the_dual_clip_is_counted() -> None:
    batch = make_golden_batch(SHARED.reward - 0.5)
    chosen = ObjectiveSettings("dapo", "token_mean", Clip(0.2, 0.28, 10.0))
    assert evaluate_objective(batch, chosen)[0].metrics["clip_dual"].item() == pytest.approx(1 / 26)


def test_single_precision_stays_single_and_agrees() -> None:
    window = make_random_window()
    single: dict[str, Any] = {
        name: getattr(window, name).detach().float()
        for name in ("log_prob", "old_log_prob", "entropy", "advantage", "reward")
    }
    for name, chosen in SETTINGS.items():
        counts = count_window(window)
        exact = compute_objective(window, chosen, counts).loss.item()
        reference = window.reference_log_prob
        assert reference is not None
        batch = replace(window, **single, reference_log_prob=reference.float())
        result = compute_objective(batch, chosen, counts)
        assert {value.dtype for value in result.metrics.values()} == {torch.float32}, name
        assert result.loss.dtype == torch.float32
        assert result.loss.item() == pytest.approx(exact, abs=1e-4)
