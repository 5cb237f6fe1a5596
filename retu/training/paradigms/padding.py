"""Forward passes without padding that no row of a micro-batch needs.

TRL pads all rows of a process to the longest prompt and the longest completion among them, and a
micro-batch keeps that width: with one answer at the token limit, every other one is computed as
long. Attention may skip the padding, the rest of the model does not.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

DEVICES = frozenset({"cuda"})
"""Where padding is cut. On CPUs plain paradigms stay equal to TRL's own trainer, to the bit."""


def find_used_columns(mask: Tensor, width: int) -> tuple[int, int]:
    """The columns that some row needs.

    Args:
        mask: (B, P + T), 1 for tokens: prompts padded on the left, completions on the right.
        width: T, the columns of completions.

    Returns:
        the first column of a prompt, and how many columns of completions, at least one.
    """
    used = mask.any(0)
    prompt, completion = used[: len(used) - width], used[len(used) - width :]
    first = int(prompt.int().argmax()) if bool(prompt.any()) else len(prompt)
    kept = width - int(completion.flip(0).int().argmax()) if bool(completion.any()) else 1
    return first, kept


def run_without_padding(
    forward: Callable[..., tuple[Tensor | None, ...]],
    ids: Tensor,
    mask: Tensor,
    width: int,
    size: int,
) -> tuple[Any, ...]:
    """What `forward` makes of the rows, a micro-batch at a time, each as short as its rows allow.

    Args:
        forward: of ids, mask and the width of completions; returns tensors (B, width) or None.
        ids: (B, P + T).
        mask: as for `needed`.
        width: T.
        size: rows of a micro-batch.

    Returns:
        its tensors, (B, T); zeros where padding was cut.
    """
    made = []
    for start in range(0, len(ids), size):
        rows, seen = ids[start : start + size], mask[start : start + size]
        first, kept = find_used_columns(seen, width)
        end = rows.shape[1] - width + kept
        parts = forward(rows[:, first:end], seen[:, first:end], kept)
        made.append([part if part is None else pad(part, (0, width - kept)) for part in parts])
    return tuple(
        None if column[0] is None else torch.cat(column) for column in zip(*made, strict=True)
    )
