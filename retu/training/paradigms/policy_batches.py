"""Conversion between TRL's dictionaries of tensors and our `CompletionRows` and `PolicyBatch`."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from retu.config.paradigm import AdvantageSettings
from retu.training.paradigms.advantages import (
    compute_group_advantages,
    compute_separate_prefix_advantages,
)
from retu.training.paradigms.row_plan import PlannedRow
from retu.training.paradigms.row_tensors import CompletionRows
from retu.training.paradigms.token_batch import PolicyBatch

Batch = dict[str, Tensor]
SHARED_TENSORS = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")
ROLE_TENSORS = ("accuracy", "expert_row", "imitated", "active")


def make_scored_rows(
    output: Mapping[str, Tensor],
    plan: Sequence[PlannedRow],
    accuracy: Tensor,
    reward: Tensor,
    rollouts: int,
    settings: AdvantageSettings,
) -> CompletionRows:
    """What TRL has generated and scored, as rows.

    Args:
        output: what `_generate_and_score_completions` returned.
        plan: who wrote which row.
        accuracy, reward: (B,), of this process.
        rollouts: rows of a group.
        settings: how rewards become advantages.
    """
    device = reward.device
    expert_row = torch.tensor([not row.is_generated for row in plan], device=device)
    prefixes = torch.tensor([row.role.prefix for row in plan], device=device)
    group = make_group_ids(len(plan), rollouts, device)
    hybrid = prefixes > 0
    advantage = compute_group_advantages(
        reward,
        group,
        divide_by_std=settings.divide_by_std,
        eps=settings.eps,
        baseline="on_policy" if settings.baseline == "on_policy" else "group",
        expert_row=expert_row | hybrid,
    )
    return CompletionRows(
        **{name: output[name] for name in SHARED_TENSORS},
        advantage=advantage,
        accuracy=accuracy,
        reward=reward,
        expert_row=expert_row,
        imitated=torch.zeros_like(expert_row),
        active=torch.ones_like(expert_row),
        prefix_length=prefixes,
    )


def make_group_ids(rows: int, rollouts: int, device: torch.device) -> Tensor:
    """Which group a row belongs to, (rows,): as generated, groups follow each other."""
    return torch.arange(rows, device=device) // rollouts


def make_buffer(rows: CompletionRows, rollouts: int, settings: AdvantageSettings) -> Batch:
    """The rows as TRL's buffer holds them: tensors that are shuffled and split by rows."""
    advantage = rows.advantage
    if settings.baseline == "separate_prefix":
        group = make_group_ids(len(rows), rollouts, advantage.device)
        advantage = compute_separate_prefix_advantages(rows.reward, group, rows.prefix_mask)
    tensors = {name: getattr(rows, name) for name in (*SHARED_TENSORS, *ROLE_TENSORS)}
    return {**tensors, "prefix": rows.prefix_mask, "advantages": advantage}


def make_policy_batch(
    batch: Mapping[str, Tensor], log_prob: Tensor, entropy: Tensor
) -> PolicyBatch:
    """A micro-batch as the objectives read it.

    Without old log-probabilities the batch is used for one update, so they are the current ones.

    Args:
        batch: a part of what `finished` made; or TRL's own, of a plain paradigm.
        log_prob, entropy: (B, T), of its completions under the current policy, in nats.
    """
    old = batch.get("old_per_token_logps")
    return PolicyBatch(
        log_prob=log_prob,
        old_log_prob=log_prob.detach() if old is None else old,
        entropy=entropy,
        mask=batch["completion_mask"],
        advantage=batch["advantages"],
        reward=batch["accuracy"],
        expert_row=batch["expert_row"],
        imitated=batch["imitated"],
        prefix=batch["prefix"],
        active=batch["active"],
        reference_log_prob=batch.get("ref_per_token_logps"),
    )
