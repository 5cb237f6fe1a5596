"""The paper's two ways to keep bad points out of a fit (appendix F), over many rows at once.

Stage 1 drops outliers by the modified Z-score 0.6745 |r - median r| / MAD. Stage 2, least trimmed
squares (LTS), looks for the h points whose fit has the smallest sum of squares by concentration
steps: fit, keep the h smallest residuals, repeat. Each step lowers the sum of the h, so it ends in
a fixed point, but problems of this kind have many: where one ends depends on where one started.
"""

from collections.abc import Callable

import numpy as np

from retu.scaling.law import BoolArray, FloatArray

MOST_OUTLIERS = 3
"""Stage 1 drops at most so many points, the worst one at a time."""
C_STEPS = 3
"""Concentration steps of stage 2 from the fit of stage 1."""

# Given which points each row keeps, (R, n), the residual of all its points, (R, n).
Residuals = Callable[[BoolArray], FloatArray]


def drop_outliers(residuals: Residuals, keep: BoolArray, tau: float) -> BoolArray:
    """Drop the worst point of a row while its modified Z-score is above `tau`, and refit.

    Args:
        residuals: fits the points that are kept.
        keep: points to start from, shape (R, n).
        tau: cut-off of the score.
    """
    keep = keep.copy()
    for _ in range(MOST_OUTLIERS):
        score = np.where(keep, compute_modified_z(residuals(keep), keep), 0.0)
        worst = score.argmax(axis=1)
        rows = np.arange(len(keep))
        above = score[rows, worst] > tau
        if not above.any():
            break
        keep[rows[above], worst[above]] = False
    return keep


def compute_modified_z(residual: FloatArray, keep: BoolArray) -> FloatArray:
    """0.6745 |r - median| / MAD with both medians over the kept points of a row, (R, n)."""
    median = np.nanmedian(np.where(keep, residual, np.nan), axis=1, keepdims=True)
    distance = np.abs(residual - median)
    spread = np.nanmedian(np.where(keep, distance, np.nan), axis=1, keepdims=True)
    score: FloatArray = 0.6745 * distance / np.maximum(spread, 1e-12)
    return score


def concentrate_points(
    residuals: Residuals, keep: BoolArray, count: int, steps: int = C_STEPS
) -> BoolArray:
    """Concentration steps: keep the `count` points that the last fit meets best.

    Ends early at a fixed point of every row.

    Args:
        residuals: fits the points that are kept.
        keep: points of the first fit, shape (R, n).
        count: h, how many to keep.
        steps: largest number of steps.
    """
    for _ in range(steps):
        chosen = select_nearest_points(residuals(keep), count)
        if (chosen == keep).all():
            break
        keep = chosen
    return keep


def select_nearest_points(residual: FloatArray, count: int) -> BoolArray:
    """Which points have the `count` smallest absolute residuals of each row, (R, n)."""
    nearest = np.argsort(np.abs(residual), axis=1, kind="stable")[:, :count]
    chosen = np.zeros(residual.shape, dtype=np.bool_)
    np.put_along_axis(chosen, nearest, True, axis=1)
    return chosen
