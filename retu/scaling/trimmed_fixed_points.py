"""All the curves at which least trimmed squares can end: the fixed points of concentration.

The paper's trimmed fits start somewhere that nobody recorded. Random starts show where such a
search can end: each takes a few points, fits them, and concentrates until nothing changes. If the
published value is among the ends, it is a result of the published procedure from some start; if
another end has a smaller sum of squares, it is not the best one.
"""

from typing import NamedTuple

import numpy as np

from retu.scaling.best_curve import compute_residuals, fit_weights
from retu.scaling.branch import ListedSettings
from retu.scaling.law import BoolArray, FloatArray
from retu.scaling.problem import FitProblem, FittedCurves
from retu.scaling.trimming import select_nearest_points

RANDOM_STARTS = 200
POINTS_OF_A_START = 5
"""Points of a random start, the law having three to four parameters."""
MOST_STEPS = 30


class FixedPoints(NamedTuple):
    """Distinct ends of the search, best first: PL_rl (points), trimmed sum of squares, (F,)."""

    pl_rl: FloatArray
    sse: FloatArray


def find_fixed_points(
    problem: FitProblem, listed: ListedSettings, rng: np.random.Generator
) -> FixedPoints:
    """Concentrate from `RANDOM_STARTS` random starts until every row is at a fixed point.

    Args:
        problem: points and bounds, as the protocol `paper` makes them.
        listed: its trimming share.
        rng: where the starts come from.
    """
    count = int(problem.x.size * listed.lts_share)
    keep = _draw_random_starts(problem.x.size, rng)
    curves = FittedCurves(*(field.copy() for field in fit_weights(problem, keep.astype(float))))
    moving = np.ones(RANDOM_STARTS, dtype=np.bool_)
    for _ in range(MOST_STEPS):
        part = np.flatnonzero(moving)
        here = FittedCurves(*(field[part] for field in curves))
        chosen = select_nearest_points(compute_residuals(problem, here), count)
        moving[part] = (chosen != keep[part]).any(axis=1)
        keep[part] = chosen
        if not moving.any():
            break
        # The curve has moved little, so the search goes on from where it was.
        near = fit_weights(problem, chosen.astype(float), near=here)
        for field, new in zip(curves, near, strict=True):
            field[part] = new
    return _fit_distinct_sets(problem, keep[~moving])


def _draw_random_starts(size: int, rng: np.random.Generator) -> BoolArray:
    """Random sets of points, shape (STARTS, n)."""
    order = rng.random((RANDOM_STARTS, size)).argsort(axis=1)
    return order < POINTS_OF_A_START


def _fit_distinct_sets(problem: FitProblem, keep: BoolArray) -> FixedPoints:
    """Fit each distinct set once more, from everywhere, and order the ends by their loss."""
    sets = np.unique(keep, axis=0)
    curves = fit_weights(problem, sets.astype(float))
    sse = np.where(sets, compute_residuals(problem, curves) ** 2, 0.0).sum(axis=1)
    order = np.argsort(sse)
    return FixedPoints((curves.ceiling - problem.p_sft)[order], sse[order])
