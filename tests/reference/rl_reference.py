"""The losses of all presets in float64, written from their formulas (docs/paradigms.md), by row.

A is the advantage, p a token's probability, rho = p / p_old its ratio (1, with a gradient: every
batch is used once), H the mean entropy of a row, L the longest completion.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from reference import compute_token_statistics
from rl_runs import LIMIT, TOKENIZER, TrainedRow, judge_completions
from torch import Tensor

BONUS = 0.001
GAMMA = 0.1
KEPT = 0.2
"""Weight of the entropy bonus, LUFFY's gamma, and Prefix-RFT's share of trained prefix tokens."""


def find_advantages(preset: str, rows: Sequence[TrainedRow]) -> list[float]:
    """r - mean of the prompt's rows (UPT: of its rollouts), for DAPO_dc in units of their std."""
    rewards = judge_completions(
        [TOKENIZER.decode(row.completion, skip_special_tokens=True) for row in rows]
    )
    groups: dict[tuple[int, ...], list[float]] = defaultdict(list)
    for row, reward in zip(rows, rewards, strict=True):
        if not (preset == "upt" and row.expert):
            groups[tuple(row.prompt)].append(reward)
    advantages = []
    for row, reward in zip(rows, rewards, strict=True):
        group = torch.tensor(groups[tuple(row.prompt)], dtype=torch.float64)
        scale = float(group.std()) + 1e-4 if preset == "dapo_dc" else 1.0
        advantages.append((reward - float(group.mean())) / scale)
    return advantages


def compute_reference_loss(model: Any, preset: str, rows: Sequence[TrainedRow]) -> Tensor:
    """The loss of an update's rows."""
    active, advantages = [], []
    for row, advantage in zip(rows, find_advantages(preset, rows), strict=True):
        if row.active:
            active.append(row)
            advantages.append(advantage)
    statistics = []
    for row in active:
        chosen, entropies = compute_token_statistics(model, row.prompt + row.completion)
        first = len(row.prompt) - 1
        statistics.append((chosen[first:], entropies[first:]))
    losses = {
        "luffy": compute_reference_luffy_loss,
        "srft": compute_reference_srft_loss,
        "upt": compute_reference_upt_loss,
        "prefix_rft": compute_reference_prefix_loss,
    }
    policy = losses.get(preset, compute_reference_token_mean_loss)(active, advantages, statistics)
    bonus = torch.cat([entropies for _, entropies in statistics]).mean()
    return policy - (0.0 if preset == "dapo_dc" else BONUS) * bonus


Statistics = Sequence[tuple[Tensor, Tensor]]


def make_unit_ratio(chosen: Tensor) -> Tensor:
    """1, with the gradient of log p."""
    return (chosen - chosen.detach()).exp()


def compute_reference_token_mean_loss(
    rows: Sequence[TrainedRow], advantages: Sequence[float], given: Statistics
) -> Tensor:
    """GRPO and DAPO: the mean of -A rho over all tokens; a ratio of 1 is never clipped."""
    tokens = [
        -a * make_unit_ratio(chosen) for a, (chosen, _) in zip(advantages, given, strict=True)
    ]
    return torch.cat(tokens).mean()


def compute_reference_luffy_loss(
    rows: Sequence[TrainedRow], advantages: Sequence[float], given: Statistics
) -> Tensor:
    """The sum of -A rho over rollouts and of -A p / (p + gamma) over experts, over L."""
    total = torch.zeros((), dtype=torch.float64)
    for row, advantage, (chosen, _) in zip(rows, advantages, given, strict=True):
        shaped = chosen.exp() / (chosen.exp() + GAMMA)
        total = total - advantage * (shaped if row.expert else make_unit_ratio(chosen)).sum()
    return total / LIMIT


def compute_reference_srft_loss(
    rows: Sequence[TrainedRow], advantages: Sequence[float], given: Statistics
) -> Tensor:
    """LUFFY's expert term, a weighted SFT term, and a self term of rollouts."""
    imitation, total = [], torch.zeros((), dtype=torch.float64)
    for row, advantage, (chosen, entropies) in zip(rows, advantages, given, strict=True):
        entropy = entropies.mean().detach()
        if row.expert:
            imitation.append(-0.5 * (-entropy).exp() * chosen)
            total = total - advantage * (chosen.exp() / (chosen.exp() + GAMMA)).sum() / LIMIT
            continue
        text = TOKENIZER.decode(row.completion, skip_special_tokens=True)
        weight = 0.1 * entropy.exp() if judge_completions([text])[0] else -1.0
        total = total - (weight * chosen).sum() / LIMIT
    return total + torch.cat(imitation).mean()


def compute_reference_upt_loss(
    rows: Sequence[TrainedRow], advantages: Sequence[float], given: Statistics
) -> Tensor:
    """The sum of -A rho over rollouts, over L, and the token mean of -log p over experts."""
    imitation, total = [], torch.zeros((), dtype=torch.float64)
    for row, advantage, (chosen, _) in zip(rows, advantages, given, strict=True):
        if row.imitated:
            imitation.append(-chosen)
        else:
            total = total - advantage * make_unit_ratio(chosen).sum() / LIMIT
    return total + torch.cat(imitation).mean() if imitation else total


def compute_reference_prefix_loss(
    rows: Sequence[TrainedRow], advantages: Sequence[float], given: Statistics
) -> Tensor:
    """GRPO's, with A = 0 at the prefix tokens of lowest entropy, which count all the same."""
    tokens = []
    for row, advantage, (chosen, entropies) in zip(rows, advantages, given, strict=True):
        order = entropies[: row.prefix].argsort()
        weights = torch.full_like(chosen, advantage)
        weights[order[: int(row.prefix * (1 - KEPT) + 1e-9)]] = 0.0
        tokens.append(-weights * make_unit_ratio(chosen))
    return torch.cat(tokens).mean()
