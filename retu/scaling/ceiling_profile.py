"""Profile interval of the ceiling: all A_post that some curve can have without fitting worse.

For each ceiling the other parameters are refitted; the interval holds the ceilings whose sum of
squares exceeds the smallest by less than an F quantile allows. Unlike the bootstrap it makes no
new data, and it shows at once when the bound of PL_rl, not the data, ends the interval. With an
origin fixed at the measured P_sft it takes that score for exact and is too narrow (on synthetic
curves a 90% interval covers about 75%); with a free origin it covers what it says.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import fdtri

from retu.scaling.best_curve import (
    SMALLEST_SCALE,
    CurveFit,
    compute_residuals,
    estimate_residual_sd,
)
from retu.scaling.engine import compute_grid_sums, compute_theta_bounds, make_theta_grid
from retu.scaling.fit_rows import CurveRows
from retu.scaling.law import FloatArray
from retu.scaling.linear import TINY, compute_loss_change
from retu.scaling.problem import FitProblem

PROFILE_GRID = (96, 40)
"""Grid points in log C_mid and log B."""
CEILINGS = 121
"""Values of PL_rl between 0 and its bound, and again between the ends that they find."""
ROUNDS, ENOUGH = 4, 8
"""Times that the values are spread anew while fewer than so many are inside the interval."""
REFINEMENTS = 25
SETTLED_SHARE, PATIENCE = 1e-9, 3
"""Search ends when so many steps in a row lower no sum of squares by more than this share."""
RIDGE = 1e-12
LEAST_SLOPE = 0.2
"""Least mean psi': it is 0.6 to 0.8 for most residuals, and 0 would make the interval endless."""


def compute_profile_interval(
    problem: FitProblem, point: CurveFit, level: float
) -> tuple[float, float]:
    """Ends of the interval of A_post (percent); the upper one is the bound where it is met.

    Args:
        problem: what was fitted.
        point: the fit, with the weight of each point.
        level: coverage.
    """
    rows = problem.make_rows(problem.gain[None], point.weight[None], problem.p_sft)
    top, own = float(rows.cap[0]), float(point.curve.ceiling[0]) - problem.base
    allowed = compute_allowed_rise(problem, point, level)
    low, high = 0.0, top
    for _ in range(ROUNDS):
        levels = np.union1d(np.linspace(low, high, CEILINGS), np.clip(own, 0.0, top))
        loss = compute_profile_loss(problem, rows, levels)
        excess = loss - loss.min() - allowed
        inside = np.flatnonzero(excess <= 0)
        if inside.size >= ENOUGH:
            break
        low = float(levels[max(inside[0] - 1, 0)])
        high = float(levels[min(inside[-1] + 1, levels.size - 1)])
    ends = (
        _find_crossing(levels, excess, inside[0], -1),
        _find_crossing(levels, excess, inside[-1], 1),
    )
    return problem.base + ends[0], problem.base + ends[1]


def _find_crossing(levels: FloatArray, excess: FloatArray, last: int, step: int) -> float:
    """Where the excess passes 0 between the last level inside and the next one in direction."""
    beyond = last + step
    if not 0 <= beyond < levels.size:
        return float(levels[last])
    share = excess[last] / (excess[last] - excess[beyond])
    return float(levels[last] + share * (levels[beyond] - levels[last]))


def compute_allowed_rise(problem: FitProblem, point: CurveFit, level: float) -> float:
    """How much the weighted sum of squares of one parameter's interval may rise above its minimum.

    For equal noise this is F times the residual variance. Student weights are estimated from the
    same residuals, which makes the weighted sum too small; the sandwich variance of the location
    of a t distribution corrects for it: with psi(z) = u(z) z, u the weights, the variance is
    E[psi^2] / E[psi']^2 while the sum rises by E[u] times the squared distance.
    """
    kept = point.weight > 0
    standard = (compute_residuals(problem, point.curve)[0] / problem.noise)[kept]
    freedom = max(int(kept.sum()) - problem.n_parameters, 1)
    inflation = float(fdtri(1, freedom, level)) * standard.size / freedom
    nu = problem.protocol.student
    if nu is None:
        return float(inflation * np.mean(standard**2))
    scale = max(float(estimate_residual_sd(standard)), SMALLEST_SCALE)
    square = (standard / scale) ** 2
    weight = (nu + 1) / (nu + square)
    slope = max(float(np.mean((nu + 1) * (nu - square) / (nu + square) ** 2)), LEAST_SLOPE)
    variance = float(np.mean(weight**2 * square)) / slope**2
    return float(inflation * scale**2 * np.mean(weight) * variance)


def compute_profile_loss(problem: FitProblem, rows: CurveRows, levels: FloatArray) -> FloatArray:
    """Smallest weighted sum of squares of one row for each PL_rl (from `base`), shape (L,).

    The best of a grid, refined: at low noise the grid alone fits worse than the curve whose
    interval is asked for.
    """
    free = problem.bounds.fit_epsilon
    low, high = compute_theta_bounds(rows.x, problem.bounds)
    theta = make_theta_grid(low, high, PROFILE_GRID)
    sums, _ = compute_grid_sums(rows, theta)
    level = levels[:, None]
    rise = np.broadcast_to(level, (levels.size, len(theta)))
    if free:
        # The curve is level - rise * (1 - phi): one linear parameter, in closed form.
        missing = level * (sums.one - sums.phi) - (sums.gain - sums.phi_gain)
        length = np.maximum(sums.one - 2 * sums.phi + sums.phi_phi, TINY)
        rise = np.clip(missing / length, 0.0, level)
    best = theta[compute_loss_change(sums, level - rise, rise).argmin(axis=1)]
    loss: FloatArray = np.maximum(refine_levels(rows, levels, best, (low, high), free), TINY)
    return loss


def refine_levels(
    rows: CurveRows,
    levels: FloatArray,
    theta: FloatArray,
    bounds: tuple[FloatArray, FloatArray],
    free: bool,
) -> FloatArray:
    """Smallest sum of squares of every level near its theta, shape (L,): Levenberg-Marquardt.

    Args:
        rows: one row.
        levels: values of PL_rl, shape (L,).
        theta: where to start, shape (L, 2).
        bounds: lower and upper (log C_mid, log B).
        free: epsilon is fitted, so that the rise is the best one for each theta.
    """
    weight = rows.weight[0]
    state = _evaluate_levels(rows, levels, theta, free)
    damping = np.full(levels.size, 1e-2)
    idle = 0
    for _ in range(REFINEMENTS):
        step = _compute_step(state, weight, theta, damping, free)
        trial = np.clip(theta + step, *bounds)
        new = _evaluate_levels(rows, levels, trial, free)
        better = new.loss < state.loss
        gained = bool((new.loss < state.loss * (1 - SETTLED_SHARE)).any())
        theta = np.where(better[:, None], trial, theta)
        state = LevelState(
            *(
                np.where(better.reshape(-1, *[1] * (a.ndim - 1)), a, b)
                for a, b in zip(new, state, strict=True)
            )
        )
        damping = np.clip(damping * np.where(better, 0.2, 5.0), 1e-9, 1e9)
        idle = 0 if gained else idle + 1
        if idle >= PATIENCE:
            break
    loss: FloatArray = state.loss
    return loss


class LevelState(NamedTuple):
    """Curves of every level: phi and its scaled logs, rise, residuals (L, n); loss (L,)."""

    phi: FloatArray
    scaled_log: FloatArray
    rise: FloatArray
    residual: FloatArray
    loss: FloatArray


def _evaluate_levels(
    rows: CurveRows, levels: FloatArray, theta: FloatArray, free: bool
) -> LevelState:
    weight, gain = rows.weight[0], rows.gain[0]
    positive = rows.x > 0
    log_x = np.log(np.where(positive, rows.x, 1.0))
    scaled = np.where(positive, np.exp(theta[:, 1:]) * (log_x - theta[:, :1]), 0.0)
    phi = np.where(positive, 0.5 + 0.5 * np.tanh(0.5 * scaled), 0.0)
    rest, level = 1 - phi, levels[:, None]
    rise = level
    if free:
        length = np.maximum((weight * rest**2).sum(axis=1), TINY)
        rise = np.clip(((weight * rest * (level - gain)).sum(axis=1) / length)[:, None], 0.0, level)
    residual = gain - level + rise * rest
    return LevelState(phi, scaled, rise, residual, (weight * residual**2).sum(axis=1))


def _compute_step(
    state: LevelState, weight: FloatArray, theta: FloatArray, damping: FloatArray, free: bool
) -> FloatArray:
    """Damped Gauss-Newton steps of (log C_mid, log B), shape (L, 2)."""
    slope = state.rise * state.phi * (1 - state.phi)
    columns = np.stack([-np.exp(theta[:, 1:]) * slope, state.scaled_log * slope])
    if free:
        rest = 1 - state.phi
        length = np.maximum((weight * rest**2).sum(axis=1), TINY)
        taken = (weight * rest * columns).sum(axis=2) / length
        columns = columns - taken[..., None] * rest
    descent = (weight * columns * state.residual).sum(axis=2)
    first, second = ((weight * column**2).sum(axis=1) * (1 + damping) for column in columns)
    cross = (weight * columns[0] * columns[1]).sum(axis=1)
    first, second = first + RIDGE, second + RIDGE
    determinant = np.maximum(first * second - cross**2, RIDGE**2)
    step = np.stack(
        [second * descent[0] - cross * descent[1], first * descent[1] - cross * descent[0]], axis=1
    )
    limited: FloatArray = np.clip(step / determinant[:, None], -1.0, 1.0)
    return limited
