"""UPT's replacement of rollouts by the expert's trajectory, once the wins are known."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from retu.config.paradigm import AdvantageSettings
from retu.training.paradigms.advantages import compute_group_advantages
from retu.training.paradigms.row_roles import plan_gated_group
from retu.training.paradigms.row_tensors import CompletionRows, insert_experts
from retu.training.paradigms.upt_gate import Route


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
