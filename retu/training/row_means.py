"""The mean over rows of the mean over each row's learnt tokens.

A row is a trajectory, wherever it lies: in a line of a padded batch, or behind others in one
sequence. Rows of which nothing is learnt do not count.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from retu.training.memory.labels import IGNORED_LABEL


def number_rows(batch: Mapping[str, Tensor]) -> Tensor:
    """Which row each scored token belongs to: numbers, (B, T-1).

    Rows that are joined into one sequence begin where positions do.
    """
    labels = batch["labels"]
    if "position_ids" in batch:
        starts = (batch["position_ids"] == 0).flatten().cumsum(0)
        return (starts - 1).view(labels.shape)[:, 1:]
    lines = torch.arange(len(labels), device=labels.device)
    return lines[:, None].expand(labels.shape)[:, 1:]


def count_learnt_rows(batch: Mapping[str, Tensor]) -> Tensor:
    """How many rows of a batch have a learnt token."""
    learnt = number_rows(batch)[batch["labels"][:, 1:] != IGNORED_LABEL]
    return torch.tensor(learnt.unique().numel(), device=learnt.device)


def sum_row_means(values: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """The sum over rows of the mean of a row's values.

    Args:
        values: of each scored token, (B, T-1).
        batch: their `labels`, and `position_ids` where rows are joined, (B, T).
    """
    learnt = batch["labels"][:, 1:] != IGNORED_LABEL
    rows = number_rows(batch)[learnt]
    # Without a learnt token the sum is a zero that still belongs to the graph.
    return (values[learnt] / rows.bincount()[rows]).sum()
