"""Correlation over few data sets, with the interval that few data sets deserve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

MIN_DATASETS = 3
TOO_FEW_DATASETS = f"needs at least {MIN_DATASETS} data sets"
CONSTANT = "undefined: one of the two quantities is constant"


@dataclass(frozen=True)
class Correlation:
    """Pearson r with its Fisher interval and Spearman rho; NaN with a `note` when undefined."""

    n: int
    pearson: float
    low: float
    high: float
    spearman: float
    note: str


def correlate_pairs(x: Sequence[float], y: Sequence[float], level: float = 0.95) -> Correlation:
    """Correlate the pairs of which both members are finite.

    The interval is Fisher's: tanh(atanh(r) -+ z / sqrt(n - 3)). With n = 3 its width is infinite
    and the interval is [-1, 1].
    """
    pairs = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    n = len(pairs)
    if n < MIN_DATASETS:
        return Correlation(n, math.nan, math.nan, math.nan, math.nan, TOO_FEW_DATASETS)
    if np.ptp(pairs, axis=0).min() == 0:
        return Correlation(n, math.nan, math.nan, math.nan, math.nan, CONSTANT)
    pearson = float(np.corrcoef(pairs.T)[0, 1])
    ranks = pd.DataFrame(pairs).rank().to_numpy()
    spearman = float(np.corrcoef(ranks.T)[0, 1])
    low, high = fisher_interval(pearson, n, level)
    return Correlation(n, pearson, low, high, spearman, "")


def fisher_interval(r: float, n: int, level: float) -> tuple[float, float]:
    """Fisher's interval of a Pearson r over n pairs; [-1, 1] when n = 3, [r, r] when |r| = 1.

    Not scipy's `pearsonr`: its r and its interval differ in the last digit, which the CSV of
    figure 8 keeps, and it warns of the two cases that are none here.
    """
    if n <= MIN_DATASETS:
        return -1.0, 1.0
    if abs(r) >= 1:
        return r, r
    half = NormalDist().inv_cdf(0.5 + level / 2) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
