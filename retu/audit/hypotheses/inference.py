"""From contrasts of replicates to an effect with an interval, and from all p values to verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm, permutation_test, t

from retu.audit.study_claims.sentence_outcome import CONTRADICTS, SUPPORTS, UNDECIDED
from retu.core.arrays import FloatArray

LEAST_REPLICATES = 2
MOST_SIGN_FLIPS = 2**16
"""All ways to turn signs are counted up to 16 replicates; of more so many are drawn."""


@dataclass(frozen=True)
class PooledEffect:
    """An effect over replicates, in the unit of its contrast.

    Attributes:
        effect: mean over replicates; low, high: its interval, not adjusted for other hypotheses.
        error: its standard error; scatter: standard deviation between replicates.
        shared: variance of the effect by the bootstrap over problems that replicates share.
        n: replicates; p: two-sided, of no effect.
    """

    effect: float
    low: float
    high: float
    error: float
    scatter: float
    shared: float
    n: int
    p: float


def pool_contrasts(
    values: FloatArray, alpha: float, test: Literal["t", "sign_flip"] = "t"
) -> PooledEffect:
    """The mean contrast, by a t distribution with one degree of freedom fewer than replicates.

    The scatter between replicates holds what differs between them, the noise of their own answers
    included. What the problems do to all of them alike is not in it, so the variance of the mean
    over the draws of problems is added; the part that is in both makes the interval a little wide.

    Args:
        values: shape (replicates, draws + 1), the first column the point; two replicates or more.
        alpha: 1 minus the level of the interval.
        test: where p comes from; the interval is always that of t.
    """
    n = len(values)
    points, drawn = values[:, 0], values[:, 1:].mean(axis=0)
    effect, scatter = float(points.mean()), float(points.std(ddof=1))
    shared = float(drawn.var(ddof=1)) if len(drawn) > 1 else 0.0
    error = float(np.sqrt(scatter**2 / n + shared))
    half = float(t.isf(alpha / 2, n - 1)) * error
    if test == "sign_flip":
        p = compute_sign_flip_p(points, shared)
    else:
        ratio = abs(effect) / error if error > 0 else np.inf
        p = 1.0 if effect == 0 else float(2 * t.sf(ratio, n - 1))
    return PooledEffect(effect, effect - half, effect + half, error, scatter, shared, n, p)


def compute_sign_flip_p(points: FloatArray, shared: float) -> float:
    """How often a mean as far from 0 comes about when each contrast's sign is turned by chance.

    Without an effect a contrast is as likely as its opposite, whatever its distribution over
    replicates: exact where effects are there in some replicates and absent in others. What the
    problems do to all replicates alike is no such chance, so p is at least that of a normal effect
    with the variance of the problems alone.

    Args:
        points: contrasts, one a replicate. shared: variance of their mean over draws of problems.
    """
    effect = float(points.mean())
    if effect == 0:
        return 1.0
    found = permutation_test(
        (points,), np.mean, permutation_type="samples", n_resamples=MOST_SIGN_FLIPS, rng=0
    )
    of_problems = float(2 * norm.sf(abs(effect) / np.sqrt(shared))) if shared > 0 else 0.0
    return max(float(found.pvalue), of_problems)


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values (Holm 1979), in the order given."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = p[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(value) for value in adjusted]


def decide_verdict(effect: float, p_adjusted: float, alpha: float) -> str:
    """Supports, contradicts or undecided."""
    if not p_adjusted < alpha:  # NaN, too, decides nothing
        return UNDECIDED
    return SUPPORTS if effect > 0 else CONTRADICTS
