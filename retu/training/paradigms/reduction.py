"""From per-token losses to one number: four reductions, independent of micro-batching.

An optimiser step sums the gradients of many micro-batches on several processes. Every reduction
here divides by totals of that whole window (`WindowCounts`), never by what one micro-batch happens
to hold. The losses of any split of the window's rows therefore add up to the same number, and a
micro-batch without a single token of some kind adds exactly zero instead of 0/0.
"""

from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor

from retu.config.objectives import Reduction
from retu.core.errors import InputError


@dataclass(frozen=True)
class WindowCounts:
    """Totals over one optimiser window: all its micro-batches on all processes.

    rows, tokens: active rows and their completion tokens, experts included.
    expert_rows, expert_tokens: the part of them that belongs to expert trajectories.
    imitated_rows, imitated_tokens: the part of the experts' that trains by SFT.
    length_limit: the constant L_max of `const` and `dr_grpo`, in tokens.
    processes: how many processes' gradients are averaged. Each of them divides by its share of
        the totals, so that the average over processes is the window's loss.
    """

    rows: float
    tokens: float
    expert_rows: float
    expert_tokens: float
    imitated_rows: float
    imitated_tokens: float
    length_limit: int
    processes: int = 1

    @classmethod
    def from_totals(cls, totals: Tensor, length_limit: int, processes: int = 1) -> "WindowCounts":
        """Counts from summed `count_window_totals`, shape (6,); moves them off the device once."""
        rows, tokens, expert_rows, expert_tokens, *imitated = totals.tolist()
        counts = (rows, tokens, expert_rows, expert_tokens, imitated[0], imitated[1])
        return cls(*counts, length_limit, processes)

    def select_sampled(self) -> "WindowCounts":
        """Rows and tokens of the window without its experts."""
        rows, tokens = self.rows - self.expert_rows, self.tokens - self.expert_tokens
        return replace(self, rows=rows, tokens=tokens)

    def select_expert(self) -> "WindowCounts":
        """Rows and tokens of the window's experts alone."""
        return replace(self, rows=self.expert_rows, tokens=self.expert_tokens)

    def select_reinforced(self) -> "WindowCounts":
        """Rows and tokens of the window without the experts that are imitated."""
        rows, tokens = self.rows - self.imitated_rows, self.tokens - self.imitated_tokens
        return replace(self, rows=rows, tokens=tokens)

    def select_imitated(self) -> "WindowCounts":
        """Rows and tokens of the experts that are imitated."""
        return replace(self, rows=self.imitated_rows, tokens=self.imitated_tokens)


def count_window_totals(
    mask: Tensor,
    expert_row: Tensor | None = None,
    active: Tensor | None = None,
    imitated: Tensor | None = None,
) -> Tensor:
    """Count rows and tokens of a batch: all, the experts' and the imitated experts'.

    Add the result up over micro-batches and processes, then see `WindowCounts.from_totals`. An
    active row counts as a row even if all its tokens are masked. Arguments mean what they mean
    in `PolicyBatch`.

    Args:
        mask: (B, T), non-zero where a completion token is.
        expert_row, active, imitated: (B,) bool.

    Returns:
        (6,) float64 on the device of `mask`.
    """
    everyone = torch.ones(mask.shape[0], dtype=torch.bool, device=mask.device)
    rows = everyone if active is None else active
    experts = rows & ~everyone if expert_row is None else rows & expert_row
    kinds = torch.stack([rows, experts, experts if imitated is None else experts & imitated])
    tokens = kinds.double() @ mask.bool().sum(-1).double()
    return torch.stack([kinds.double().sum(-1), tokens], dim=-1).flatten()


def reduce_loss(loss: Tensor, mask: Tensor, mode: Reduction, counts: WindowCounts) -> Tensor:
    """Reduce per-token losses to this micro-batch's addend of the window's loss.

    - token_mean: sum over tokens / tokens of the window (DAPO).
    - seq_mean: sum over rows of the row's own token mean / rows of the window (GRPO).
    - const: sum over tokens / L_max, not divided by rows (LUFFY, UPT and SRFT as released).
    - dr_grpo: sum over tokens / (rows of the window x L_max) (Dr. GRPO).

    Args:
        loss: (B, T); values where `mask` is false are ignored, whatever they are.
        mask: (B, T) bool.
        mode: one of the names above; they are not interchangeable.
        counts: totals of the rows that the loss is a mean of.

    Returns:
        a scalar, exactly 0 with zero gradients where `mask` holds no token.

    Raises:
        InputError: `mode` is none of the four.
    """
    kept = torch.where(mask, loss, 0.0)
    rows, tokens = max(counts.rows, 1.0), max(counts.tokens, 1.0)
    if mode == "token_mean":
        return kept.sum() / (tokens / counts.processes)
    if mode == "seq_mean":
        return compute_row_means(kept, mask).sum() / (rows / counts.processes)
    if mode == "const":
        return kept.sum() / (counts.length_limit / counts.processes)
    if mode == "dr_grpo":
        return kept.sum() / (rows * counts.length_limit / counts.processes)
    raise InputError(f"reduction: {mode!r} is unknown; use one of {', '.join(get_args(Reduction))}")


def compute_row_means(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over every row's own masked tokens: (B, T), (B, T) bool -> (B,); 0 for a row of none."""
    return torch.where(mask, values, 0.0).sum(-1) / mask.sum(-1).clamp(min=1)
