"""The different tokens of a batch: those with equal histories are one, and padding is none."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenTree:
    """The different tokens of a batch's rows: N of them, each with a history of its own.

    Attributes:
        ids, positions: (N,), of tokens, positions in their rows from 0.
        of_rows: (B, longest), which token is where in a row that starts at its first token; any
            behind its end.
        places: (N,), where a token is first in flattened `of_rows`.
        of_batch: (B, T), which token is where in the rows as they were given; N at padding.
    """

    ids: Tensor
    positions: Tensor
    of_rows: Tensor
    places: Tensor
    of_batch: Tensor


def grow_token_tree(ids: Tensor, mask: Tensor) -> TokenTree:
    """Find the tokens with equal histories of rows (B, T); mask (B, T) is 1 for tokens.

    Rollouts of a group share their prompt, and much of what they answer.
    """
    seen = mask.bool()
    positions = seen.cumsum(-1) - 1
    lengths = positions[:, -1] + 1
    longest = max(1, int(lengths.max()))
    batch = torch.arange(len(ids))
    packed = ids.new_full((len(ids), longest), -1)
    packed[batch[:, None].expand_as(ids)[seen], positions[seen]] = ids[seen]
    of_rows = torch.zeros_like(packed)
    parents, count = torch.zeros(len(ids), dtype=torch.long), 0
    known = int(ids.max()) + 2
    kept, places = [], []
    for column in range(longest):
        # One below every token is the end of a row, whose branches are not followed.
        pairs = parents * known + packed[:, column] + 1
        different, branch = pairs.unique(return_inverse=True)
        first = torch.full((len(different),), len(ids)).scatter_reduce(0, branch, batch, "amin")
        parents = count + branch
        of_rows[:, column] = parents
        kept.append(packed[first, column])
        places.append(first * longest + column)
        count += len(different)
    return drop_row_ends(torch.cat(kept), torch.cat(places), of_rows, (seen, positions))


def drop_row_ends(
    ids: Tensor, places: Tensor, of_rows: Tensor, given: tuple[Tensor, Tensor]
) -> TokenTree:
    """The tree without what stands for padding, whose id is -1.

    Args:
        ids, places, of_rows: as the tree's, of all.
        given: the mask, and positions, of the rows as they were given, (B, T).
    """
    real = ids >= 0
    numbers = (real.cumsum(0) - 1).clamp(min=0)
    count = int(real.sum())
    of_rows = numbers[of_rows]
    seen, positions = given
    of_batch = torch.where(seen, of_rows.gather(1, positions.clamp(min=0)), count)
    kept = places[real]
    return TokenTree(ids[real], kept % of_rows.shape[1], of_rows, kept, of_batch)


def spread_tokens(heads: Tensor, of_rows: Tensor) -> Tensor:
    """Heads of tokens (N, heads, size) where rows have them: (B, heads, longest, size)."""
    wide = heads.index_select(0, of_rows.flatten())
    return wide.view(*of_rows.shape, *heads.shape[1:]).transpose(1, 2)
