"""Prefix-RFT: how long an expert prefix is, and how the policy is made to begin with it.

    ratio = low(t) + (high(t) - low(t)) u,  u ~ Beta(alpha, beta)
    k = min(tokens - 1, max(min_prefix, int(ratio tokens)))

with t the number of optimizer steps done (RETU, appendix C.2.1: low falls from 0.95 to 0.05 along
a cosine, high stays at 0.95). A draw depends on the seed, the step and the row alone, never on what
was drawn before, so a resumed run and every process draw the same.

Generation does not extend the prompt. Transformers pads all prompts of a batch to the longest and
lets all rows write as many tokens: a prefix in the prompt would make every other row's prompt
longer, and its own row too long. Written word by word beside the other rows, it costs nothing.
"""

import functools
import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from retu.config.planner import Constant, PrefixController, PrefixSettings
from retu.core.errors import InputError

NONE = -1


@dataclass(frozen=True)
class PrefixSchedule:
    """The prefix lengths of one run.

    Attributes:
        settings: the schedule's settings.
        run_steps: optimizer steps of the run.
        seed: the run's seed.
    """

    settings: PrefixSettings
    run_steps: int
    seed: int

    def compute_bounds(self, step: int) -> tuple[float, float]:
        """Lowest and highest share of the trajectory after `step` optimizer steps."""
        low = compute_controller_value(self.settings.low, step, self.run_steps)
        return low, compute_controller_value(self.settings.high, step, self.run_steps)

    def draw_ratio(self, step: int, prompt: int, row: int = 0) -> float:
        """The share of the trajectory that is given to a hybrid row.

        Args:
            step: optimizer steps done, 0 for the first update.
            prompt: position of the prompt in the stream of prompts; any number that tells the
                groups of a step apart will do.
            row: which of the prompt's hybrid rows.
        """
        # A text seeds through SHA-512: the same draw in every process, unlike `hash`.
        draw = random.Random(f"{self.seed}/prefix/{step}/{prompt}/{row}")
        u = draw.betavariate(self.settings.alpha, self.settings.beta)
        return interpolate(*self.compute_bounds(step), u)

    def draw_length(self, tokens: int, step: int, prompt: int, row: int = 0) -> int:
        """Prefix of a hybrid row, in tokens, for an expert trajectory of `tokens` tokens."""
        return compute_prefix_length(
            self.draw_ratio(step, prompt, row), tokens, self.settings.min_prefix
        )


def make_prefix_schedule(
    settings: PrefixSettings, run_steps: int, seed: int, where: str
) -> PrefixSchedule:
    """The schedule of a run whose bounds are in order at each of its steps.

    Raises:
        InputError: somewhere low is above high.
    """
    schedule = PrefixSchedule(settings, run_steps, seed)
    for step in range(run_steps):
        low, high = schedule.compute_bounds(step)
        if low > high:
            raise InputError(
                f"{where}: prefix.low is {low:g} and above prefix.high, {high:g}, at step {step};"
                " lower low or raise high"
            )
    return schedule


def compute_controller_value(controller: PrefixController, step: int, run_steps: int) -> float:
    """Value of a controller after `step` optimizer steps of `run_steps`."""
    if isinstance(controller, Constant):
        return controller.value
    # A delay as long as the run leaves no step for the way: the value stays at `start`.
    steps = controller.steps or max(run_steps - controller.delay, 1)
    done = min(max((step - controller.delay) / steps, 0.0), 1.0)
    if controller.kind == "cosine":
        done = (1.0 - math.cos(math.pi * done)) / 2.0
    return interpolate(controller.start, controller.end, done)


def interpolate(start: float, end: float, share: float) -> float:
    """The point that lies `share` of the way from `start` to `end`; both ends are exact."""
    return end if share >= 1.0 else start + (end - start) * share


def compute_prefix_length(ratio: float, tokens: int, min_prefix: int) -> int:
    """Prefix in tokens: the share `ratio`, at least `min_prefix`, and never the last token.

    `tokens` counts the end-of-sequence token, so a prefix never ends the answer. A trajectory of
    one token has the prefix 0: its row is an on-policy one.

    Raises:
        ValueError: the trajectory is empty.
    """
    if tokens < 1:
        raise ValueError(f"an expert trajectory of {tokens} tokens has no prefix")
    return min(tokens - 1, max(min_prefix, int(ratio * tokens)))


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
