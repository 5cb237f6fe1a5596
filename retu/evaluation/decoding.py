"""Sampling of large models on a CPU: `model.generate`, without what it computes for nothing.

    a prompt that is repeated is read once, and its keys and values are copied
    keys and values are written into room that is there, not joined to a new tensor at every token
    heads that share keys read them where they lie
    rows whose answer is over leave the batch
    a token's log-probability needs the sum of its row's, not the whole distribution once more

Answers depend on the rows of their batch, as those of `generate` do, and are others than its.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
LEAVE_TOGETHER = 0.25
"""Share of the batch that has to be done before rows leave it: that copies all others' keys."""
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


@dataclass(frozen=True)
class DecodingSettings:
    """How to sample: tokens at most, temperature (0: greedily), tokens that end an answer."""

    max_new_tokens: int
    temperature: float
    ends: Sequence[int]
    pad: int


def can_decode(model: Any) -> bool:
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


@torch.no_grad()  # type: ignore[untyped-decorator]
def decode_answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    settings: DecodingSettings,
    given: Sequence[Sequence[int]] = (),
) -> list[tuple[list[int], list[float]]]:
    """Sample an answer to every prompt with the random state of the process.

    Args:
        model: as `can_decode` wants it.
        prompts: token ids.
        settings: how to sample.
        given: for every prompt the tokens its answer starts with; none of them, or nothing.

    Returns:
        tokens, the one that ends the answer included, and their log-probabilities in nats, of the
        distribution with its temperature (greedily: of the model's own).
    """
    answers: list[tuple[list[int], list[float]]] = [([], []) for _ in prompts]
    ends = frozenset(settings.ends)
    with group_heads(model):
        rows = DecodedRows(model, prompts, settings.pad)
        for step in range(settings.max_new_tokens):
            tokens, log_probs = draw_tokens(rows.logits, settings.temperature)
            for place, index in enumerate(rows.indices):
                if given and step < len(given[index]):
                    tokens[place] = given[index][step]
            chosen = log_probs.gather(-1, tokens[:, None])[:, 0]
            for place, token, log_prob in rows.list_open(tokens, chosen):
                made, scores = answers[rows.indices[place]]
                made.append(token)
                scores.append(log_prob)
                rows.done[place] = token in ends
            if all(rows.done) or step + 1 == settings.max_new_tokens:
                break
            rows.advance(tokens)
    return answers


def draw_tokens(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Tokens (B,) drawn from logits (B, V), and the log-probabilities (B, V) of all."""
    scores = logits.float() / (temperature or 1.0)
    scores -= scores.logsumexp(-1, keepdim=True)
    if temperature == 0:
        return scores.argmax(-1), scores
    # One random number a row: `multinomial` draws one for every token of the vocabulary.
    rising = scores.exp().cumsum(-1, dtype=torch.float64)
    level = torch.rand(len(scores), 1, dtype=torch.float64, device=scores.device) * rising[:, -1:]
    return torch.searchsorted(rising, level, right=True)[:, 0], scores


class DecodedRows:
    """The rows of a batch that are being written, their cache and the logits of their next token.

    Attributes:
        logits: (B, V).
        indices: which prompt a row answers.
        done: whether its answer is over; it leaves the batch when others do.
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], pad: int) -> None:
        self.model = model
        self.indices = list(range(len(prompts)))
        self.done = [False] * len(prompts)
        different = list(dict.fromkeys(map(tuple, prompts)))
        places = {prompt: place for place, prompt in enumerate(different)}
        width = max(map(len, different))
        device = model.device
        rows = [[pad] * (width - len(ids)) + list(ids) for ids in different]
        mask = [[0] * (width - len(ids)) + [1] * len(ids) for ids in different]
        self.mask = torch.tensor(mask, device=device)
        self.cache = DynamicCache(config=model.config)
        self.cache.layers = [RoomyLayer() for _ in self.cache.layers]
        self.logits = self._run(torch.tensor(rows, device=device))
        self.select(torch.tensor([places[tuple(prompt)] for prompt in prompts], device=device))

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

    def list_open(self, tokens: Tensor, log_probs: Tensor) -> list[tuple[int, int, float]]:
        """Place, token and log-probability of every row that is not over."""
        drawn = enumerate(zip(tokens.tolist(), log_probs.tolist(), self.done, strict=True))
        return [(place, token, score) for place, (token, score, done) in drawn if not done]

    def select(self, places: Tensor) -> None:
        """Keep these rows of cache, mask and logits."""
        self.mask, self.logits = self.mask[places], self.logits[places]
        for layer in self.cache.layers:
            layer.batch_select_indices(places)

    def advance(self, tokens: Tensor) -> None:
        """Take the tokens (B,) in and compute the next logits, without the rows that are done."""
        if sum(self.done) >= max(1, LEAVE_TOGETHER * len(self.done)):
            kept = [place for place, done in enumerate(self.done) if not done]
            places = torch.tensor(kept, device=tokens.device)
            self.select(places)
            tokens = tokens[places]
            self.indices = [self.indices[place] for place in kept]
            self.done = [False] * len(kept)
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        self.logits = self._run(tokens[:, None])
