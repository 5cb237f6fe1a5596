"""Bounded multi-start least squares for the RL law, vectorised over many curves at one x.

Variable projection: epsilon and PL_rl are linear once C_mid and B are known (`linear.py`), so only
(log C_mid, log B) is searched: a grid first, then Levenberg-Marquardt from its best local minima.
Rows may be bootstrap draws, subsets of points (weights 0 and 1) or reweighted points: protocols
differ in the rows they build, not in this engine.

Curves with other x are other calls: a thousand draws of one curve fill the processor's cache, and
padding all curves to one length only made the same work slower.
"""

from typing import NamedTuple

import numpy as np

from retu.scaling.fit_rows import Bounds, CurveRows
from retu.scaling.law import FloatArray, compute_rise_fraction
from retu.scaling.linear import WeightedSums, compute_loss_change, solve_linear
from retu.scaling.variable_projection import project_rows, refine_theta

THETA_GRID = (32, 16)
"""Grid points in log C_mid and log B."""
STARTS_PER_ROW = 2
"""Local minima of the grid that are refined; sharp rises between two points make several."""


class Solution(NamedTuple):
    """Best parameters of every row, each of shape (R,); `sse` is the weighted sum of squares."""

    epsilon: FloatArray
    pl_rl: FloatArray
    c_mid: FloatArray
    b: FloatArray
    sse: FloatArray


def solve_rows(rows: CurveRows, bounds: Bounds, start: FloatArray | None = None) -> Solution:
    """Fit every row; deterministic. Some x must be positive and every cap at least 0.

    Args:
        rows: the curves.
        bounds: ranges of the parameters.
        start: (log C_mid, log B) to start from, shape (R, 2), instead of the grid search: for
            rows whose optimum is known to be near.
    """
    low, high = compute_theta_bounds(rows.x, bounds)
    if start is None:
        starts = _find_grid_minima(rows, low, high, bounds.fit_epsilon)
    else:
        starts = np.clip(start, low, high)[:, None, :]
    n_rows, n_starts = starts.shape[:2]
    repeated = rows if n_starts == 1 else rows.take(np.repeat(np.arange(n_rows), n_starts))
    theta, sse = refine_theta(repeated, starts.reshape(-1, 2), low, high, bounds.fit_epsilon)
    winner = np.arange(n_rows) * n_starts + sse.reshape(n_rows, n_starts).argmin(axis=1)
    state = project_rows(rows, theta[winner], bounds.fit_epsilon)
    return Solution(
        epsilon=state.linear.epsilon,
        pl_rl=state.linear.epsilon + state.linear.rise,
        c_mid=np.exp(theta[winner, 0]),
        b=np.exp(theta[winner, 1]),
        sse=state.sse,
    )


def compute_theta_bounds(x: FloatArray, bounds: Bounds) -> tuple[FloatArray, FloatArray]:
    """Lower and upper (log C_mid, log B) for compute x (EFLOPs)."""
    positive = x[x > 0]
    low = [positive.min() / bounds.c_mid_below, bounds.b_min]
    high = [positive.max() * bounds.c_mid_above, bounds.b_max]
    return np.log(low), np.log(high)


def make_theta_grid(low: FloatArray, high: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """All pairs of a grid between two corners, shape (C * B, 2), C_mid outermost."""
    axes = [np.linspace(low[k], high[k], shape[k]) for k in range(2)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def compute_grid_sums(rows: CurveRows, theta: FloatArray) -> tuple[WeightedSums, FloatArray]:
    """Weighted sums of every row at every theta, fields (R, T) or (R, 1), and phi (T, n)."""
    phi = compute_rise_fraction(rows.x, theta[:, :1], np.exp(theta[:, 1:]))
    weighted = rows.weight * rows.gain
    sums = WeightedSums(
        one=rows.weight.sum(axis=1)[:, None],
        gain=weighted.sum(axis=1)[:, None],
        phi=rows.weight @ phi.T,
        phi_phi=rows.weight @ (phi**2).T,
        phi_gain=weighted @ phi.T,
    )
    return sums, phi


def _find_grid_minima(
    rows: CurveRows, low: FloatArray, high: FloatArray, fit_epsilon: bool
) -> FloatArray:
    """Find the best local minima of the grid, shape (R, STARTS, 2)."""
    theta = make_theta_grid(low, high, THETA_GRID)
    sums, _ = compute_grid_sums(rows, theta)
    linear = solve_linear(sums, rows.cap[:, None], fit_epsilon)
    loss = compute_loss_change(sums, linear.epsilon, linear.rise).reshape(-1, *THETA_GRID)
    ranked = np.where(_find_neighbourhood_minimum(loss) == loss, loss, np.inf).reshape(
        len(loss), -1
    )
    best = np.argpartition(ranked, STARTS_PER_ROW, axis=1)[:, :STARTS_PER_ROW]
    return theta[best]


def _find_neighbourhood_minimum(loss: FloatArray) -> FloatArray:
    """Return the minimum over each 3 x 3 neighbourhood of grids of shape (R, C, B)."""
    for axis in (1, 2):
        before, after = np.roll(loss, 1, axis), np.roll(loss, -1, axis)
        # roll wraps around; a grid does not.
        np.moveaxis(before, axis, 0)[0] = np.inf
        np.moveaxis(after, axis, 0)[-1] = np.inf
        loss = np.minimum(loss, np.minimum(before, after))
    return loss
