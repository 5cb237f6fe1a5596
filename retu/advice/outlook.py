"""What a branch has reached and what it may still reach, as draws."""

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retu.advice.candidates import Candidate
from retu.config.adaptive import AdaptiveSettings
from retu.core.errors import InputError
from retu.scaling.fit_result import MEDIAN_OF_FIVE
from retu.scaling.forecasting.forecast_settings import MIN_POINTS, ForecastSettings
from retu.scaling.forecasting.predict import GainPrior, forecast_branch
from retu.scaling.law import FloatArray

NOISE_SHARE = 0.65
"""Noise of an evaluation in binomial errors: the same problems are asked again."""
PLACES_AHEAD = 8
"""Later RL steps at which a branch is forecast."""


@dataclass(frozen=True)
class Outlook:
    """One branch in view of the steps that are left.

    Attributes:
        reached: best median of five so far, percent; P_sft before that.
        reached_draws: draws of its true value, percent, shape (D,).
        best_draws: draws of the best true score up to the last step, percent, shape (D,).
        reason: why there is no forecast, or nothing.
        is_open: whether more RL could still raise it; false after a collapse or the last step.
    """

    reached: float
    reached_draws: FloatArray
    best_draws: FloatArray
    reason: str
    is_open: bool

    def find_quantile(self, level: float) -> float:
        """A quantile of the best score up to the last step, percent."""
        places = np.linspace(0, 1, self.sorted_best.size)
        return float(np.interp(level, places, self.sorted_best))

    @cached_property
    def sorted_best(self) -> FloatArray:
        """The draws of the best score in rising order."""
        return np.sort(self.best_draws)

    @property
    def is_known(self) -> bool:
        """Whether draws say what it may reach."""
        return not (self.is_open and self.reason)


def foresee_candidate(
    candidate: Candidate, last_step: int, target: int, settings: AdaptiveSettings
) -> Outlook:
    """Draws of what a branch reached and will reach by `last_step`; deterministic.

    A branch that ended before step `target`, to which it was sent, is over: nothing is expected
    of it beyond what it reached.
    """
    seed = zlib.crc32(f"{settings.seed} {candidate.name}".encode())
    branch = candidate.branch
    if branch is None:
        start = np.full(settings.n_draws, candidate.p_sft)
        return Outlook(candidate.p_sft, start, start, "no evaluation after step 0", True)
    seen = branch.take_first(branch.end)
    reached = seen.best_smoothed
    error = NOISE_SHARE * MEDIAN_OF_FIVE * float(np.median(seen.error))
    normal = np.random.default_rng(seed).standard_normal(settings.n_draws)
    now = reached + error * normal
    if candidate.has_collapsed:
        step = int(candidate.rl_steps[branch.end])
        return Outlook(reached, now, now, f"collapsed at RL step {step}", False)
    if candidate.last_step < min(target, last_step) or candidate.last_step >= last_step:
        return Outlook(reached, now, now, f"ended at RL step {candidate.last_step}", False)
    if seen.x.size < MIN_POINTS:
        return Outlook(reached, now, now, f"{seen.x.size} points, {MIN_POINTS} needed", True)
    steps = np.linspace(candidate.last_step, last_step, PLACES_AHEAD + 1)[1:]
    made = ForecastSettings(n_draws=settings.n_draws, seed=seed)
    try:
        forecast = forecast_branch(
            seen.x, seen.score, seen.error, GainPrior(), made, candidate.extend_compute(steps)
        )
    except InputError as problem:
        return Outlook(reached, now, now, str(problem), True)
    best = np.maximum(now, forecast.draws.max(axis=1))
    return Outlook(reached, now, best, "", True)
