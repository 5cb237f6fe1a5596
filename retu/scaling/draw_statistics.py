"""Statistics over draws: intervals, and correlations in every draw."""

import numpy as np

from retu.config.analysis import LEVEL
from retu.scaling.law import FloatArray


def compute_central_interval(values: FloatArray, level: float = LEVEL) -> tuple[float, float]:
    """The quantiles between which the central share `level` of the values lies."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def correlate_columns(x: FloatArray, y: FloatArray) -> FloatArray:
    """Pearson r of x, shape (n,), with every column of y, shape (n, draws); NaN for a constant."""
    a, b = x - x.mean(), y - y.mean(axis=0)
    spread = np.sqrt((a @ a) * (b**2).sum(axis=0))
    undefined = np.full(spread.shape, np.nan)
    result: FloatArray = np.divide(a @ b, spread, out=undefined, where=spread > 0)
    return result
