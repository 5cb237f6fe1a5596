"""Sampling on a CPU with large and with tiny models: without what `generate` computes for nothing.

    a prompt that is repeated is read once, and its keys and values are copied
    rows whose answer is over leave the batch
    a token's log-probability needs the sum of its row's, not the whole distribution once more

Large models read tokens by the library (`library_reader`), tiny ones by a decoder of few
operations (`lean_reader`). Answers depend on the rows of their batch, as those of `generate` do,
and are others than its.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from retu.evaluation.lean_reader import LeanReader
from retu.evaluation.library_reader import LibraryReader, group_heads, is_large_model
from retu.models.lean_decoder import has_lean_decoder

LEAVE_TOGETHER = 0.25
"""Share of the batch that has to be done before rows leave it: that copies all others' keys."""


@dataclass(frozen=True)
class DecodingSettings:
    """How to sample: tokens at most, temperature (0: greedily), tokens that end an answer."""

    max_new_tokens: int
    temperature: float
    ends: Sequence[int]
    pad: int


class Reader(Protocol):
    """What a model makes of prompts and of the tokens that follow them."""

    def read_prompts(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Logits (B, V) of the tokens behind prompts."""

    def read_tokens(self, tokens: Tensor) -> Tensor:
        """Logits (B, V) of the tokens behind one more token (B,) of every row."""

    def select_rows(self, places: Tensor) -> None:
        """Keep these rows, which may be named more than once."""


def can_decode(model: Any) -> bool:
    """Whether `decode_answers` can sample from a model."""
    return has_lean_decoder(model) or is_large_model(model)


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
    lean = has_lean_decoder(model)
    with nullcontext() if lean else group_heads(model):
        reader = LeanReader(model, settings.max_new_tokens) if lean else None
        rows = DecodedRows(reader or LibraryReader(model, settings.pad), prompts)
        answers = WrittenAnswers(len(prompts), settings, given, rows.logits.device)
        for step in range(settings.max_new_tokens):
            tokens, log_probs = draw_tokens(rows.logits, settings.temperature)
            answers.write(step, rows, tokens, log_probs)
            if bool(rows.done.all()) or step + 1 == settings.max_new_tokens:
                break
            rows.advance(tokens)
    return answers.list_all()


def draw_tokens(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Tokens (B,) drawn from logits (B, V), and the log-probabilities (B, V) of all.

    Raises:
        RuntimeError: as torch's own sampling, if probabilities are no numbers.
    """
    scores = logits.float() / (temperature or 1.0)
    total = scores.logsumexp(-1, keepdim=True)
    if not bool(total.isfinite().all()):
        raise RuntimeError("the probability tensor has values that are no numbers")
    scores -= total
    if temperature == 0:
        return scores.argmax(-1), scores
    # One random number a row: `multinomial` draws one for every token of the vocabulary.
    rising = scores.exp().cumsum(-1, dtype=torch.float64)
    level = torch.rand(len(scores), 1, dtype=torch.float64, device=scores.device) * rising[:, -1:]
    return torch.searchsorted(rising, level, right=True)[:, 0], scores


class DecodedRows:
    """The rows of a batch that are being written, and the logits of their next token.

    Attributes:
        logits: (B, V).
        indices: (B,), which prompt a row answers.
        done: (B,) bool, whether its answer is over; it leaves the batch when others do.
    """

    def __init__(self, reader: Reader, prompts: Sequence[Sequence[int]]) -> None:
        self.reader = reader
        different = list(dict.fromkeys(map(tuple, prompts)))
        numbers = {prompt: place for place, prompt in enumerate(different)}
        logits = reader.read_prompts(different)
        places = torch.tensor([numbers[tuple(prompt)] for prompt in prompts], device=logits.device)
        reader.select_rows(places)
        self.logits = logits[places]
        self.indices = torch.arange(len(prompts), device=logits.device)
        self.done = torch.zeros(len(prompts), dtype=torch.bool, device=logits.device)

    def advance(self, tokens: Tensor) -> None:
        """Take the tokens (B,) in and compute the next logits, without the rows that are done."""
        if int(self.done.sum()) >= max(1, LEAVE_TOGETHER * len(self.done)):
            places = (~self.done).nonzero()[:, 0]
            self.reader.select_rows(places)
            tokens, self.indices = tokens[places], self.indices[places]
            self.done = self.done[places]
        self.logits = self.reader.read_tokens(tokens)


class WrittenAnswers:
    """The tokens that were drawn, and their log-probabilities.

    Args:
        count: how many answers are written.
        settings: as for `decode_answers`.
        given: as for `decode_answers`.
        device: where tokens are drawn.
    """

    def __init__(
        self,
        count: int,
        settings: DecodingSettings,
        given: Sequence[Sequence[int]],
        device: torch.device,
    ) -> None:
        self.ends = torch.tensor(list(settings.ends), device=device)
        self.tokens = torch.zeros(count, settings.max_new_tokens, dtype=torch.long, device=device)
        self.log_probs = torch.zeros(count, settings.max_new_tokens, device=device)
        self.lengths = torch.zeros(count, dtype=torch.long, device=device)
        longest = max(map(len, given), default=0)
        padded = [[*row, *[-1] * (longest - len(row))] for row in given]
        self.given = torch.tensor(padded, device=device, dtype=torch.long) if longest else None

    def write(self, step: int, rows: DecodedRows, tokens: Tensor, log_probs: Tensor) -> None:
        """Note what rows have drawn, (B,) of (B, V), and whose answer is over.

        Tokens that an answer starts with take the place of what was drawn, in place.
        """
        if self.given is not None and step < self.given.shape[1]:
            told = self.given[rows.indices, step]
            tokens.copy_(torch.where(told >= 0, told, tokens))
        chosen = log_probs.gather(-1, tokens[:, None])[:, 0]
        open_ = ~rows.done
        indices = rows.indices[open_]
        self.tokens[indices, step] = tokens[open_]
        self.log_probs[indices, step] = chosen[open_]
        self.lengths[indices] += 1
        rows.done |= torch.isin(tokens, self.ends)

    def list_all(self) -> list[tuple[list[int], list[float]]]:
        """Tokens and log-probabilities of every answer."""
        rows = zip(
            self.tokens.tolist(), self.log_probs.tolist(), self.lengths.tolist(), strict=True
        )
        return [(tokens[:length], scores[:length]) for tokens, scores, length in rows]
