"""Objectives against golden numbers that were computed from the formulas, apart from this code."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from objectives_fixtures import (
    GOLDEN,
    SHARED,
    TOLERANCE,
    counts_of,
    evaluated,
    flags,
    golden_batch,
    real,
    rows_of,
)
from torch import Tensor

from retu.config.objectives import Clip, ObjectiveSettings, Reduction
from retu.training.paradigms.advantages import (
    group_advantage,
    overlong_penalty,
    separate_prefix_advantage,
)
from retu.training.paradigms.gate_rows import gate_rows, win_counts
from retu.training.paradigms.imitation import low_entropy_tokens, srft_imitation, srft_self_loss
from retu.training.paradigms.reduction import WindowCounts, reduce, row_means
from retu.training.paradigms.surrogate import (
    importance_ratio,
    k3_divergence,
    shaped_probability,
    surrogate,
)
from retu.training.paradigms.token_batch import PolicyBatch

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


def assert_close(value: Tensor, expected: Any) -> None:
    """Equal to the golden numbers, which are rounded to 6 digits, within 1e-6."""
    torch.testing.assert_close(value.detach(), real(expected), atol=TOLERANCE, rtol=0.0)


def masked(values: Tensor) -> Tensor:
    """Padding as the golden file has it: zero."""
    return torch.where(SHARED.mask, values, 0.0)


def clip_of(block: dict[str, Any]) -> Clip:
    """A block's clip."""
    return Clip(block["eps_low"], block["eps_high"], block["dual_clip_c"])


def exact_advantage(block: dict[str, Any], **changes: Any) -> Tensor:
    """A block's advantages unrounded; agree with its rounded ones."""
    std = block["advantages"][0] > 0.6
    exact = group_advantage(SHARED.reward, SHARED.group, divide_by_std=std, **changes)
    assert_close(exact, block["advantages"])
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
        got = group_advantage(reward[order], SHARED.group[order], **ADVANTAGES[name], **chosen)
        assert_close(got, real(GOLDEN["advantages"][name])[order].tolist())


def test_advantages_of_equal_rewards_and_of_a_lone_row() -> None:
    equal = GOLDEN["advantages"]["all_equal_group_std"]
    group = torch.zeros(4, dtype=torch.int64)
    got = group_advantage(real(equal["rewards"]), group, divide_by_std=True)
    assert_close(got, equal["advantages"])
    lone = GOLDEN["advantages"]["single_member_group"]
    verl = group_advantage(real(lone["rewards"]), group[:1], divide_by_std=True, lone_row="reward")
    assert_close(verl, lone["advantages"])


def test_ratios() -> None:
    ratio = importance_ratio(SHARED.log_prob, SHARED.old_log_prob)
    assert_close(masked(ratio), GOLDEN["inputs"]["ratio"])


@pytest.mark.parametrize("name", SURROGATES)
def test_the_surrogate_per_token_and_reduced(name: str) -> None:
    block = GOLDEN[name]
    advantage = exact_advantage(block)
    ratio = importance_ratio(SHARED.log_prob, SHARED.old_log_prob)
    loss = surrogate(ratio, advantage[:, None], clip_of(block))
    assert_close(masked(loss), block["per_token_loss"])
    for mode, title in REDUCED.items():
        settings = ObjectiveSettings("grpo", mode, clip_of(block))
        result, _ = evaluated(golden_batch(advantage), settings)
        assert_close(result.loss, block[f"loss_{title}"])
    # The fifth reduction of the file, the mean over rows of sums, is dr_grpo with L_max = 1.
    counts = counts_of(golden_batch(advantage), length_limit=1)
    assert_close(reduce(loss, SHARED.mask, "dr_grpo", counts), block["loss_seq_mean_token_sum"])


@pytest.mark.parametrize("name", SURROGATES)
def test_gradients_and_clip_fractions_of_the_surrogate(name: str) -> None:
    block = GOLDEN[name]
    settings = ObjectiveSettings("grpo", "token_mean", clip_of(block))
    result, gradient = evaluated(golden_batch(exact_advantage(block)), settings)
    assert_close(gradient, block["grad_logp_token_mean"])
    assert_close(result.metrics["clip_low"], block["clip_fraction_low"])
    assert_close(result.metrics["clip_high"], block["clip_fraction_high"])


def test_dapo_d_with_the_entropy_bonus() -> None:
    block = GOLDEN["dapo_d"]
    settings = ObjectiveSettings("dapo", "token_mean", clip_of(block), entropy_coef=0.001)
    result, _ = evaluated(golden_batch(exact_advantage(block)), settings)
    assert_close(result.loss, block["total_token_mean_minus_entropy_0.001"])
    assert_close(result.metrics["entropy"], GOLDEN["luffy"]["entropy_token_mean"])


def test_released_dapo_is_seq_mean_because_its_micro_batches_hold_one_row() -> None:
    batch = golden_batch(exact_advantage(GOLDEN["dapo"]))
    released = [
        evaluated(rows_of(batch, [row]), DAPO_DC)[0].loss / len(SHARED.mask) for row in range(8)
    ]
    expected = GOLDEN["dapo"]["loss_token_mean_if_micro_batch_is_1_sequence"]
    assert_close(torch.stack(released).sum(), expected)
    ours, _ = evaluated(batch, replace(DAPO_DC, reduction="seq_mean"))
    assert_close(ours.loss, expected)


def test_k3_divergence() -> None:
    divergence = k3_divergence(SHARED.log_prob, SHARED.old_log_prob)
    counts = counts_of(golden_batch(SHARED.reward))
    value = reduce(divergence, SHARED.mask, "token_mean", counts)
    assert_close(value, GOLDEN["grpo"]["k3_kl"]["value"])
    settings = ObjectiveSettings("grpo", "token_mean", Clip(), kl_coef=0.5)
    batch = golden_batch(torch.zeros(8).double(), reference_log_prob=SHARED.old_log_prob)
    result, _ = evaluated(batch, settings)
    assert_close(2 * result.loss, GOLDEN["grpo"]["k3_kl"]["value"])
    assert_close(result.metrics["old_kl"], GOLDEN["grpo"]["k3_kl"]["value"])


def test_overlong_penalty() -> None:
    block = GOLDEN["dapo_overlong_penalty"]
    length = torch.tensor(block["lengths"])
    got = overlong_penalty(length, block["L_max"], block["buffer"], block["factor"])
    assert_close(got.double(), block["penalty"])


def test_policy_shaping_and_its_gradient() -> None:
    block = GOLDEN["policy_shaping"]
    log_prob = real(block["p"]).log().requires_grad_()
    shaped = shaped_probability(log_prob, block["gamma"])
    assert_close(shaped, block["f"])
    (gradient,) = torch.autograd.grad(shaped.sum(), log_prob)
    assert_close(gradient, block["df_dlogp"])


def luffy_batch() -> PolicyBatch:
    """The golden batch with its mixed groups."""
    advantage = group_advantage(SHARED.mixed_reward, SHARED.group, divide_by_std=False)
    assert_close(advantage, GOLDEN["luffy"]["advantages"])
    return golden_batch(advantage, expert_row=SHARED.expert_row, reward=SHARED.mixed_reward)


def test_luffy_in_every_reduction() -> None:
    block = GOLDEN["luffy"]
    for mode, title in REDUCED.items():
        result, _ = evaluated(luffy_batch(), replace(LUFFY, reduction=mode))
        assert_close(result.loss, block[f"pg_loss_{title}"])
    sums, _ = evaluated(
        luffy_batch(), replace(LUFFY, reduction="dr_grpo"), counts_of(luffy_batch(), 1)
    )
    assert_close(sums.loss, block["pg_loss_seq_mean_token_sum"])


def test_luffy_per_token_and_its_gradient() -> None:
    block = GOLDEN["luffy"]
    _, gradient = evaluated(luffy_batch(), LUFFY)
    assert_close(gradient, block["grad_logp_sum_over_lmax"])
    # Every token's own loss: the objective with all other tokens masked, and L_max = 1.
    losses = torch.zeros_like(SHARED.log_prob)
    for row, column in SHARED.mask.nonzero().tolist():
        alone = torch.zeros_like(SHARED.mask)
        alone[row, column] = True
        batch = replace(luffy_batch(), mask=alone)
        losses[row, column] = evaluated(batch, LUFFY, counts_of(batch, 1))[0].loss.detach()
    assert_close(losses, block["per_token_loss"])


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
        assert_close(evaluated(luffy_batch(), settings)[0].loss, block[title])


def test_srft_terms_and_gradient() -> None:
    block = GOLDEN["srft"]
    assert_close(luffy_batch().advantage, block["group_advantages"])
    result, gradient = evaluated(luffy_batch(), SRFT)
    for name in ("sft_demo", "rl_demo", "rl_self"):
        assert_close(result.terms[name], block[f"loss_{name}"])
    assert_close(result.loss, block["loss_total_no_entropy_bonus"])
    assert_close(gradient, block["grad_logp_total"])
    bonus, _ = evaluated(luffy_batch(), replace(SRFT, entropy_coef=0.001))
    assert_close(bonus.loss, block["loss_total_with_entropy_bonus_0.001"])
    ratio, _ = evaluated(luffy_batch(), replace(SRFT, srft_self_term="ratio"))
    assert_close(ratio.terms["rl_self"], block["variant_self_term_with_ratio"])


def test_srft_weights_and_losses_per_token() -> None:
    block = GOLDEN["srft"]
    ones, wins = torch.ones_like(SHARED.log_prob), torch.ones(8).double()
    assert_close(row_means(SHARED.entropy, SHARED.mask), block["H_per_row"])
    imitation = srft_imitation(-ones, SHARED.entropy, SHARED.mask)
    assert_close(imitation[:, 0], block["w_sft_per_row"])
    own = srft_self_loss(-ones, SHARED.entropy, SHARED.mask, wins)
    assert_close(own[:, 0], block["w_rl_per_row"])
    loss = srft_self_loss(SHARED.log_prob, SHARED.entropy, SHARED.mask, SHARED.mixed_reward)
    demo = -luffy_batch().advantage[:, None] * shaped_probability(SHARED.log_prob, 0.1)
    combined = torch.where(SHARED.expert_row[:, None], demo, loss)
    assert_close(masked(combined), block["per_token_rl_loss"])


def upt_batch(case: dict[str, Any]) -> PolicyBatch:
    """The golden rollouts with the two experts as rows 8 and 9, gated."""
    block = GOLDEN["upt_hpt"]
    reward = torch.cat([real(block["rewards"]), torch.zeros(2).double()])
    group = torch.cat([SHARED.group, torch.tensor([0, 1])])
    expert_row = torch.arange(10) >= 8
    advantage = group_advantage(
        reward, group, divide_by_std=False, baseline="on_policy", expert_row=expert_row
    )
    assert_close(advantage[:8], case["advantages_before_removal"])
    assert win_counts(reward, group, ~expert_row)[8:].tolist() == case["wins"]
    gated = gate_rows(reward, group, expert_row, case["switch_gate"])
    assert gated.active[8:].tolist() == flags(case["prompt_uses_sft"]).tolist()
    assert gated.active[:8].tolist() == flags(case["row_kept_for_rl"]).tolist()
    log_prob = torch.cat([SHARED.log_prob, real(block["expert_logp"])])
    return PolicyBatch(
        log_prob=log_prob.requires_grad_(),
        old_log_prob=torch.cat([SHARED.old_log_prob, torch.full((2, 4), torch.nan).double()]),
        entropy=torch.zeros(10, 4).double(),
        mask=torch.cat([SHARED.mask, flags(block["expert_mask"])]),
        advantage=advantage,
        expert_row=expert_row,
        imitated=gated.imitated,
        active=gated.active,
    )


@pytest.mark.parametrize("case", GOLDEN["upt_hpt"]["cases"], ids=lambda c: str(c["switch_gate"]))
def test_upt(case: dict[str, Any]) -> None:
    settings = ObjectiveSettings("upt", "const", None, sft_weight=case["sft_loss_coef"])
    result, _ = evaluated(upt_batch(case), settings)
    assert_close(result.terms["policy"], case["loss_rl"])
    assert_close(result.terms["sft"], case["sft_loss_coef"] * case["loss_sft"])
    assert_close(result.loss, case["loss_total"])
    counts = counts_of(upt_batch(case), length_limit=SHARED.length_limit)
    per_row, _ = evaluated(upt_batch(case), replace(settings, reduction="dr_grpo"), counts)
    assert_close(per_row.terms["policy"], case["loss_rl_mean_over_kept_rows"])


def test_the_gradient_of_upt() -> None:
    block = GOLDEN["upt_hpt"]
    settings = ObjectiveSettings("upt", "const", None)
    _, gradient = evaluated(upt_batch(block["cases"][0]), settings)
    assert_close(gradient[:8], block["grad_rl_logp_gate0"])
    assert_close(gradient[8:], block["grad_expert_logp_gate0"])


@pytest.mark.parametrize(("name", "gate"), [("qwen_gate_0", 0), ("llama_gate_2", 2)])
def test_gate_table(name: str, gate: int) -> None:
    expert_row = torch.arange(9) == 8
    for wins, (rl, sft) in enumerate(GOLDEN["upt_hpt"]["gate_table_n8"][name]):
        reward = (torch.arange(9) < wins).double()
        gated = gate_rows(reward, torch.zeros(9, dtype=torch.int64), expert_row, gate)
        assert gated.active.tolist() == [bool(rl)] * 8 + [bool(sft)]
        assert gated.imitated[8].item() == bool(sft)


def prefix_batch() -> PolicyBatch:
    """The golden batch with expert prefixes in rows 3 and 7."""
    block = GOLDEN["prefix_rft"]
    prefix = flags(block["prefix_mask"])
    assert prefix.sum(-1).tolist() == block["prefix_len"]
    advantage = group_advantage(real(block["rewards"]), SHARED.group, divide_by_std=False)
    assert_close(advantage, block["advantages_joint"])
    return golden_batch(advantage, prefix=prefix)


def test_prefix_rft_entropy_mask() -> None:
    block = GOLDEN["prefix_rft"]
    prefix = flags(block["prefix_mask"])
    dropped = low_entropy_tokens(
        SHARED.entropy, prefix, block["entropy_keep_fraction"], scope="batch"
    )
    assert int(prefix.sum()) == block["num_prefix_tokens"]
    assert int(dropped.sum()) == block["num_zeroed"]
    assert (prefix & ~dropped).nonzero().tolist() == block["kept_prefix_tokens_row_col"]
    advantage = prefix_batch().advantage[:, None].expand(8, 4).masked_fill(dropped, 0.0)
    assert_close(masked(advantage), block["token_advantages_after_entropy_clip"])
    ratio = importance_ratio(SHARED.log_prob, SHARED.old_log_prob)
    loss = surrogate(ratio, advantage, Clip(dual=3.0))
    assert_close(masked(loss) + 0.0, block["per_token_loss"])


def test_prefix_rft_reduced_and_its_gradient() -> None:
    block = GOLDEN["prefix_rft"]
    for mode in ("token_mean", "const", "dr_grpo"):
        result, _ = evaluated(prefix_batch(), replace(PREFIX, reduction=mode))
        assert_close(result.loss, block[f"loss_{REDUCED[mode]}"])
    _, gradient = evaluated(prefix_batch(), PREFIX)
    assert_close(gradient + 0.0, block["grad_logp_sum_over_lmax"])
    whole, _ = evaluated(prefix_batch(), replace(PREFIX, entropy_keep=1.0))
    assert_close(whole.loss, block["loss_sum_over_lmax_without_entropy_clip"])


def test_prefix_rft_separate_groups() -> None:
    block = GOLDEN["prefix_rft"]
    reward, prefix = real(block["rewards"]), flags(block["prefix_mask"])
    got = separate_prefix_advantage(reward, SHARED.group, prefix)
    assert_close(masked(got), block["variant_separate_groups_token_advantages"])
    second = separate_prefix_advantage(reward, SHARED.group, prefix, continuation="zero")
    assert_close(masked(second), block["variant_separate_groups_v2_token_advantages"])


def test_sft() -> None:
    block = GOLDEN["sft"]
    settings = ObjectiveSettings("sft", "token_mean", None)
    nothing = torch.zeros(8).double()
    batch = golden_batch(nothing, expert_row=SHARED.expert_row)
    result, gradient = evaluated(batch, settings)
    assert_close(result.loss, block["global_token_mean"])
    assert_close(gradient, block["grad_logp"])
    assert_close(row_means(-SHARED.log_prob, SHARED.mask)[[3, 7]], block["per_row_nll_mean"])
    first = golden_batch(nothing, expert_row=torch.arange(8) < 3)
    assert_close(evaluated(first, settings)[0].loss, block["global_token_mean_rows_0_1_2"])
    means = row_means(-SHARED.log_prob, SHARED.mask)[:3].mean()
    assert_close(means, block["mean_of_row_means_rows_0_1_2"])


def test_the_sft_weight_that_keeps_the_released_balance_with_rl() -> None:
    example = GOLDEN["normalisation_parity"]["example"]
    rows, parts = example["B"], example["M"]
    log_prob = -torch.arange(1, rows * 5 + 1).double().reshape(rows, 5).remainder(7)
    mask, experts = torch.ones(rows, 5).bool(), torch.arange(rows) % 2 == 0
    counts = WindowCounts(rows, rows * 5, rows / 2, rows * 5 / 2, rows / 2, rows * 5 / 2, 10)
    released_rl = reduce(log_prob, mask, "const", counts)
    means = [-log_prob[part][experts[part]].mean() for part in torch.arange(rows).chunk(parts)]
    released = released_rl + example["coef"] * torch.stack(means).sum()
    ours_rl = reduce(log_prob, mask, "dr_grpo", counts)
    nll = reduce(-log_prob, mask & experts[:, None], "token_mean", counts.expert())
    ours = ours_rl + example["sft_weight"] * nll
    assert_close(rows * ours, released.item())


@pytest.mark.parametrize(
    ("title", "tokens"), [("exact", None), ("trl_1_16", 13), ("trl_le_1_10", 26)]
)
def test_dapo_windows_of_one_generated_batch(title: str, tokens: int | None) -> None:
    batch = golden_batch(exact_advantage(GOLDEN["dapo"]))
    windows = [[0, 1, 4, 6], [2, 3, 5, 7]]
    losses = []
    for rows in windows:
        part = rows_of(batch, rows)
        counts = counts_of(part)
        counts = counts if tokens is None else replace(counts, tokens=tokens)
        losses.append(evaluated(part, DAPO_DC, counts)[0].loss)
    assert_close(torch.stack(losses), GOLDEN["trl_dapo_windows"][title])
