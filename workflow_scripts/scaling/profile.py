"""Profile interval of the ceiling: all A_post that some curve can have without fitting worse.

For each ceiling the other parameters are refitted; the interval holds the ceilings whose sum of
squares exceeds the smallest by less than an F quantile allows. Unlike the bootstrap it makes no
new data, and it shows at once when the bound of PL_rl, not the data, ends the interval. With an
origin fixed at the measured P_sft it takes that score for exact and is too narrow (on synthetic
curves a 90% interval covers about 75%); with a free origin it covers what it says.
"""

import numpy as np
from scipy import stats

from workflow_scripts.scaling.engine import grid_sums, theta_bounds, theta_grid
from workflow_scripts.scaling.law import FloatArray
from workflow_scripts.scaling.linear import TINY, loss_change
from workflow_scripts.scaling.point import SMALLEST_SCALE, Point, residual_sd, residuals_of
from workflow_scripts.scaling.problem import Problem
from workflow_scripts.scaling.rows import Rows

GRID = (96, 40)
"""Grid points in log C_mid and log B."""
CEILINGS = 241
"""Values of PL_rl between 0 and its bound."""
LEAST_SLOPE = 0.2
"""Least mean psi': it is 0.6 to 0.8 for most residuals, and 0 would make the interval endless."""


def profile_interval(problem: Problem, point: Point, level: float) -> tuple[float, float]:
    """Ends of the interval of A_post (percent); the upper one is the bound where it is met.

    Args:
        problem: what was fitted.
        point: the fit, with the weight of each point.
        level: coverage.
    """
    rows = problem.rows(problem.gain[None], point.weight[None], problem.p_sft)
    levels = np.linspace(0.0, float(rows.cap[0]), CEILINGS)
    loss = profile_loss(problem, rows, levels)
    excess = loss - loss.min() - allowed_rise(problem, point, level)
    inside = np.flatnonzero(excess <= 0)
    ends = _crossing(levels, excess, inside[0], -1), _crossing(levels, excess, inside[-1], 1)
    return problem.base + ends[0], problem.base + ends[1]


def _crossing(levels: FloatArray, excess: FloatArray, last: int, step: int) -> float:
    """Where the excess passes 0 between the last level inside and the next one in direction."""
    beyond = last + step
    if not 0 <= beyond < levels.size:
        return float(levels[last])
    share = excess[last] / (excess[last] - excess[beyond])
    return float(levels[last] + share * (levels[beyond] - levels[last]))


def allowed_rise(problem: Problem, point: Point, level: float) -> float:
    """How much the weighted sum of squares of one parameter's interval may rise above its minimum.

    For equal noise this is F times the residual variance. Student weights are estimated from the
    same residuals, which makes the weighted sum too small; the sandwich variance of the location
    of a t distribution corrects for it: with psi(z) = u(z) z, u the weights, the variance is
    E[psi^2] / E[psi']^2 while the sum rises by E[u] times the squared distance.
    """
    kept = point.weight > 0
    standard = (residuals_of(problem, point.curve)[0] / problem.noise)[kept]
    freedom = max(int(kept.sum()) - problem.n_parameters, 1)
    inflation = float(stats.f.ppf(level, 1, freedom)) * standard.size / freedom
    nu = problem.protocol.student
    if nu is None:
        return float(inflation * np.mean(standard**2))
    scale = max(float(residual_sd(standard)), SMALLEST_SCALE)
    square = (standard / scale) ** 2
    weight = (nu + 1) / (nu + square)
    slope = max(float(np.mean((nu + 1) * (nu - square) / (nu + square) ** 2)), LEAST_SLOPE)
    variance = float(np.mean(weight**2 * square)) / slope**2
    return float(inflation * scale**2 * np.mean(weight) * variance)


def profile_loss(problem: Problem, rows: Rows, levels: FloatArray) -> FloatArray:
    """Smallest weighted sum of squares of one row for each PL_rl (from `base`), shape (L,)."""
    theta = theta_grid(*theta_bounds(rows.x, problem.bounds), GRID)
    sums, _ = grid_sums(rows, theta)
    level = levels[:, None]
    rise = np.broadcast_to(level, (levels.size, len(theta)))
    if problem.bounds.fit_epsilon:
        # The curve is level - rise * (1 - phi): one linear parameter, in closed form.
        missing = level * (sums.one - sums.phi) - (sums.gain - sums.phi_gain)
        length = np.maximum(sums.one - 2 * sums.phi + sums.phi_phi, TINY)
        rise = np.clip(missing / length, 0.0, level)
    change = loss_change(sums, level - rise, rise).min(axis=1)
    total = float((rows.weight * rows.gain**2).sum())
    loss: FloatArray = np.maximum(total + change, TINY)
    return loss
