"""The switch gate of UPT (HPT): imitate what the policy cannot do yet, reinforce what it can.

    n_correct <= switch_gate                    SFT on the expert trajectory, no RL
    switch_gate < n_correct <= switch_gate_off  off-policy RL on the expert trajectory
    otherwise                                   RL on the on-policy rows, no SFT

So the weights (alpha, beta) of RL and SFT are 0 or 1 for each prompt, never both 1. The authors'
scripts leave the middle zone empty and set the gate to 0 for Qwen and to 2 for Llama, n = 8.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from retu.config.paradigm import AdvantageSettings
from retu.config.planner import SwitchGate
from retu.training.paradigms.advantages import compute_group_advantages
from retu.training.paradigms.batch import CompletionRows, insert_experts
from retu.training.paradigms.checks import count_correct
from retu.training.paradigms.row_plan import Role

Route = Literal["rl", "sft", "off_policy"]


def choose_route(n_correct: int, settings: SwitchGate) -> Route:
    """Where the gate sends a prompt of whose on-policy rows so many were right."""
    if n_correct <= settings.switch_gate:
        return "sft"
    off = settings.switch_gate if settings.switch_gate_off is None else settings.switch_gate_off
    return "off_policy" if n_correct <= off else "rl"


def decide_route(rewards: Sequence[float], settings: SwitchGate, where: str) -> Route:
    """The route of a prompt by the rewards of its n on-policy rows.

    Args:
        rewards: gathered rewards of the whole group, the same on every process.
        settings: the gate.
        where: which prompt, the start of an error message.

    Raises:
        InputError: a reward is neither 0 nor 1.
    """
    return choose_route(count_correct(rewards, where), settings)


def compute_gate_metrics(routes: Iterable[Route]) -> dict[str, float]:
    """For the history: the share of prompts on each route, `gate/rl`, `gate/sft`, ..."""
    taken = list(routes)
    if not taken:
        raise ValueError("no prompt went through the gate")
    return {f"gate/{route}": taken.count(route) / len(taken) for route in get_args(Route)}


def plan_gated_group(route: Route, rollouts: int) -> tuple[Role, ...]:
    """The rows of one UPT group once it is known how many were right.

    `rl` keeps all on-policy rows. The other routes lose them all and train on the expert's
    trajectory once, in the last row: by SFT, or by the off-policy RL loss.
    """
    if route == "rl":
        return (Role("on_policy"),) * rollouts
    expert = Role("expert", loss="sft" if route == "sft" else "rl")
    return (*[Role("on_policy", loss="none")] * (rollouts - 1), expert)


def apply_gate(
    rows: CompletionRows,
    routes: Sequence[Route],
    experts: Sequence[Sequence[int]],
    verdicts: tuple[Tensor, Tensor],
    settings: AdvantageSettings,
    pad: int,
) -> CompletionRows:
    """Apply the gate's decisions: the expert takes the last row of its group, the others rest.

    Args:
        rows: on-policy rows of whole groups.
        routes: the decision for every group.
        experts: tokens of every group's expert trajectory.
        verdicts: accuracy and reward of every group's expert, (G,) each.
        settings: how rewards become advantages.
        pad: the padding token's id.
    """
    rollouts = len(rows) // len(routes)
    roles = [role for route in routes for role in plan_gated_group(route, rollouts)]
    last = {
        (group + 1) * rollouts - 1: experts[group]
        for group, route in enumerate(routes)
        if route != "rl"
    }
    own, expert = compute_gate_advantages(rows.reward, verdicts[1], settings)
    columns = {"advantage": own, "accuracy": rows.accuracy.clone(), "reward": rows.reward.clone()}
    scored = {"advantage": expert, "accuracy": verdicts[0], "reward": verdicts[1]}
    for row in last:
        for name, column in columns.items():
            column[row] = scored[name][row // rollouts]
    device = rows.reward.device
    return replace(
        insert_experts(rows, last, pad),
        **columns,
        active=torch.tensor([role.is_active for role in roles], device=device),
        imitated=torch.tensor([role.loss == "sft" for role in roles], device=device),
    )


def compute_gate_advantages(
    own: Tensor, expert: Tensor, settings: AdvantageSettings
) -> tuple[Tensor, Tensor]:
    """Advantages of the on-policy rows, (B,), and of the experts, (G,), by on-policy baselines."""
    groups = torch.arange(len(expert), device=own.device)
    both = compute_group_advantages(
        torch.cat([own, expert]),
        torch.cat([groups.repeat_interleave(len(own) // len(expert)), groups]),
        divide_by_std=settings.divide_by_std,
        eps=settings.eps,
        baseline="on_policy",
        expert_row=torch.arange(len(own) + len(expert), device=own.device) >= len(own),
    )
    return both[: len(own)], both[len(own) :]
