"""Rewards to advantages, by prompt: groups are named by an id, never by a position in the batch."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from retu.core.errors import InputError

Baseline = Literal["group", "on_policy"]


@dataclass(frozen=True)
class GroupStatistics:
    """Of every row, shape (B,): its group's number of baseline rows, their mean and their std."""

    count: Tensor
    mean: Tensor
    std: Tensor


def compute_group_statistics(reward: Tensor, group: Tensor, member: Tensor) -> GroupStatistics:
    """Mean and sample std (Bessel's correction) of the rewards of a group's members.

    Args:
        reward: (B,) float.
        group: (B,) integer ids of prompts, in any order.
        member: (B,) bool, the rows that define the statistics of their group.
    """
    ids, index = torch.unique(group, return_inverse=True)
    zeros = torch.zeros(len(ids), dtype=reward.dtype, device=reward.device)
    weight = member.to(reward.dtype)
    count = zeros.index_add(0, index, weight)
    mean = zeros.index_add(0, index, reward * weight) / count.clamp(min=1)
    deviation = (reward - mean[index]) * weight
    variance = zeros.index_add(0, index, deviation**2) / (count - 1).clamp(min=1)
    return GroupStatistics(count[index], mean[index], variance.sqrt()[index])


def compute_group_advantages(
    reward: Tensor,
    group: Tensor,
    *,
    divide_by_std: bool,
    eps: float = 1e-6,
    baseline: Baseline = "group",
    expert_row: Tensor | None = None,
) -> Tensor:
    """Group-relative advantages r - mean, or (r - mean) / (std + eps).

    The first form is Dr. GRPO's and that of every mixed paradigm, the second GRPO's.

    Args:
        reward: (B,) float.
        group: (B,) integer ids of prompts, in any order.
        divide_by_std: whether to divide by the group's sample std.
        eps: what keeps equal rewards from dividing by zero (verl: 1e-6, TRL: 1e-4).
        baseline: `group` takes mean and std over all rows of the prompt, its expert included
            (LUFFY, SRFT); `on_policy` over all but the expert (UPT, and LUFFY's ablation).
        expert_row: (B,) bool, rows that are expert trajectories; none if not given.

    Returns:
        (B,) float.

    Raises:
        InputError: fewer than two rows define the baseline of a group.
    """
    member = torch.ones_like(group, dtype=torch.bool)
    if baseline == "on_policy" and expert_row is not None:
        member = ~expert_row
    statistics = compute_group_statistics(reward, group, member)
    lone = statistics.count < 2
    if bool(lone.any()):
        raise InputError(
            f"rollouts: prompt {int(group[lone][0])} has fewer than 2 rollouts to compare; set"
            " rollouts to 2 or more, besides the expert where it is left out of the baseline"
        )
    centred = reward - statistics.mean
    return centred / (statistics.std + eps) if divide_by_std else centred


def compute_separate_prefix_advantages(reward: Tensor, group: Tensor, prefix: Tensor) -> Tensor:
    """Prefix-RFT's alternative to the joint group: plain and hybrid rows do not mix.

    Plain rows: r - mean of the prompt's plain rows. A hybrid row, the only continuation of its
    prefix: its own tokens get r, the expert's tokens r - that mean. (Estimator `dr_grpo_prefix` of
    the authors' code.)

    Args:
        reward: (B,) float.
        group: (B,) integer ids of prompts.
        prefix: (B, T) bool, the expert's tokens; a row is hybrid if it has one.

    Returns:
        (B, T) float, padding not masked.

    Raises:
        InputError: a prompt has fewer than two plain rows.
    """
    hybrid = prefix.any(-1)
    statistics = compute_group_statistics(reward, group, ~hybrid)
    if bool((statistics.count < 2).any()):
        prompt = int(group[statistics.count < 2][0])
        raise InputError(
            f"rollouts: prompt {prompt} has fewer than 2 rollouts without a prefix; set rollouts"
            " to 3 or more or use the joint advantage"
        )
    centred = reward - statistics.mean
    row = torch.where(hybrid, reward, centred)
    return torch.where(prefix, centred[:, None], row[:, None])
