"""Objectives against golden numbers that were computed from the formulas, apart from this code."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from objectives_fixtures import (
    GOLDEN,
    SHARED,
    TOLERANCE,
    count_window,
    evaluate_objective,
    make_bool_tensor,
    make_float_tensor,
    make_golden_batch,
    select_rows,
)
from torch import Tensor

from retu.config.objectives import Clip, ObjectiveSettings, Reduction
from retu.config.planner import SwitchGate
from retu.training.paradigms.advantages import (
    compute_group_advantages,
    compute_separate_prefix_advantages,
)
from retu.training.paradigms.checks import count_correct
from retu.training.paradigms.reduction import WindowCounts, compute_row_means, reduce_loss
from retu.training.paradigms.token_losses import (
    PolicyBatch,
    compute_importance_ratio,
    compute_k3_divergence,
    compute_srft_imitation_loss,
    compute_srft_self_loss,
    compute_surrogate_loss,
    find_low_entropy_tokens,
    shape_probability,
)
from retu.training.paradigms.upt_gate import decide_route, plan_gated_group

REDUCED: dict[Reduction, str] = {
    "token_mean": "token_mean",
    "seq_mean": "seq_mean_token_mean",
    "const": "sum_over_lmax",
    "dr_grpo": "dr_grpo",
}
"""Our name of a reduction -> the golden file's."""
SURROGATES = ("grpo", "dapo", "dapo_d")
DAPO_DC = ObjectiveSettings("dapo", "token_mean", Clip(0.2, 0.28, 10.0))
LUFFY = ObjectiveSettings("luffy", "const", None)
SRFT = ObjectiveSettings("srft", "const", None)
PREFIX = ObjectiveSettings("prefix_rft", "const", Clip(dual=3.0), entropy_scope="batch")


def assert_close_to_golden(value: Tensor, expected: Any) -> None:
    """Equal to the golden numbers, which are rounded to 6 digits, within 1e-6."""
    torch.testing.assert_close(
        value.detach(), make_float_tensor(expected), atol=TOLERANCE, rtol=0.0
    )


def mask_padding(values: Tensor) -> Tensor:
    """Padding as the golden file has it: zero."""
    return torch.where(SHARED.mask, values, 0.0)


def read_clip(block: dict[str, Any]) -> Clip:
    """A block's clip."""
    return Clip(block["eps_low"], block["eps_high"], block["dual_clip_c"])


def read_exact_advantage(block: dict[str, Any], **changes: Any) -> Tensor:
    """A block's advantages unrounded; agree with its rounded ones."""
    std = block["advantages"][0] > 0.6
    exact = compute_group_advantages(SHARED.reward, SHARED.group, divide_by_std=std, **changes)
    assert_close_to_golden(exact, block["advantages"])
    return exact


ADVANTAGES: dict[str, dict[str, Any]] = {
    "grpo_std_eps1e-6": {"divide_by_std": True},
    "grpo_std_eps1e-4_trl": {"divide_by_std": True, "eps": 1e-4},
    "dr_grpo_no_std": {"divide_by_std": False},
    "luffy_mixed_no_std": {"divide_by_std": False},
    "luffy_mixed_with_std_eps1e-6": {"divide_by_std": True},
    "split_baseline_on_policy_only_no_std": {"divide_by_std": False, "baseline": "on_policy"},
}


@pytest.mark.parametrize("name", ADVANTAGES)
def test_group_advantages(name: str) -> None:
    mixed = name.startswith(("luffy", "split"))
    reward = SHARED.mixed_reward if mixed else SHARED.reward
    expert = {"expert_row": SHARED.expert_row} if mixed else {}
    shuffled = torch.tensor([5, 0, 7, 2, 1, 4, 6, 3])
    for order in (torch.arange(8), shuffled):
        chosen = {key: value[order] for key, value in expert.items()}
        got = compute_group_advantages(
            reward[order], SHARED.group[order], **ADVANTAGES[name], **chosen
        )
        assert_close_to_golden(got, make_float_tensor(GOLDEN["advantages"][name])[order].tolist())


def test_advantages_of_equal_rewards() -> None:
    equal = GOLDEN["advantages"]["all_equal_group_std"]
    group = torch.zeros(4, dtype=torch.int64)
    got = compute_group_advantages(make_float_tensor(equal["rewards"]), group, divide_by_std=True)
    assert_close_to_golden(got, equal["advantages"])


def test_ratios() -> None:
    ratio = compute_importance_ratio(SHARED.log_prob, SHARED.old_log_prob)
    assert_close_to_golden(mask_padding(ratio), GOLDEN["inputs"]["ratio"])


@pytest.mark.parametrize("name", SURROGATES)
def test_the_surrogate_per_token_and_reduced(name: str) -> None:
    block = GOLDEN[name]
    advantage = read_exact_advantage(block)
    ratio = compute_importance_ratio(SHARED.log_prob, SHARED.old_log_prob)
    loss = compute_surrogate_loss(ratio, advantage[:, None], read_clip(block))
    assert_close_to_golden(mask_padding(loss), block["per_token_loss"])
    for mode, title in REDUCED.items():
        settings = ObjectiveSettings("grpo", mode, read_clip(block))
        result, _ = evaluate_objective(make_golden_batch(advantage), settings)
        assert_close_to_golden(result.loss, block[f"loss_{title}"])
    # The fifth reduction of the file, the mean over rows of sums, is dr_grpo with L_max = 1.
    counts = count_window(make_golden_batch(advantage), length_limit=1)
    assert_close_to_golden(
        reduce_loss(loss, SHARED.mask, "dr_grpo", counts), block["loss_seq_mean_token_sum"]
    )


@pytest.mark.parametrize("name", SURROGATES)
def test_gradients_and_clip_fractions_of_the_surrogate(name: str) -> None:
    block = GOLDEN[name]
    settings = ObjectiveSettings("grpo", "token_mean", read_clip(block))
    result, gradient = evaluate_objective(make_golden_batch(read_exact_advantage(block)), settings)
    assert_close_to_golden(gradient, block["grad_logp_token_mean"])
    assert_close_to_golden(result.metrics["clip_low"], block["clip_fraction_low"])
    assert_close_to_golden(result.metrics["clip_high"], block["clip_fraction_high"])


def test_dapo_d_with_the_entropy_bonus() -> None:
    block = GOLDEN["dapo_d"]
    settings = ObjectiveSettings("dapo", "token_mean", read_clip(block), entropy_coef=0.001)
    result, _ = evaluate_objective(make_golden_batch(read_exact_advantage(block)), settings)
    assert_close_to_golden(result.loss, block["total_token_mean_minus_entropy_0.001"])
    assert_close_to_golden(result.metrics["entropy"], GOLDEN["luffy"]["entropy_token_mean"])


def test_released_dapo_is_seq_mean_because_its_micro_batches_hold_one_row() -> None:
    batch = make_golden_batch(read_exact_advantage(GOLDEN["dapo"]))
    released = [
        evaluate_objective(select_rows(batch, [row]), DAPO_DC)[0].loss / len(SHARED.mask)
        for row in range(8)
    ]
    expected = GOLDEN["dapo"]["loss_token_mean_if_micro_batch_is_1_sequence"]
    assert_close_to_golden(torch.stack(released).sum(), expected)
    ours, _ = evaluate_objective(batch, replace(DAPO_DC, reduction="seq_mean"))
    assert_close_to_golden(ours.loss, expected)


def test_k3_divergence() -> None:
    divergence = compute_k3_divergence(SHARED.log_prob, SHARED.old_log_prob)
    counts = count_window(make_golden_batch(SHARED.reward))
    value = reduce_loss(divergence, SHARED.mask, "token_mean", counts)
    assert_close_to_golden(value, GOLDEN["grpo"]["k3_kl"]["value"])
    settings = ObjectiveSettings("grpo", "token_mean", Clip(), kl_coef=0.5)
    batch = make_golden_batch(torch.zeros(8).double(), reference_log_prob=SHARED.old_log_prob)
    result, _ = evaluate_objective(batch, settings)
    assert_close_to_golden(2 * result.loss, GOLDEN["grpo"]["k3_kl"]["value"])
    assert_close_to_golden(result.metrics["old_kl"], GOLDEN["grpo"]["k3_kl"]["value"])


def test_policy_shaping_and_its_gradient() -> None:
    block = GOLDEN["policy_shaping"]
    log_prob = make_float_tensor(block["p"]).log().requires_grad_()
    shaped = shape_probability(log_prob, block["gamma"])
    assert_close_to_golden(shaped, block["f"])
    (gradient,) = torch.autograd.grad(shaped.sum(), log_prob)
    assert_close_to_golden(gradient, block["df_dlogp"])


def make_luffy_batch() -> PolicyBatch:
    """The golden batch with its mixed groups."""
    advantage = compute_group_advantages(SHARED.mixed_reward, SHARED.group, divide_by_std=False)
    assert_close_to_golden(advantage, GOLDEN["luffy"]["advantages"])
    return make_golden_batch(advantage, expert_row=SHARED.expert_row, reward=SHARED.mixed_reward)


def test_luffy_in_every_reduction() -> None:
    block = GOLDEN["luffy"]
    for mode, title in REDUCED.items():
        result, _ = evaluate_objective(make_luffy_batch(), replace(LUFFY, reduction=mode))
        assert_close_to_golden(result.loss, block[f"pg_loss_{title}"])
    sums, _ = evaluate_objective(
        make_luffy_batch(), replace(LUFFY, reduction="dr_grpo"), count_window(make_luffy_batch(), 1)
    )
    assert_close_to_golden(sums.loss, block["pg_loss_seq_mean_token_sum"])


def test_luffy_per_token_and_its_gradient() -> None:
    block = GOLDEN["luffy"]
    _, gradient = evaluate_objective(make_luffy_batch(), LUFFY)
    assert_close_to_golden(gradient, block["grad_logp_sum_over_lmax"])
    # Every token's own loss: the objective with all other tokens masked, and L_max = 1.
    losses = torch.zeros_like(SHARED.log_prob)
    for row, column in SHARED.mask.nonzero().tolist():
        alone = torch.zeros_like(SHARED.mask)
        alone[row, column] = True
        batch = replace(make_luffy_batch(), mask=alone)
        losses[row, column] = evaluate_objective(batch, LUFFY, count_window(batch, 1))[
            0
        ].loss.detach()
    assert_close_to_golden(losses, block["per_token_loss"])


def test_luffy_with_entropy_bonus_without_shaping_and_with_clip() -> None:
    block = GOLDEN["luffy"]
    bonus = replace(LUFFY, entropy_coef=block["entropy_coef"])
    cases = {
        "total_loss_reference_normaliser": bonus,
        "total_loss_dr_grpo_normaliser": replace(bonus, reduction="dr_grpo"),
        "pg_loss_sum_over_lmax_no_shaping": replace(LUFFY, gamma=None),
        "pg_loss_sum_over_lmax_with_on_policy_clip_0.2": replace(LUFFY, clip=Clip()),
    }
    for title, settings in cases.items():
        assert_close_to_golden(
            evaluate_objective(make_luffy_batch(), settings)[0].loss, block[title]
        )


def test_srft_terms_and_gradient() -> None:
    block = GOLDEN["srft"]
    assert_close_to_golden(make_luffy_batch().advantage, block["group_advantages"])
    result, gradient = evaluate_objective(make_luffy_batch(), SRFT)
    for name in ("sft_demo", "rl_demo", "rl_self"):
        assert_close_to_golden(result.terms[name], block[f"loss_{name}"])
    assert_close_to_golden(result.loss, block["loss_total_no_entropy_bonus"])
    assert_close_to_golden(gradient, block["grad_logp_total"])
    bonus, _ = evaluate_objective(make_luffy_batch(), replace(SRFT, entropy_coef=0.001))
    assert_close_to_golden(bonus.loss, block["loss_total_with_entropy_bonus_0.001"])
    ratio, _ = evaluate_objective(make_luffy_batch(), replace(SRFT, srft_self_term="ratio"))
    assert_close_to_golden(ratio.terms["rl_self"], block["variant_self_term_with_ratio"])


def test_srft_weights_and_losses_per_token() -> None:
    block = GOLDEN["srft"]
    ones, wins = torch.ones_like(SHARED.log_prob), torch.ones(8).double()
    assert_close_to_golden(compute_row_means(SHARED.entropy, SHARED.mask), block["H_per_row"])
    imitation = compute_srft_imitation_loss(-ones, SHARED.entropy, SHARED.mask)
    assert_close_to_golden(imitation[:, 0], block["w_sft_per_row"])
    own = compute_srft_self_loss(-ones, SHARED.entropy, SHARED.mask, wins)
    assert_close_to_golden(own[:, 0], block["w_rl_per_row"])
    loss = compute_srft_self_loss(SHARED.log_prob, SHARED.entropy, SHARED.mask, SHARED.mixed_reward)
    demo = -make_luffy_batch().advantage[:, None] * shape_probability(SHARED.log_prob, 0.1)
    combined = torch.where(SHARED.expert_row[:, None], demo, loss)
    assert_close_to_golden(mask_padding(combined), block["per_token_rl_loss"])


def make_upt_batch(case: dict[str, Any]) -> PolicyBatch:
    """The golden rollouts with the two experts as rows 8 and 9, gated."""
    block = GOLDEN["upt_hpt"]
    reward = torch.cat([make_float_tensor(block["rewards"]), torch.zeros(2).double()])
    group = torch.cat([SHARED.group, torch.tensor([0, 1])])
    expert_row = torch.arange(10) >= 8
    advantage = compute_group_advantages(
        reward, group, divide_by_std=False, baseline="on_policy", expert_row=expert_row
    )
    assert_close_to_golden(advantage[:8], case["advantages_before_removal"])
    groups = [block["rewards"][:4], block["rewards"][4:]]
    assert [count_correct(rewards, "rollouts") for rewards in groups] == case["wins"]
    gate = SwitchGate(switch_gate=case["switch_gate"])
    routes = [decide_route(rewards, gate, "rollouts") for rewards in groups]
    roles = [role for route in routes for role in plan_gated_group(route, 4)]
    sft = [route == "sft" for route in routes]
    kept = [role.source == "on_policy" and role.is_active for role in roles]
    assert [int(flag) for flag in sft] == case["prompt_uses_sft"]
    assert [int(flag) for flag in kept] == case["row_kept_for_rl"]
    log_prob = torch.cat([SHARED.log_prob, make_float_tensor(block["expert_logp"])])
    return PolicyBatch(
        log_prob=log_prob.requires_grad_(),
        old_log_prob=torch.cat([SHARED.old_log_prob, torch.full((2, 4), torch.nan).double()]),
        entropy=torch.zeros(10, 4).double(),
        mask=torch.cat([SHARED.mask, make_bool_tensor(block["expert_mask"])]),
        advantage=advantage,
        expert_row=expert_row,
        imitated=make_bool_tensor([False] * 8 + sft),
        active=make_bool_tensor(kept + sft),
    )


@pytest.mark.parametrize("case", GOLDEN["upt_hpt"]["cases"], ids=lambda c: str(c["switch_gate"]))
def test_upt(case: dict[str, Any]) -> None:
    settings = ObjectiveSettings("upt", "const", None, sft_weight=case["sft_loss_coef"])
    result, _ = evaluate_objective(make_upt_batch(case), settings)
    assert_close_to_golden(result.terms["policy"], case["loss_rl"])
    assert_close_to_golden(result.terms["sft"], case["sft_loss_coef"] * case["loss_sft"])
    assert_close_to_golden(result.loss, case["loss_total"])
    counts = count_window(make_upt_batch(case), length_limit=SHARED.length_limit)
    per_row, _ = evaluate_objective(
        make_upt_batch(case), replace(settings, reduction="dr_grpo"), counts
    )
    assert_close_to_golden(per_row.terms["policy"], case["loss_rl_mean_over_kept_rows"])


def test_the_gradient_of_upt() -> None:
    block = GOLDEN["upt_hpt"]
    settings = ObjectiveSettings("upt", "const", None)
    _, gradient = evaluate_objective(make_upt_batch(block["cases"][0]), settings)
    assert_close_to_golden(gradient[:8], block["grad_rl_logp_gate0"])
    assert_close_to_golden(gradient[8:], block["grad_expert_logp_gate0"])


def make_prefix_batch() -> PolicyBatch:
    """The golden batch with expert prefixes in rows 3 and 7."""
    block = GOLDEN["prefix_rft"]
    prefix = make_bool_tensor(block["prefix_mask"])
    assert prefix.sum(-1).tolist() == block["prefix_len"]
    advantage = compute_group_advantages(
        make_float_tensor(block["rewards"]), SHARED.group, divide_by_std=False
    )
    assert_close_to_golden(advantage, block["advantages_joint"])
    return make_golden_batch(advantage, prefix=prefix)


def test_prefix_rft_entropy_mask() -> None:
    block = GOLDEN["prefix_rft"]
    prefix = make_bool_tensor(block["prefix_mask"])
    dropped = find_low_entropy_tokens(
        SHARED.entropy, prefix, block["entropy_keep_fraction"], scope="batch"
    )
    assert int(prefix.sum()) == block["num_prefix_tokens"]
    assert int(dropped.sum()) == block["num_zeroed"]
    assert (prefix & ~dropped).nonzero().tolist() == block["kept_prefix_tokens_row_col"]
    advantage = make_prefix_batch().advantage[:, None].expand(8, 4).masked_fill(dropped, 0.0)
    assert_close_to_golden(mask_padding(advantage), block["token_advantages_after_entropy_clip"])
    ratio = compute_importance_ratio(SHARED.log_prob, SHARED.old_log_prob)
    loss = compute_surrogate_loss(ratio, advantage, Clip(dual=3.0))
    assert_close_to_golden(mask_padding(loss) + 0.0, block["per_token_loss"])


def test_prefix_rft_reduced_and_its_gradient() -> None:
    block = GOLDEN["prefix_rft"]
    for mode in ("token_mean", "const", "dr_grpo"):
        result, _ = evaluate_objective(make_prefix_batch(), replace(PREFIX, reduction=mode))
        assert_close_to_golden(result.loss, block[f"loss_{REDUCED[mode]}"])
    _, gradient = evaluate_objective(make_prefix_batch(), PREFIX)
    assert_close_to_golden(gradient + 0.0, block["grad_logp_sum_over_lmax"])
    whole, _ = evaluate_objective(make_prefix_batch(), replace(PREFIX, entropy_keep=1.0))
    assert_close_to_golden(whole.loss, block["loss_sum_over_lmax_without_entropy_clip"])


def test_prefix_rft_separate_groups() -> None:
    block = GOLDEN["prefix_rft"]
    reward, prefix = make_float_tensor(block["rewards"]), make_bool_tensor(block["prefix_mask"])
    got = compute_separate_prefix_advantages(reward, SHARED.group, prefix)
    assert_close_to_golden(mask_padding(got), block["variant_separate_groups_token_advantages"])


def test_sft() -> None:
    block = GOLDEN["sft"]
    settings = ObjectiveSettings("sft", "token_mean", None)
    nothing = torch.zeros(8).double()
    batch = make_golden_batch(nothing, expert_row=SHARED.expert_row)
    result, gradient = evaluate_objective(batch, settings)
    assert_close_to_golden(result.loss, block["global_token_mean"])
    assert_close_to_golden(gradient, block["grad_logp"])
    assert_close_to_golden(
        compute_row_means(-SHARED.log_prob, SHARED.mask)[[3, 7]], block["per_row_nll_mean"]
    )
    first = make_golden_batch(nothing, expert_row=torch.arange(8) < 3)
    assert_close_to_golden(
        evaluate_objective(first, settings)[0].loss, block["global_token_mean_rows_0_1_2"]
    )
    means = compute_row_means(-SHARED.log_prob, SHARED.mask)[:3].mean()
    assert_close_to_golden(means, block["mean_of_row_means_rows_0_1_2"])


def test_the_sft_weight_that_keeps_the_released_balance_with_rl() -> None:
    example = GOLDEN["normalisation_parity"]["example"]
    rows, parts = example["B"], example["M"]
    log_prob = -torch.arange(1, rows * 5 + 1).double().reshape(rows, 5).remainder(7)
    mask, experts = torch.ones(rows, 5).bool(), torch.arange(rows) % 2 == 0
    counts = WindowCounts(rows, rows * 5, rows / 2, rows * 5 / 2, rows / 2, rows * 5 / 2, 10)
    released_rl = reduce_loss(log_prob, mask, "const", counts)
    means = [-log_prob[part][experts[part]].mean() for part in torch.arange(rows).chunk(parts)]
    released = released_rl + example["coef"] * torch.stack(means).sum()
    ours_rl = reduce_loss(log_prob, mask, "dr_grpo", counts)
    nll = reduce_loss(-log_prob, mask & experts[:, None], "token_mean", counts.select_expert())
    ours = ours_rl + example["sft_weight"] * nll
    assert_close_to_golden(rows * ours, released.item())


@pytest.mark.parametrize(
    ("title", "tokens"), [("exact", None), ("trl_1_16", 13), ("trl_le_1_10", 26)]
)
def test_dapo_windows_of_one_generated_batch(title: str, tokens: int | None) -> None:
    batch = make_golden_batch(read_exact_advantage(GOLDEN["dapo"]))
    windows = [[0, 1, 4, 6], [2, 3, 5, 7]]
    losses = []
    for rows in windows:
        part = select_rows(batch, rows)
        counts = count_window(part)
        counts = counts if tokens is None else replace(counts, tokens=tokens)
        losses.append(evaluate_objective(part, DAPO_DC, counts)[0].loss)
    assert_close_to_golden(torch.stack(losses), GOLDEN["trl_dapo_windows"][title])
