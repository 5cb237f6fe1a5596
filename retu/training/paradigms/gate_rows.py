"""UPT's switch between SFT and RL (HPT in its authors' code), prompt by prompt."""

from dataclasses import dataclass

import torch
from torch import Tensor

from retu.core.errors import InputError


def count_correct_rows(reward: Tensor, group: Tensor, counted: Tensor) -> Tensor:
    """How many counted rows of a row's prompt have reward 1.

    Args:
        reward: (B,) of 0 and 1 in counted rows; others are not looked at.
        group: (B,) integer ids of prompts.
        counted: (B,) bool.

    Returns:
        (B,) int64, the same for all rows of a prompt.

    Raises:
        InputError: the reward of a counted row is neither 0 nor 1.
    """
    odd = counted & (reward != 0) & (reward != 1)
    if bool(odd.any()):
        raise InputError(
            f"reward: is {float(reward[odd][0]):g} in a rollout, but the switch gate counts wins;"
            " use a reward that is 0 or 1, without length penalty"
        )
    ids, index = torch.unique(group, return_inverse=True)
    wins = torch.zeros(len(ids), dtype=torch.int64, device=reward.device)
    return wins.index_add(0, index, (counted & (reward == 1)).to(torch.int64))[index]


@dataclass(frozen=True)
class GatedRows:
    """Which rows UPT trains on, and which of them by SFT: `PolicyBatch`'s tensors, (B,) bool."""

    active: Tensor
    imitated: Tensor


def gate_rows(
    reward: Tensor,
    group: Tensor,
    expert_row: Tensor,
    switch_gate: int,
    switch_gate_off: int | None = None,
) -> GatedRows:
    """Choose between a prompt's rollouts, by RL, and its expert trajectory.

    A prompt whose rollouts win at most `switch_gate` times drops all of them and imitates its
    expert; one with more wins, but at most `switch_gate_off`, trains its expert by RL; any other
    drops its expert. The gate -1 is pure RL; n or more is pure SFT. Dropped rows stay in the
    batch, inactive, so that every process does the same number of passes.

    Args:
        reward: (B,), 0 or 1 for rollouts.
        group: (B,) integer ids of prompts.
        expert_row: (B,) bool.
        switch_gate: the most wins that still mean SFT (0 for Qwen2.5-Math, 2 for Llama-3.1).
        switch_gate_off: the most wins that still mean the expert; `switch_gate` if not given, as
            in the authors' scripts.

    Raises:
        InputError: a reward is not 0 or 1, or a prompt that needs its expert has none.
    """
    wins = count_correct_rows(reward, group, ~expert_row)
    last = switch_gate if switch_gate_off is None else max(switch_gate, switch_gate_off)
    needs_expert = wins <= last
    without = needs_expert & ~torch.isin(group, group[expert_row])
    if bool(without.any()):
        raise InputError(
            f"experts: prompt {int(group[without][0])} wins at most {last} times and has no expert"
            " trajectory; add one, or remove the prompt"
        )
    return GatedRows(expert_row == needs_expert, expert_row & (wins <= switch_gate))
