"""Reading tokens with a small model's decoder of few operations, keys and values in one block."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from retu.models.lean_decoder import LeanLayers, select_turns
from retu.models.token_tree import grow_token_tree

ROOM = 128
"""Tokens for which keys and values get room at a time: most answers end long before their limit."""


class LeanReader:
    """Prompts and tokens behind them, read by `LeanLayers`.

    Rows start at their first token. What follows a prompt is behind the longest one in all rows.

    Args:
        model: with a lean decoder.
        room: how many tokens will follow prompts, at most.
    """

    def __init__(self, model: Any, room: int) -> None:
        self.head = model.get_output_embeddings()
        self.layers = LeanLayers(model.model)
        self.room = room
        self.keys: list[Tensor] = []  # of a layer: (B, shared heads, columns, size)
        self.values: list[Tensor] = []
        self.lengths = torch.empty(0)  # (B,), tokens of rows
        self.mask = torch.empty(0)  # (B, 1, 1, columns), 0 where a row has a token, else -inf
        self.turns = (self.mask, self.mask)  # of all positions
        self.column = 0  # behind the tokens of all rows

    def read_prompts(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Logits (B, V) of the tokens behind prompts."""
        layers = self.layers
        self.lengths = torch.tensor([len(ids) for ids in prompts])
        self.column = int(self.lengths.max())
        ids = torch.tensor([[*row, *[0] * (self.column - len(row))] for row in prompts])
        seen = torch.arange(self.column) < self.lengths[:, None]
        self.mask = torch.zeros(seen.shape).masked_fill_(~seen, float("-inf"))[:, None, None]
        tree = grow_token_tree(ids, seen)
        self.turns = layers.make_rotations(self.column + self.room)
        turns = select_turns(self.turns, tree.positions)
        hidden = layers.embed(tree.ids)
        for layer in layers.layers:
            turned, values = layers.project(layer, hidden, turns)
            mixed, *wide = layers.attend(turned, values, tree)
            for kept, part in zip((self.keys, self.values), wide, strict=True):
                kept.append(part)
            hidden = layers.close(layer, hidden, mixed)
        self._make_room()
        last = tree.of_rows.gather(1, self.lengths[:, None] - 1)[:, 0]
        return self._score(hidden[last])

    def read_tokens(self, tokens: Tensor) -> Tensor:
        """Logits (B, V) of the tokens behind one more token (B,) of every row."""
        layers = self.layers
        turns = select_turns(self.turns, self.lengths)
        hidden = layers.embed(tokens)
        if self.column == self.mask.shape[-1]:
            self._make_room()
        for number, layer in enumerate(layers.layers):
            turned, values = layers.project(layer, hidden, turns)
            queries, keys = turned.split([layers.heads, layers.shared], dim=1)
            self.keys[number][:, :, self.column] = keys
            self.values[number][:, :, self.column] = values
            hidden = layers.close(layer, hidden, self._attend(number, queries))
        self.lengths = self.lengths + 1
        self.column += 1
        return self._score(hidden)

    def select_rows(self, places: Tensor) -> None:
        """Keep these rows, which may be named more than once."""
        self.lengths, self.mask = self.lengths[places], self.mask[places]
        for kept in (self.keys, self.values):
            kept[:] = [part[places] for part in kept]

    def _make_room(self) -> None:
        """Widen keys, values and mask for the next tokens, of which every row has each."""
        more = min(ROOM, self.turns[0].shape[0] - self.column)
        self.mask = pad(self.mask, (0, more))
        for kept in (self.keys, self.values):
            kept[:] = [pad(part, (0, 0, 0, more)) for part in kept]

    def _attend(self, number: int, queries: Tensor) -> Tensor:
        """Attention's output (B, heads * size) of one token's queries, (B, heads, size)."""
        rows, heads, size = queries.shape
        end = self.column + 1
        keys, values = (part[number][:, :, :end] for part in (self.keys, self.values))
        # The heads that share keys take the place of tokens.
        grouped = queries.reshape(rows, keys.shape[1], -1, size) * size**-0.5
        scores = grouped @ keys.transpose(-1, -2)
        scores += self.mask[..., :end]
        return (scores.softmax(-1) @ values).reshape(rows, heads * size)

    def _score(self, hidden: Tensor) -> Tensor:
        """Logits (B, V) of hidden states (B, H)."""
        return linear(self.layers.finish(hidden), self.head.weight, self.head.bias)
