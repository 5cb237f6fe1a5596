"""Where a branch collapses: the point after which its scores say nothing about the law.

Some RL runs lose tens of points within a few evaluations and stay down. The law only rises, so
points from there on would bend every fit; a single bad evaluation, in contrast, is an outlier that
a robust fit can weigh down by itself.
"""

from dataclasses import dataclass

import numpy as np

from retu.core.errors import InputError
from retu.scaling.law import FloatArray
from retu.scaling.smoothing import WINDOW, compute_causal_median


@dataclass(frozen=True)
class CollapseSettings:
    """Thresholds of the rule.

    Attributes:
        drop: fall below the running maximum of the causal running median, points.
        drop_errors: fall in standard errors of a score, where those are known; the larger of both
            counts, so that noise of a small benchmark is not called a collapse.
        window: points of the running median, and points looked at from the start of a fall.
        n_low: number of those that must be low, the first among them.
    """

    drop: float = 2.5
    drop_errors: float = 3.0
    window: int = WINDOW
    n_low: int = 3

    def __post_init__(self) -> None:
        """Refuse thresholds that make no rule."""
        odd = self.window % 2 == 1
        if not (self.drop > 0 and self.drop_errors >= 0 and odd and 1 <= self.n_low <= self.window):
            raise InputError(
                "collapse settings: drop > 0, drop_errors >= 0, an odd window and "
                f"1 <= n_low <= window are needed; the settings are {self}"
            )


def find_collapse_start(
    score: FloatArray,
    settings: CollapseSettings | None = None,
    error: FloatArray | None = None,
) -> int:
    """Index of the first point of a collapse, or the number of points without one.

    Low at point t is below M - drop, M being the largest causal running median before t. The first
    `window` points are no collapse: RL often starts with a dip that the running median, still
    resting on a few points, cannot tell from one.

    Args:
        score: scores of one branch in order of compute, x = 0 first, percent, shape (n,).
        settings: thresholds; the defaults if None.
        error: standard error of each score, points, shape (n,); without it `drop` alone counts.
    """
    rule = settings or CollapseSettings()
    drop = rule.drop
    if error is not None:
        drop = max(drop, rule.drop_errors * float(np.median(error)))
    floor = np.maximum.accumulate(compute_causal_median(score, rule.window)) - drop
    for start in range(rule.window, score.size):
        low = score[start : start + rule.window] < floor[start - 1]
        if low[0] and int(low.sum()) >= rule.n_low:
            return start
    return int(score.size)
