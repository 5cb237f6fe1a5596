"""A generation batch as tensors, between generation and loss: chosen, joined, filled, trimmed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_ends

from retu.training.paradigms.padding import needed


@dataclass(frozen=True)
class Rows:
    """B rows; the n rows of a group follow each other.

    prompt_ids, prompt_mask: (B, P), padded on the left.
    completion_ids, completion_mask: (B, C), padded on the right.
    advantage: (B,).
    accuracy: (B,), the first reward function's verdict.
    reward: (B,), the weighted sum of all.
    expert_row, imitated, active: (B,) bool, as in `PolicyBatch`.
    prefix_length: (B,), how many tokens of the completion a hybrid row was given.
    """

    prompt_ids: Tensor
    prompt_mask: Tensor
    completion_ids: Tensor
    completion_mask: Tensor
    advantage: Tensor
    accuracy: Tensor
    reward: Tensor
    expert_row: Tensor
    imitated: Tensor
    active: Tensor
    prefix_length: Tensor

    def __len__(self) -> int:
        return len(self.prompt_ids)

    def mapped(self, change: Callable[[str, Tensor], Tensor]) -> "Rows":
        """The rows after `change(name, tensor)` of every tensor."""
        return Rows(**{f.name: change(f.name, getattr(self, f.name)) for f in fields(self)})

    @property
    def prefix(self) -> Tensor:
        """(B, C) bool, the given tokens of hybrid rows."""
        places = torch.arange(self.completion_ids.shape[1], device=self.prefix_length.device)
        return places < self.prefix_length[:, None]


def prompt_side(name: str) -> bool:
    """Whether a tensor is padded on the left."""
    return name.startswith("prompt")


def widened(name: str, tensor: Tensor, width: int, pad: int) -> Tensor:
    """A (B, T) tensor padded to `width` columns, with `pad` if it holds ids and 0 otherwise."""
    missing = width - tensor.shape[1]
    ends = (missing, 0) if prompt_side(name) else (0, missing)
    return pad_ends(tensor, ends, value=pad if name.endswith("_ids") else 0)


def chosen(rows: Rows, groups: Sequence[int], rollouts: int) -> Rows:
    """The rows of the groups with these places, in this order."""
    first = torch.tensor(groups, dtype=torch.long, device=rows.reward.device) * rollouts
    within = torch.arange(rollouts, device=first.device)
    index = (first[:, None] + within).flatten()
    return rows.mapped(lambda _, tensor: tensor[index])


def joined(parts: Sequence[Rows], pad: int) -> Rows:
    """All rows of several batches, padded to common widths."""

    def join(name: str, _: Tensor) -> Tensor:
        tensors = [getattr(part, name) for part in parts]
        if tensors[0].dim() == 2:
            width = max(tensor.shape[1] for tensor in tensors)
            tensors = [widened(name, tensor, width, pad) for tensor in tensors]
        return torch.cat(tensors)

    return parts[0].mapped(join)


def trimmed(rows: Rows) -> Rows:
    """The rows without columns that are padding in all of them; at least one column is left."""
    mask = torch.cat([rows.prompt_mask, rows.completion_mask], dim=1)
    first, completion = needed(mask, rows.completion_mask.shape[1])

    def trim(name: str, tensor: Tensor) -> Tensor:
        if tensor.dim() == 1:
            return tensor
        return tensor[:, first:] if prompt_side(name) else tensor[:, :completion]

    return rows.mapped(trim)


def silenced(rows: Rows) -> Rows:
    """The same rows without a loss."""
    return replace(rows, active=torch.zeros_like(rows.active))


def with_experts(rows: Rows, experts: Mapping[int, Sequence[int]], pad: int) -> Rows:
    """Replace the completions of some rows by expert trajectories.

    Args:
        rows: whose other columns are left as they are.
        experts: row -> tokens.
        pad: the padding token's id.
    """
    longest = max((len(tokens) for tokens in experts.values()), default=0)
    width = max(longest, rows.completion_ids.shape[1])
    ids = widened("completion_ids", rows.completion_ids, width, pad).clone()
    mask = widened("completion_mask", rows.completion_mask, width, pad).clone()
    expert_row = rows.expert_row.clone()
    for row, tokens in experts.items():
        ids[row] = pad
        ids[row, : len(tokens)] = torch.as_tensor(tokens, dtype=ids.dtype, device=ids.device)
        mask[row] = 0
        mask[row, : len(tokens)] = 1
        expert_row[row] = True
    return replace(rows, completion_ids=ids, completion_mask=mask, expert_row=expert_row)


def gathered(rows: Rows, accelerator: Any, pad: int) -> Rows:
    """The rows of all processes, in the order of the processes, on each of them."""
    if accelerator.num_processes == 1:
        return rows

    def gather(name: str, tensor: Tensor) -> Tensor:
        if tensor.dim() == 2:
            tensor = accelerator.pad_across_processes(
                tensor,
                dim=1,
                pad_index=pad if name.endswith("_ids") else 0,
                pad_first=prompt_side(name),
            )
        # Not every backend can gather bool.
        numbers = tensor.long() if tensor.dtype == torch.bool else tensor
        everyone: Tensor = accelerator.gather(numbers.contiguous())
        return everyone.to(tensor.dtype)

    return rows.mapped(gather)
