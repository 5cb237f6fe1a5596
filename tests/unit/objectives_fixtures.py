"""The golden batch of the objectives, random windows, and losses with their gradients."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retu.config.objectives import Clip, ObjectiveSettings
from retu.training.paradigms.advantages import compute_group_advantages
from retu.training.paradigms.losses import ObjectiveTerms, compute_objective
from retu.training.paradigms.reduction import WindowCounts, count_window_totals
from retu.training.paradigms.token_losses import PolicyBatch

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "algorithm_vectors.json").read_text(encoding="utf-8")
)
INPUTS = GOLDEN["inputs"]
TOLERANCE = 1e-6

SETTINGS = {
    "grpo": ObjectiveSettings("grpo", "seq_mean", Clip(), entropy_coef=0.001),
    "dapo": ObjectiveSettings("dapo", "token_mean", Clip(0.2, 0.28, 10.0), kl_coef=0.01),
    "luffy": ObjectiveSettings("luffy", "const", None, entropy_coef=0.001),
    "srft": ObjectiveSettings("srft", "const", None, entropy_coef=0.001),
    "srft_ratio": ObjectiveSettings("srft", "dr_grpo", None, srft_self_term="ratio"),
    "upt": ObjectiveSettings("upt", "dr_grpo", None, sft_weight=0.3, entropy_coef=0.001),
    "prefix_rft": ObjectiveSettings("prefix_rft", "const", Clip(0.2, 0.2, 3.0)),
    "sft": ObjectiveSettings("sft", "token_mean", None),
}
"""A preset of every method, by the name of the test case."""


def make_float_tensor(values: Any) -> Tensor:
    """A float64 tensor."""
    return torch.tensor(values, dtype=torch.float64)


def make_bool_tensor(values: Any) -> Tensor:
    """A bool tensor."""
    return torch.tensor(values, dtype=torch.bool)


@dataclass(frozen=True)
class SharedInputs:
    """The inputs that all blocks of the golden file share: 8 rows of 4 tokens, 2 prompts."""

    log_prob: Tensor
    old_log_prob: Tensor
    entropy: Tensor
    mask: Tensor
    group: Tensor
    expert_row: Tensor
    reward: Tensor
    mixed_reward: Tensor
    length_limit: int


SHARED = SharedInputs(
    log_prob=make_float_tensor(INPUTS["logp"]),
    old_log_prob=make_float_tensor(INPUTS["old_logp"]),
    entropy=make_float_tensor(INPUTS["entropy"]),
    mask=make_bool_tensor(INPUTS["mask"]),
    group=torch.tensor(INPUTS["group"]),
    expert_row=make_bool_tensor(INPUTS["is_expert_row"]),
    reward=make_float_tensor(INPUTS["rewards_on_policy"]),
    mixed_reward=make_float_tensor(INPUTS["rewards_mixed"]),
    length_limit=INPUTS["L_max"],
)


def make_golden_batch(advantage: Any, **changes: Any) -> PolicyBatch:
    """The golden batch with these advantages; a fresh leaf for gradients each time."""
    shared: dict[str, Any] = {
        "log_prob": SHARED.log_prob.clone().requires_grad_(),
        "old_log_prob": SHARED.old_log_prob,
        "entropy": SHARED.entropy,
        "mask": SHARED.mask,
        "advantage": make_float_tensor(advantage) if isinstance(advantage, list) else advantage,
    }
    return PolicyBatch(**{**shared, **changes})


def count_window(batch: PolicyBatch, length_limit: int = SHARED.length_limit) -> WindowCounts:
    """The totals of a window that this batch is all of."""
    totals = count_window_totals(batch.mask, batch.expert_row, batch.active, batch.imitated)
    return WindowCounts.from_totals(totals, length_limit)


def evaluate_objective(
    batch: PolicyBatch, settings: ObjectiveSettings, counts: WindowCounts | None = None
) -> tuple[ObjectiveTerms, Tensor]:
    """The objective and its gradient by log-probability, (B, T)."""
    result = compute_objective(batch, settings, counts or count_window(batch))
    (gradient,) = torch.autograd.grad(result.loss, batch.log_prob)
    return result, gradient


def select_rows(batch: PolicyBatch, rows: list[int]) -> PolicyBatch:
    """Some rows of a batch, as a micro-batch with a leaf of its own."""
    chosen: dict[str, Any] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        chosen[field.name] = None if value is None else value.detach()[rows]
    chosen["log_prob"].requires_grad_()
    return PolicyBatch(**chosen)


def make_random_window(seed: int = 0, prompts: int = 3, n: int = 4, length: int = 7) -> PolicyBatch:
    """A window of prompts x n rows: the last of a group is the expert or the hybrid row.

    The first prompt's rollouts are inactive, as if gated, the expert of the second is, and one
    row of the last has no token.
    """
    make = torch.Generator().manual_seed(seed)
    shape = (prompts * n, length)

    def draw_uniform(low: float, high: float, size: tuple[int, ...] = shape) -> Tensor:
        return torch.empty(size, dtype=torch.float64).uniform_(low, high, generator=make)

    row = torch.arange(shape[0])
    group, expert_row = row // n, row % n == n - 1
    lengths = torch.randint(2, length + 1, (shape[0],), generator=make)
    lengths[-2] = 0
    log_prob = draw_uniform(-4.0, -0.05)
    reward = (row % 3 == 0).double()
    return PolicyBatch(
        log_prob=log_prob.requires_grad_(),
        old_log_prob=log_prob.detach() + draw_uniform(-0.5, 0.5),
        entropy=draw_uniform(0.0, 2.0),
        mask=torch.arange(length) < lengths[:, None],
        advantage=compute_group_advantages(reward, group, divide_by_std=False),
        reward=reward,
        expert_row=expert_row,
        prefix=expert_row[:, None] & (torch.arange(length) < lengths[:, None] // 2),
        active=torch.where(group == 0, expert_row, (group > 1) | ~expert_row),
        reference_log_prob=log_prob.detach() + draw_uniform(-0.3, 0.3),
    )
