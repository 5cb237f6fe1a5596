"""Scores by the draws of a fit, at any compute: bands around curves, and forecasts."""

from typing import NamedTuple

import numpy as np

from retu.config.analysis import LEVEL
from retu.scaling.fit_result import FittedBranch
from retu.scaling.law import SCORE_MAX, FloatArray, compute_rise_fraction


class ScoreBand(NamedTuple):
    """Median and 90% interval of the score of a curve at k places, percent, each of shape (k,)."""

    median: FloatArray
    low: FloatArray
    high: FloatArray


def compute_drawn_scores(draws: dict[str, FloatArray], x: FloatArray) -> FloatArray:
    """Scores of all draws at `x` (in the unit of the branch, shape (k,)), percent, (D, k)."""
    phi = compute_rise_fraction(x, np.log(draws["c_mid"])[:, None], draws["b"][:, None])
    start = draws["start_score"][:, None]
    scores = start + (draws["a_post"][:, None] - start) * phi
    return np.asarray(np.clip(scores, 0.0, SCORE_MAX))


def compute_score_band(fitted: FittedBranch, x: FloatArray) -> ScoreBand:
    """The curve at `x`, shape (k,); NaN where nothing was fitted.

    A branch that least squares finds flat has no draws and one score everywhere.
    """
    if not fitted.draws:
        level = np.full(x.shape, fitted.fit.a_post)
        return ScoreBand(level, np.full(x.shape, np.nan), np.full(x.shape, np.nan))
    tail = (1 - LEVEL) / 2
    levels = [tail, 0.5, 1 - tail]
    low, median, high = np.quantile(compute_drawn_scores(fitted.draws, x), levels, axis=0)
    return ScoreBand(median, low, high)
