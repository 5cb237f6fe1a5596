"""How many tokens of its expert trajectory a hybrid row of Prefix-RFT starts with.

    ratio = low(t) + (high(t) - low(t)) u,  u ~ Beta(alpha, beta)
    k = min(tokens - 1, max(min_prefix, int(ratio tokens)))

with t the number of optimizer steps done (RETU, appendix C.2.1: low falls from 0.95 to 0.05 along
a cosine, high stays at 0.95). A draw depends on the seed, the step and the row alone, never on what
was drawn before, so a resumed run and every process draw the same.
"""

import math
import random
from dataclasses import dataclass

from retu.config.planner import Constant, PrefixController, PrefixSettings
from retu.core.errors import InputError


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
