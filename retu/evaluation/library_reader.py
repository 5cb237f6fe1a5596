"""Reading tokens with a large model of the library on a CPU, without what it computes for nothing.

keys and values are written into room that is there, not joined to a new tensor at every token
heads that share keys read them where they lie
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

LARGE_VOCABULARY = 2**13
"""Tokens that a model knows from which on it counts as large: those of the lab know less."""
ROOM = 128
"""Tokens for which a cache gets room at a time."""
GROUPED = "retu_grouped"


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values, with room for those of more tokens."""

    _stored: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Write keys and values, (B, heads, T, size), of the next tokens; return all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        first, last = self.keys.shape[2], self.keys.shape[2] + key_states.shape[2]
        if self._stored is None or last > self._stored[0].shape[2]:
            self._stored = (widen(self.keys, last + ROOM), widen(self.values, last + ROOM))
        keys, values = self._stored
        keys[:, :, first:last] = key_states
        values[:, :, first:last] = value_states
        self.keys, self.values = keys[:, :, :last], values[:, :, :last]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows, which may be named more than once."""
        super().batch_select_indices(indices)
        self._stored = None


def widen(tensor: Tensor, width: int) -> Tensor:
    """A copy of (B, heads, T, size) with room for `width` tokens."""
    wide = tensor.new_empty(*tensor.shape[:2], width, tensor.shape[3])
    wide[:, :, : tensor.shape[2]] = tensor
    return wide


def attend_in_groups(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention of one token for all heads that share keys at once; else that of torch.

    Args:
        module: the model's attention.
        query: (B, heads, T, size).
        key, value: (B, shared heads, S, size).
        attention_mask: (B, 1, T, S), bool or added.
        scaling: of products; None: by the size.
    """
    if query.shape[2] > 1 or options.get("position_bias") is not None:
        made: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **options
        )
        return made
    rows, shared, _, size = key.shape
    # The heads of a group take the place of tokens: (B, shared heads, heads / shared heads, size).
    grouped = query.reshape(rows, shared, -1, size) * (size**-0.5 if scaling is None else scaling)
    scores = grouped @ key.transpose(-1, -2)
    if attention_mask is not None:
        mask = attention_mask[..., : key.shape[2]]
        if mask.dtype == torch.bool:
            scores.masked_fill_(~mask, torch.finfo(scores.dtype).min)
        else:
            scores += mask
    mixed = scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value
    return mixed.reshape(rows, 1, -1, value.shape[-1]), None


def is_large_model(model: Any) -> bool:
    """Whether a model is large, on a CPU, and has layers of plain attention alone."""
    config = model.config.get_text_config()
    return (
        model.device.type == "cpu"
        and config.vocab_size >= LARGE_VOCABULARY
        # Models of other kinds ask for no cache of this form, or look attention up elsewhere.
        and getattr(model, "_supports_attention_backend", False)
        and all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)
        and model.config._attn_implementation == "sdpa"
        and not hasattr(model.get_output_embeddings().weight, "ds_id")
    )


@contextmanager
def group_heads(model: Any) -> Iterator[None]:
    """While it lasts, the model attends by `attend_in_groups`."""
    AttentionInterface.register(GROUPED, attend_in_groups)
    AttentionMaskInterface.register(GROUPED, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    config, training = model.config, model.training
    before = config._attn_implementation
    config._attn_implementation = GROUPED
    model.eval()
    try:
        yield
    finally:
        config._attn_implementation = before
        model.train(training)


class LibraryReader:
    """Prompts and tokens behind them, read by the model itself.

    Args:
        model: as `is_large_model` wants it.
        pad: what fills short prompts.
    """

    def __init__(self, model: Any, pad: int) -> None:
        self.model = model
        self.pad = pad
        self.mask = torch.empty(0)
        self.cache = DynamicCache(config=model.config)
        self.cache.layers = [RoomyLayer() for _ in self.cache.layers]

    def read_prompts(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Logits (B, V) of the tokens behind prompts."""
        width, device = max(map(len, prompts)), self.model.device
        rows = [[self.pad] * (width - len(ids)) + list(ids) for ids in prompts]
        mask = [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]
        self.mask = torch.tensor(mask, device=device)
        return self._run(torch.tensor(rows, device=device))

    def read_tokens(self, tokens: Tensor) -> Tensor:
        """Logits (B, V) of the tokens behind one more token (B,) of every row."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        return self._run(tokens[:, None])

    def select_rows(self, places: Tensor) -> None:
        """Keep these rows, which may be named more than once."""
        self.mask = self.mask[places]
        for layer in self.cache.layers:
            layer.batch_select_indices(places)

    def _run(self, ids: Tensor) -> Tensor:
        """Logits (B, V) behind the given tokens (B, T), the last of all columns of the mask."""
        positions = (self.mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self.model(
            input_ids=ids,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1]
        return logits
