"""Bounded multi-start least squares for the RL law, vectorised over many curves at one x.

Variable projection: epsilon and PL_rl are linear once C_mid and B are known (`linear.py`), so only
(log C_mid, log B) is searched: a grid first, then Levenberg-Marquardt from its best local minima.
Rows may be bootstrap draws, subsets of points (weights 0 and 1) or reweighted points: protocols
differ in the rows they build, not in this engine.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workflow_scripts.scaling.law import FloatArray, rise_fraction
from workflow_scripts.scaling.linear import (
    FACE_BOTH,
    FACE_RISE,
    FACE_TRADE,
    TINY,
    LinearFit,
    Sums,
    loss_change,
    solve_linear,
)
from workflow_scripts.scaling.settings import FitSettings

GRID = (32, 16)
"""Grid points in log C_mid and log B."""
STARTS = 3
"""Local minima of the grid that are refined; sharp rises between two points make several."""
ITERATIONS = 100
CONVERGED = 1e-10
"""Step in (log C_mid, log B) below which a row is done."""
DAMPING_LIMIT = 1e10
POOR_TRUST, GOOD_TRUST = 0.25, 0.75
"""Shares of the promised decrease below which the damping grows and above which it shrinks."""
LARGEST_STEP = 1.0
RIDGE = 1e-12
"""Added to the normal equations (points^2), where a parameter has no influence at all."""


@dataclass(frozen=True)
class Rows:
    """R curves measured at the same n points.

    Attributes:
        x: RL compute, EFLOPs, shape (n,).
        gain: score minus P_sft, points, shape (R, n).
        weight: weight of each point, shape (R, n); 0 leaves a point out.
        cap: upper bound of PL_rl, points, shape (R,).
    """

    x: FloatArray
    gain: FloatArray
    weight: FloatArray
    cap: FloatArray

    def take(self, index: npt.NDArray[np.intp]) -> "Rows":
        """Select the rows at `index`, repeats allowed."""
        return Rows(self.x, self.gain[index], self.weight[index], self.cap[index])


class Solution(NamedTuple):
    """Best parameters of every row, each of shape (R,); `sse` is the weighted sum of squares."""

    epsilon: FloatArray
    pl_rl: FloatArray
    c_mid: FloatArray
    b: FloatArray
    sse: FloatArray


class _State(NamedTuple):
    """The projected fit at one theta = (log C_mid, log B) a row."""

    phi: FloatArray
    linear: LinearFit
    residual: FloatArray
    sse: FloatArray


def solve(rows: Rows, settings: FitSettings) -> Solution:
    """Fit every row; deterministic. Some x must be positive and every cap at least 0."""
    low, high = _theta_bounds(rows.x, settings)
    starts = _grid_minima(rows, low, high, settings.fit_epsilon)
    n_rows, n_starts = starts.shape[:2]
    repeated = rows.take(np.repeat(np.arange(n_rows), n_starts))
    theta, sse = _refine(repeated, starts.reshape(-1, 2), low, high, settings.fit_epsilon)
    winner = np.arange(n_rows) * n_starts + sse.reshape(n_rows, n_starts).argmin(axis=1)
    state = _project(rows, theta[winner], settings.fit_epsilon)
    return Solution(
        epsilon=state.linear.epsilon,
        pl_rl=state.linear.epsilon + state.linear.rise,
        c_mid=np.exp(theta[winner, 0]),
        b=np.exp(theta[winner, 1]),
        sse=state.sse,
    )


def _theta_bounds(x: FloatArray, settings: FitSettings) -> tuple[FloatArray, FloatArray]:
    positive = x[x > 0]
    low = [positive.min() / settings.c_mid_below, settings.b_min]
    high = [positive.max() * settings.c_mid_above, settings.b_max]
    return np.log(low), np.log(high)


def _grid_minima(rows: Rows, low: FloatArray, high: FloatArray, fit_epsilon: bool) -> FloatArray:
    """Find the best local minima of the grid, shape (R, STARTS, 2)."""
    axes = [np.linspace(low[k], high[k], GRID[k]) for k in range(2)]
    theta = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    phi = rise_fraction(rows.x, theta[:, :1], np.exp(theta[:, 1:]))
    weighted = rows.weight * rows.gain
    sums = Sums(
        one=rows.weight.sum(axis=1)[:, None],
        gain=weighted.sum(axis=1)[:, None],
        phi=rows.weight @ phi.T,
        phi_phi=rows.weight @ (phi**2).T,
        phi_gain=weighted @ phi.T,
    )
    linear = solve_linear(sums, rows.cap[:, None], fit_epsilon)
    loss = loss_change(sums, linear.epsilon, linear.rise).reshape(-1, *GRID)
    ranked = np.where(_lowest_around(loss) == loss, loss, np.inf).reshape(len(loss), -1)
    best = np.argsort(ranked, axis=1, kind="stable")[:, :STARTS]
    return theta[best]


def _lowest_around(loss: FloatArray) -> FloatArray:
    """Return the minimum over each 3 x 3 neighbourhood of grids of shape (R, C, B)."""
    for axis in (1, 2):
        before, after = np.roll(loss, 1, axis), np.roll(loss, -1, axis)
        # roll wraps around; a grid does not.
        np.moveaxis(before, axis, 0)[0] = np.inf
        np.moveaxis(after, axis, 0)[-1] = np.inf
        loss = np.minimum(loss, np.minimum(before, after))
    return loss


def _project(rows: Rows, theta: FloatArray, fit_epsilon: bool) -> _State:
    """Best epsilon and rise at theta, with residuals from the points (no cancellation)."""
    phi = rise_fraction(rows.x, theta[:, :1], np.exp(theta[:, 1:]))
    weighted = rows.weight * phi
    sums = Sums(
        one=rows.weight.sum(axis=1),
        gain=(rows.weight * rows.gain).sum(axis=1),
        phi=weighted.sum(axis=1),
        phi_phi=(weighted * phi).sum(axis=1),
        phi_gain=(weighted * rows.gain).sum(axis=1),
    )
    linear = solve_linear(sums, rows.cap, fit_epsilon)
    residual = rows.gain - linear.epsilon[:, None] - linear.rise[:, None] * phi
    return _State(phi, linear, residual, (rows.weight * residual**2).sum(axis=1))


def _refine(
    rows: Rows, theta: FloatArray, low: FloatArray, high: FloatArray, fit_epsilon: bool
) -> tuple[FloatArray, FloatArray]:
    """Levenberg-Marquardt on every row until its step or its progress ends."""
    theta = theta.copy()
    damping = np.full(len(theta), 1e-3)
    active = np.arange(len(theta))
    for _ in range(ITERATIONS):
        part, here = rows.take(active), theta[active]
        state = _project(part, here, fit_epsilon)
        normal, descent = _normal_equations(part, here, state, low, high)
        trial = np.clip(here + _damped_step(normal, descent, damping[active]), low, high)
        decrease = state.sse - _project(part, trial, fit_epsilon).sse
        # A step far from what the quadratic model promised is shortened even if it helped: where
        # the cap leaves large residuals, plain acceptance zigzags across the valley.
        trust = decrease / np.maximum(_promise(normal, descent, trial - here), TINY)
        damping[active] *= np.where(trust > GOOD_TRUST, 0.2, np.where(trust < POOR_TRUST, 5.0, 1.0))
        theta[active] = np.where((decrease > 0)[:, None], trial, here)
        moved = np.abs(trial - here).max(axis=1) > CONVERGED
        active = active[moved & (damping[active] < DAMPING_LIMIT)]
        if active.size == 0:
            break
    return theta, _project(rows, theta, fit_epsilon).sse


def _normal_equations(
    rows: Rows, theta: FloatArray, state: _State, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gauss-Newton matrix (R, 2, 2) and descent direction (R, 2) of the projected problem."""
    b = np.exp(theta[:, 1:])
    log_x = np.log(np.where(rows.x > 0, rows.x, 1.0))
    slope = state.linear.rise[:, None] * state.phi * (1 - state.phi)
    jacobian = np.stack([-b * slope, b * (log_x - theta[:, :1]) * slope], axis=1)
    jacobian = _without_free_columns(jacobian, rows.weight, state)
    descent = np.einsum("rkn,rn->rk", jacobian, rows.weight * state.residual)
    # A parameter that would leave its range stays, so that the other one can still move.
    blocked = ((theta <= low) & (descent < 0)) | ((theta >= high) & (descent > 0))
    jacobian = np.where(blocked[..., None], 0.0, jacobian)
    descent = np.where(blocked, 0.0, descent)
    return np.einsum("rkn,rn,rln->rkl", jacobian, rows.weight, jacobian), descent


def _damped_step(normal: FloatArray, descent: FloatArray, damping: FloatArray) -> FloatArray:
    """Solve the damped 2 x 2 systems; steps are limited, shape (R, 2)."""
    first = normal[:, 0, 0] * (1 + damping) + RIDGE
    second = normal[:, 1, 1] * (1 + damping) + RIDGE
    cross = normal[:, 0, 1]
    determinant = np.maximum(first * second - cross**2, RIDGE**2)
    step: FloatArray = np.stack(
        [
            (second * descent[:, 0] - cross * descent[:, 1]) / determinant,
            (first * descent[:, 1] - cross * descent[:, 0]) / determinant,
        ],
        axis=1,
    )
    return np.clip(step, -LARGEST_STEP, LARGEST_STEP)


def _promise(normal: FloatArray, descent: FloatArray, step: FloatArray) -> FloatArray:
    """Decrease of the sum of squares that the quadratic model promises for a step, (R,)."""
    curvature = np.einsum("rk,rkl,rl->r", step, normal, step)
    decrease: FloatArray = 2 * (step * descent).sum(axis=1) - curvature
    return decrease


def _without_free_columns(jacobian: FloatArray, weight: FloatArray, state: _State) -> FloatArray:
    """Remove what the free linear parameters will absorb (weighted Gram-Schmidt)."""
    face = state.linear.face[:, None]
    has_phi = (face == FACE_RISE) | (face == FACE_BOTH)
    first = np.where(has_phi, state.phi, np.where(face == FACE_TRADE, 1 - state.phi, 0.0))
    first = _normalised(first, weight)
    second = np.where(face == FACE_BOTH, 1.0, 0.0)
    second = second - (weight * first * second).sum(axis=1, keepdims=True) * first
    for column in (first, _normalised(second, weight)):
        along = np.einsum("rkn,rn->rk", jacobian, weight * column)
        jacobian = jacobian - along[..., None] * column[:, None, :]
    return jacobian


def _normalised(column: FloatArray, weight: FloatArray) -> FloatArray:
    """Scale each row to weighted length 1; a zero row stays zero."""
    length = np.sqrt((weight * column**2).sum(axis=1, keepdims=True))
    scaled: FloatArray = column / np.maximum(length, TINY)
    return np.where(length > 0, scaled, 0.0)
