"""How many replicates a hypothesis takes, and which effects so many of them would find."""

from bisect import bisect_left

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri, ndtr
from scipy.stats import t

POWER = 0.8
MOST_REPLICATES = 1000
_PLACES = (np.arange(4000) + 0.5) / 4000
"""Quantiles at which the distribution of a sample's deviation is summed up."""


def compute_power(noncentrality: float, n: int, alpha: float) -> float:
    """Chance that a two-sided t test of n values finds an effect.

    The noncentral t distribution, summed over the sample's deviation: scipy's own (1.17) is NaN
    for some noncentralities that lie far from the quantile of t.

    Args:
        noncentrality: effect over its standard error, not below 0.
        n: values, 2 or more; alpha: level of the test.
    """
    limit = float(t.isf(alpha / 2, n - 1))
    deviation = np.sqrt(chdtri(n - 1, _PLACES) / (n - 1))
    found = ndtr(noncentrality - limit * deviation) + ndtr(-noncentrality - limit * deviation)
    return float(found.mean())


def count_seeds_needed(
    effect: float, scatter: float, alpha: float, shared: float = 0.0
) -> int | None:
    """The fewest replicates that find an effect with a power of 0.8 in a two-sided t test.

    Args:
        effect: true mean over replicates; scatter: standard deviation between replicates.
        alpha: level of the test.
        shared: variance of the effect that more replicates do not lower, as of the problems that
            all of them answer.

    Returns:
        None where more than 1000 would not do, or there is no effect.
    """
    if effect == 0 or not np.isfinite(effect + scatter + shared):
        return None

    def is_enough(n: int) -> bool:
        error = float(np.sqrt(scatter**2 / n + shared))
        return error == 0 or compute_power(abs(effect) / error, n, alpha) >= POWER

    numbers = range(2, MOST_REPLICATES + 1)
    place = bisect_left(numbers, True, key=is_enough)
    return numbers[place] if place < len(numbers) else None


def find_detectable_effect(error: float, n: int, alpha: float) -> float:
    """The smallest effect that n replicates find with a power of 0.8.

    Args:
        error: standard error of the mean over them, in the unit of the effect.
        n: replicates, 2 or more; alpha: level of the test.
    """
    high = float(t.isf(alpha / 2, n - 1))
    while compute_power(high, n, alpha) < POWER:
        high *= 1.5
    found = brentq(lambda value: compute_power(value, n, alpha) - POWER, 0.0, high)
    return float(found) * error


def describe_power(sd: float, n: int, alpha: float) -> str:
    """What n replicates would find, in a line: for planning, before anything is run.

    Args:
        sd: scatter of a contrast between replicates, points; n: replicates; alpha: level of one
            test (0.05 over eight hypotheses: 0.00625).
    """
    effect = find_detectable_effect(sd / float(np.sqrt(n)), n, alpha)
    return (
        f"{n} replicates with a scatter of {sd:g} points find an effect of {effect:.1f} points with"
        f" a power of {POWER:g} at level {alpha:g}"
    )
