"""Intervals of a mean over problems that hold from one problem on: Gaffke's bounds.

Problems are drawn from a population, and only the mean of a problem's samples, x in [0, 1], is
used: whatever makes its samples resemble each other is in it. Gaffke's lower bound for the mean
of the population is a quantile of

    w_1 x_1 + ... + w_n x_n + w_0 x_0,   x_0 = 0,

where the weights are uniformly distributed on the simplex (independent exponentials over their
sum): a Bayesian bootstrap with one more problem of the worst kind. The upper bound is the same with
x_0 = 1. Nothing is assumed about how difficult
problems are. With x of 0 and 1 only, this is the interval of Clopper and Pearson. Every mean
above grows with each x, so both bounds do: a sample turned right never lowers one.

The bounds of a weighted sum of benchmarks are quantiles of the weighted sum of such means.

Sources: Gaffke, Three test statistics for a nonparametric one-sided hypothesis on the mean of a
nonnegative variable (Math. Methods Statist. 14, 2005); Learned-Miller and Thomas, A new confidence
interval for the mean of a bounded random variable (arXiv 1905.06208), who show by computation that
the bounds cover; sums of such distributions: Fay, Proschan and Brittain, Combining one-sample
confidence procedures for inference in the two-sample case (Biometrics 71, 2015).
`benchmarks/intervals.py` measures the coverage.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from retu.core.arrays import FloatArray

DRAWS = 2**16
"""Weights drawn for one benchmark: the ends of a 95% interval are then off by about a hundredth of
its half-width. They are always the same, so equal tables have equal intervals."""
MAX_WEIGHTS = 256
"""Neighbours of a sorted benchmark with more problems share a weight: they are nearly equal."""
DRAWS_AT_A_TIME = 2**12
SEED = 20_251_211


@dataclass(frozen=True)
class MeanDraws:
    """Draws of means with one more problem, that is wrong (`low`) or right (`high`).

    Shares, shape (columns, DRAWS).
    """

    low: FloatArray
    high: FloatArray

    def compute_bounds(self, column: int, level: float) -> tuple[float, float]:
        """The two ends of the interval of a column at a level in (0, 1)."""
        tail = (1.0 - level) / 2.0
        low, high = np.quantile(self.low[column], tail), np.quantile(self.high[column], 1.0 - tail)
        return float(low), float(high)


def draw_means(values: FloatArray) -> MeanDraws:
    """Draw the means of one benchmark.

    The weights depend on the number of problems alone, and go to the problems in the order of
    their values; so a value that grows makes no draw smaller, and the order of problems is no
    matter.

    Args:
        values: means of the problems' samples, shares, shape (problems, columns).
    """
    blocks = np.array_split(np.sort(values, axis=0), min(len(values), MAX_WEIGHTS))
    centres = np.stack([block.mean(axis=0) for block in blocks])
    sizes = np.array([len(block) for block in blocks], dtype=float)
    rng = np.random.default_rng(SEED)
    weights = (
        rng.standard_gamma(sizes, (DRAWS_AT_A_TIME, len(sizes)))
        for _ in range(DRAWS // DRAWS_AT_A_TIME)
    )
    means = np.hstack([centres.T @ part.T / part.sum(axis=1) for part in weights])
    # The weight of the problem that is added has the distribution Beta(1, n).
    chance = (np.arange(DRAWS) + 0.5) / DRAWS
    extra = 1.0 - chance ** (1.0 / len(values))
    low = (1.0 - extra) * means
    return MeanDraws(low, low + extra)


def add_means(parts: Sequence[MeanDraws], shares: Sequence[float]) -> MeanDraws:
    """The weighted sum of benchmarks: their draws, shuffled against each other, add up."""
    orders = [
        np.random.default_rng((SEED, place)).permutation(DRAWS) for place in range(len(parts))
    ]
    weighted = list(zip(parts, shares, orders, strict=True))
    return MeanDraws(
        np.sum([share * part.low[:, order] for part, share, order in weighted], axis=0),
        np.sum([share * part.high[:, order] for part, share, order in weighted], axis=0),
    )


def compute_wilson_interval(share: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share of `count` independent answers, at a level in (0, 1)."""
    z2 = NormalDist().inv_cdf(0.5 + level / 2) ** 2
    middle = share + z2 / (2 * count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2)))
    low, high = ((middle + sign * half) / (1 + z2 / count) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def find_interval(
    means: MeanDraws, column: int, share: float, count: float, level: float
) -> tuple[float, float]:
    """The interval of a mean over problems, never narrower than that of independent samples.

    Bounds over problems alone know nothing of the samples: were every problem right in exactly
    half of them, problems would seem alike, and many of them say more than all samples can.

    Args:
        means: draws of the mean.
        column: which of their columns.
        share: the mean itself.
        count: the number of samples, where the mean weighs them unequally that of equal ones.
        level: in (0, 1).
    """
    low, high = means.compute_bounds(column, level)
    least, most = compute_wilson_interval(share, count, level)
    return max(0.0, min(low, least)), min(1.0, max(high, most))
