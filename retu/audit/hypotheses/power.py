"""How many replicates a hypothesis takes, and which effects so many of them would find."""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct, t

from retu.core.arrays import FloatArray

POWER = 0.8
MOST_REPLICATES = 1000
FAR = 37.0
"""Noncentrality from which the noncentral t is out of reach of the central one's quantiles used
here, and its distribution function of no more digits; beyond df's quantile it finds all."""


def compute_power(noncentrality: FloatArray, n: FloatArray, alpha: float) -> FloatArray:
    """Chance that a two-sided t test of n values finds an effect.

    Args:
        noncentrality: effect over its standard error, above 0; n: values, 2 or more; alpha: level.
    """
    df = n - 1
    limit = t.isf(alpha / 2, df)
    found = np.asarray(nct.sf(limit, df, noncentrality) + nct.cdf(-limit, df, noncentrality))
    sure = (noncentrality > FAR) & (noncentrality > 2 * limit)
    power: FloatArray = np.where(sure, 1.0, np.nan_to_num(found))
    return power


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
    if effect == 0 or not np.isfinite(effect + scatter):
        return None
    n = np.arange(2.0, MOST_REPLICATES + 1)
    error = np.sqrt(scatter**2 / n + shared)
    if error[0] == 0:
        return 2
    enough = compute_power(abs(effect) / error, n, alpha) >= POWER
    return int(n[enough.argmax()]) if enough.any() else None


def find_detectable_effect(error: float, n: int, alpha: float) -> float:
    """The smallest effect that n replicates find with a power of 0.8.

    Args:
        error: standard error of the mean over them, in the unit of the effect; alpha: level.
    """
    limit = float(t.isf(alpha / 2, n - 1))
    places = np.array([float(n)])

    def lack(noncentrality: float) -> float:
        return float(compute_power(np.array([noncentrality]), places, alpha)[0]) - POWER

    high = limit
    while lack(high) < 0:
        high *= 1.5
    return float(brentq(lack, 1e-9, high)) * error


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
