"""Evaluation noise of a score, from counts alone, for numbers that have no released curve."""

import math
from statistics import NormalDist

from retu.config.analysis import LEVEL

Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


def compute_binomial_error(score: float, n_problems: int) -> float:
    """Standard error of a percentage, points: 100 sqrt(p (1 - p) / n).

    Problems, not samples, are the independent units; more samples a problem make the error of a
    mixed score a little smaller, so this is an upper bound.
    """
    share = min(max(score / 100.0, 0.0), 1.0)
    return 100.0 * math.sqrt(share * (1.0 - share) / n_problems)


def compute_noise_interval(score: float, n_problems: int) -> tuple[float, float]:
    """Where a second measurement of a score falls with probability `LEVEL`, percent.

    Both measurements have the binomial error, hence the factor sqrt(2).
    """
    width = Z * math.sqrt(2.0) * compute_binomial_error(score, n_problems)
    return score - width, score + width
