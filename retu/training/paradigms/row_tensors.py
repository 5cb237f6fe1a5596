"""A generation batch as tensors, between generation and loss: chosen, joined, filled, trimmed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_ends

from retu.training.paradigms.padding import find_used_columns


@dataclass(frozen=True)
class CompletionRows:
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

    def map_tensors(self, change: Callable[[str, Tensor], Tensor]) -> "CompletionRows":
        """The rows after `change(name, tensor)` of every tensor."""
        return CompletionRows(
            **{f.name: change(f.name, getattr(self, f.name)) for f in fields(self)}
        )

    @property
    def prefix_mask(self) -> Tensor:
        """(B, C) bool, the given tokens of hybrid rows."""
        places = torch.arange(self.completion_ids.shape[1], device=self.prefix_length.device)
        return places < self.prefix_length[:, None]


def is_prompt_side(name: str) -> bool:
    """Whether a tensor is padded on the left."""
    return name.startswith("prompt")


def widen_tensor(name: str, tensor: Tensor, width: int, pad: int) -> Tensor:
    """A (B, T) tensor padded to `width` columns, with `pad` if it holds ids and 0 otherwise."""
    missing = width - tensor.shape[1]
    ends = (missing, 0) if is_prompt_side(name) else (0, missing)
    return pad_ends(tensor, ends, value=pad if name.endswith("_ids") else 0)


def select_groups(rows: CompletionRows, groups: Sequence[int], rollouts: int) -> CompletionRows:
    """The rows of the groups with these places, in this order."""
    first = torch.tensor(groups, dtype=torch.long, device=rows.reward.device) * rollouts
    within = torch.arange(rollouts, device=first.device)
    index = (first[:, None] + within).flatten()
    return rows.map_tensors(lambda _, tensor: tensor[index])


def join_rows(parts: Sequence[CompletionRows], pad: int) -> CompletionRows:
    """All rows of several batches, padded to common widths."""

    def join(name: str, _: Tensor) -> Tensor:
        tensors = [getattr(part, name) for part in parts]
        if tensors[0].dim() == 2:
            width = max(tensor.shape[1] for tensor in tensors)
            tensors = [widen_tensor(name, tensor, width, pad) for tensor in tensors]
        return torch.cat(tensors)

    return parts[0].map_tensors(join)


def trim_padding(rows: CompletionRows) -> CompletionRows:
    """The rows without columns that are padding in all of them; at least one column is left."""
    mask = torch.cat([rows.prompt_mask, rows.completion_mask], dim=1)
    first, completion = find_used_columns(mask, rows.completion_mask.shape[1])

    def trim(name: str, tensor: Tensor) -> Tensor:
        if tensor.dim() == 1:
            return tensor
        return tensor[:, first:] if is_prompt_side(name) else tensor[:, :completion]

    return rows.map_tensors(trim)


def silence_rows(rows: CompletionRows) -> CompletionRows:
    """The same rows without a loss."""
    return replace(rows, active=torch.zeros_like(rows.active))


def insert_experts(
    rows: CompletionRows, experts: Mapping[int, Sequence[int]], pad: int
) -> CompletionRows:
    """Replace the completions of some rows by expert trajectories.

    Args:
        rows: whose other columns are left as they are.
        experts: row -> tokens.
        pad: the padding token's id.
    """
    longest = max((len(tokens) for tokens in experts.values()), default=0)
    width = max(longest, rows.completion_ids.shape[1])
    ids = widen_tensor("completion_ids", rows.completion_ids, width, pad).clone()
    mask = widen_tensor("completion_mask", rows.completion_mask, width, pad).clone()
    expert_row = rows.expert_row.clone()
    for row, tokens in experts.items():
        ids[row] = pad
        ids[row, : len(tokens)] = torch.as_tensor(tokens, dtype=ids.dtype, device=ids.device)
        mask[row] = 0
        mask[row, : len(tokens)] = 1
        expert_row[row] = True
    return replace(rows, completion_ids=ids, completion_mask=mask, expert_row=expert_row)


def gather_rows(rows: CompletionRows, accelerator: Any, pad: int) -> CompletionRows:
    """The rows of all processes, in the order of the processes, on each of them."""
    if accelerator.num_processes == 1:
        return rows

    def gather(name: str, tensor: Tensor) -> Tensor:
        if tensor.dim() == 2:
            tensor = accelerator.pad_across_processes(
                tensor,
                dim=1,
                pad_index=pad if name.endswith("_ids") else 0,
                pad_first=is_prompt_side(name),
            )
        # Not every backend can gather bool.
        numbers = tensor.long() if tensor.dtype == torch.bool else tensor
        everyone: Tensor = accelerator.gather(numbers.contiguous())
        return everyone.to(tensor.dtype)

    return rows.map_tensors(gather)
