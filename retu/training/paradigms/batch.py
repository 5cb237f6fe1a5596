"""A generation batch as tensors, from TRL's output to TRL's buffer, and its padding."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_ends

from retu.config.paradigm import AdvantageSettings
from retu.training.paradigms.advantages import (
    compute_group_advantages,
    compute_separate_prefix_advantages,
)
from retu.training.paradigms.row_plan import PlannedRow

Batch = dict[str, Tensor]
SHARED_TENSORS = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")
ROLE_TENSORS = ("accuracy", "expert_row", "imitated", "active")
DEVICES = frozenset({"cuda"})
"""Where every forward pass leaves padding out. On CPUs small batches keep it: plain paradigms of
tiny models stay equal to TRL's own trainer, to the bit."""


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
        indices = torch.arange(self.completion_ids.shape[1], device=self.prefix_length.device)
        return indices < self.prefix_length[:, None]


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


def is_prompt_side(name: str) -> bool:
    """Whether a tensor is padded on the left."""
    return name.startswith("prompt")


def widen_tensor(name: str, tensor: Tensor, width: int, pad: int) -> Tensor:
    """A (B, T) tensor padded to `width` columns, with `pad` if it holds ids and 0 otherwise."""
    missing = width - tensor.shape[1]
    ends = (missing, 0) if is_prompt_side(name) else (0, missing)
    return pad_ends(tensor, ends, value=pad if name.endswith("_ids") else 0)


def select_groups(rows: CompletionRows, groups: Sequence[int], rollouts: int) -> CompletionRows:
    """The rows of the groups with these indices, in this order."""
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


def trim_padding(rows: CompletionRows) -> CompletionRows:
    """The rows without columns that are padding in all of them; at least one column is left."""
    mask = torch.cat([rows.prompt_mask, rows.completion_mask], dim=1)
    first, completion = find_used_columns(mask, rows.completion_mask.shape[1])

    def trim(name: str, tensor: Tensor) -> Tensor:
        if tensor.dim() == 1:
            return tensor
        return tensor[:, first:] if is_prompt_side(name) else tensor[:, :completion]

    return rows.map_tensors(trim)


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


def is_padding_cut_on(device: torch.device) -> bool:
    """Whether forward passes on a device leave padding out."""
    return device.type in DEVICES


def run_without_padding(
    forward: Callable[..., tuple[Tensor | None, ...]],
    ids: Tensor,
    mask: Tensor,
    width: int,
    size: int,
) -> tuple[Any, ...]:
    """What `forward` makes of the rows, a micro-batch at a time, each as short as its rows allow.

    TRL pads all rows of a process to the longest prompt and the longest completion among them, and
    a micro-batch keeps that width: with one answer at the token limit, every other one is computed
    as long. Attention may skip the padding, the rest of the model does not.

    Args:
        forward: of ids, mask and the width of completions; returns tensors (B, width) or None.
        ids: (B, P + T).
        mask: as for `find_used_columns`.
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
        made.append([part if part is None else pad_ends(part, (0, width - kept)) for part in parts])
    return tuple(
        None if column[0] is None else torch.cat(column) for column in zip(*made, strict=True)
    )
