"""Force a model to begin its completion with given tokens, without extending the prompt.

Transformers pads all prompts of a batch to the longest and lets all rows write as many tokens. A
prefix in the prompt would thus make every other row's prompt longer, and its own row too long.
Written word by word beside the other rows, it costs nothing.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

NONE = -1


class PrefixLogitsProcessor(LogitsProcessor):
    """Force the given prefix tokens of each row: all other tokens get a logit of minus infinity.

    Args:
        given: for every row the tokens it starts with; none for a row that is free.
    """

    def __init__(self, given: Sequence[Sequence[int]]) -> None:
        self.steps = max(map(len, given))
        self.tokens = torch.tensor(
            [[*row, *[NONE] * (self.steps - len(row))] for row in given], dtype=torch.long
        )
        self.start: int | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits (B, vocabulary) of the next token, in place; certainty where it is given."""
        if self.start is None:
            self.start = input_ids.shape[1]
        step = input_ids.shape[1] - self.start
        if step < self.steps:
            rows = (self.tokens[:, step] != NONE).nonzero()[:, 0]
            chosen = self.tokens[rows, step].to(scores.device)
            rows = rows.to(scores.device)
            scores[rows] = -torch.inf
            scores[rows, chosen] = 0.0
        return scores


@contextmanager
def force_prefixes(model: Any, given: Sequence[Sequence[int]]) -> Iterator[None]:
    """While it lasts, `model.generate` starts its rows with the given tokens.

    TRL passes no logits processor on, and has no hook for one.
    """
    if not any(given):
        yield
        return
    replaced = vars(model).get("generate")
    processors = LogitsProcessorList([PrefixLogitsProcessor(given)])
    model.generate = functools.partial(model.generate, logits_processor=processors)
    try:
        yield
    finally:
        del model.generate
        if replaced is not None:
            model.generate = replaced
