"""From contrasts of replicates to an effect with an interval, and from all p values to verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from retu.audit.study_claims.sentence_outcome import CONTRADICTS, SUPPORTS, UNDECIDED
from retu.core.arrays import FloatArray

LEAST_REPLICATES = 2


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


def pool_contrasts(values: FloatArray, alpha: float) -> PooledEffect:
    """The mean contrast, by a t distribution with one degree of freedom fewer than replicates.

    The scatter between replicates holds what differs between them, the noise of their own answers
    included. What the problems do to all of them alike is not in it, so the variance of the mean
    over the draws of problems is added; the part that is in both makes the interval a little wide.

    Args:
        values: shape (replicates, draws + 1), the first column the point; two replicates or more.
        alpha: 1 minus the level of the interval.
    """
    n = len(values)
    points, drawn = values[:, 0], values[:, 1:].mean(axis=0)
    effect, scatter = float(points.mean()), float(points.std(ddof=1))
    shared = float(drawn.var(ddof=1)) if len(drawn) > 1 else 0.0
    error = float(np.sqrt(scatter**2 / n + shared))
    half = float(t.isf(alpha / 2, n - 1)) * error
    ratio = abs(effect) / error if error > 0 else np.inf
    p = 1.0 if effect == 0 else float(2 * t.sf(ratio, n - 1))
    return PooledEffect(effect, effect - half, effect + half, error, scatter, shared, n, p)


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
    if p_adjusted >= alpha:
        return UNDECIDED
    return SUPPORTS if effect > 0 else CONTRADICTS
