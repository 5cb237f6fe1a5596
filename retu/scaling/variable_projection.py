"""Levenberg-Marquardt on (log C_mid, log B) of many rows at once, the linear half projected out.

Every row has a damping and an end of its own; rows that are done leave the batch.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retu.scaling.fit_rows import CurveRows
from retu.scaling.law import BoolArray, FloatArray
from retu.scaling.linear import (
    FACE_BOTH,
    FACE_NONE,
    FACE_TRADE,
    TINY,
    LinearFit,
    WeightedSums,
    solve_linear,
)

ITERATIONS = 100
CONVERGED = 1e-10
"""Decrease that the model still promises, relative to the sum of squares, when a row is done."""
SMALLEST_STEP = 1e-10
"""Step in (log C_mid, log B) below which a row is done."""
FEW_LEFT = 0.8
"""Rows are regrouped once fewer than this share of them is still moving."""
FREE, DAMPING_LIMIT = 1e-2, 1e10
"""Damping up to which a step is as good as undamped, and at which the search gives up."""
POOR_TRUST, GOOD_TRUST = 0.25, 0.75
"""Shares of the promised decrease below which the damping grows and above which it shrinks."""
LARGEST_STEP = 1.0
RIDGE = 1e-12
"""Added to the normal equations (points^2), where a parameter has no influence at all."""


class ProjectedFit(NamedTuple):
    """The projected fit at one theta = (log C_mid, log B) a row, and what its slopes need."""

    phi: FloatArray
    scaled_log: FloatArray
    linear: LinearFit
    residual: FloatArray
    sse: FloatArray


def project_rows(rows: CurveRows, theta: FloatArray, fit_epsilon: bool) -> ProjectedFit:
    """Best epsilon and rise at theta, with residuals from the points (no cancellation)."""
    positive = rows.x > 0
    log_x = np.log(np.where(positive, rows.x, 1.0))
    scaled_log = np.exp(theta[:, 1:]) * (log_x - theta[:, :1])
    phi = np.tanh(0.5 * scaled_log)
    phi += 1.0
    phi *= 0.5 * positive
    sums = WeightedSums(
        one=rows.weight.sum(axis=1),
        gain=_sum_products(rows.weight, rows.gain),
        phi=_sum_products(rows.weight, phi),
        phi_phi=_sum_products(rows.weight, phi, phi),
        phi_gain=_sum_products(rows.weight, phi, rows.gain),
    )
    linear = solve_linear(sums, rows.cap, fit_epsilon)
    residual = rows.gain - linear.rise[:, None] * phi
    if fit_epsilon:
        residual -= linear.epsilon[:, None]
    return ProjectedFit(
        phi, scaled_log, linear, residual, _sum_products(rows.weight, residual, residual)
    )


def _sum_products(*factors: FloatArray) -> FloatArray:
    """Sum over the points of the product of arrays of shape (R, n), shape (R,)."""
    result: FloatArray = np.einsum(",".join(["rn"] * len(factors)) + "->r", *factors)
    return result


def refine_theta(
    rows: CurveRows, theta: FloatArray, low: FloatArray, high: FloatArray, fit_epsilon: bool
) -> tuple[FloatArray, FloatArray]:
    """Levenberg-Marquardt on every row until its step or its progress ends."""
    theta, sse = theta.copy(), np.full(len(theta), np.inf)
    index, part, here = np.arange(len(theta)), rows, theta.copy()
    state = project_rows(part, here, fit_epsilon)
    damping, moving = np.full(len(theta), 1e-3), np.ones(len(theta), dtype=np.bool_)
    for _ in range(ITERATIONS):
        normal, descent = _make_normal_equations(part, here, state, low, high)
        trial = np.clip(here + _solve_damped_step(normal, descent, damping), low, high)
        trial = np.where(moving[:, None], trial, here)
        new = project_rows(part, trial, fit_epsilon)
        decrease = state.sse - new.sse
        promise = _predict_decrease(normal, descent, trial - here)
        # A damped step promises little because it is short, so only a free one ends the search.
        settled = (promise <= CONVERGED * state.sse) & (damping <= FREE)
        # A step far from what the quadratic model promised is shortened even if it helped: where
        # the cap leaves large residuals, plain acceptance zigzags across the valley.
        trust = decrease / np.maximum(promise, TINY)
        damping *= np.where(trust > GOOD_TRUST, 0.2, np.where(trust < POOR_TRUST, 5.0, 1.0))
        damping = np.minimum(damping, DAMPING_LIMIT)
        moved = np.abs(trial - here).max(axis=1) > SMALLEST_STEP
        moving &= moved & (damping < DAMPING_LIMIT) & ~settled
        better = decrease > 0
        here[better] = trial[better]
        state = _choose_rows(better, new, state)
        if moving.mean() < FEW_LEFT:
            theta[index], sse[index] = here, state.sse
            kept = np.flatnonzero(moving)
            index, part, here, damping = index[kept], part.take(kept), here[kept], damping[kept]
            state, moving = _take_rows(state, kept), moving[kept]
        if index.size == 0:
            break
    theta[index], sse[index] = here, state.sse
    return theta, sse


def _choose_rows(use_new: BoolArray, new: ProjectedFit, old: ProjectedFit) -> ProjectedFit:
    """The rows of `new` where told, else those of `old`."""
    column = use_new[:, None]
    linear = LinearFit(
        np.where(use_new, new.linear.epsilon, old.linear.epsilon),
        np.where(use_new, new.linear.rise, old.linear.rise),
        np.where(use_new, new.linear.face, old.linear.face),
    )
    return ProjectedFit(
        np.where(column, new.phi, old.phi),
        np.where(column, new.scaled_log, old.scaled_log),
        linear,
        np.where(column, new.residual, old.residual),
        np.where(use_new, new.sse, old.sse),
    )


def _take_rows(state: ProjectedFit, index: npt.NDArray[np.intp]) -> ProjectedFit:
    """Some rows of a state."""
    epsilon, rise, face = state.linear
    linear = LinearFit(epsilon[index], rise[index], face[index])
    phi, scaled_log, residual = (a[index] for a in (state.phi, state.scaled_log, state.residual))
    return ProjectedFit(phi, scaled_log, linear, residual, state.sse[index])


def _make_normal_equations(
    rows: CurveRows, theta: FloatArray, state: ProjectedFit, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gauss-Newton matrix (R, 3: two diagonal elements, one beside) and descent (R, 2).

    With q = phi (1 - phi) the derivatives of the curve are -B rise q by log C_mid, and
    rise B log(x / C_mid) q by log B, both less what the free linear parameters absorb.
    """
    q = state.phi - state.phi * state.phi
    zq = state.scaled_log * q
    scale = np.stack([-np.exp(theta[:, 1]), np.ones(len(theta))], axis=1)
    scale *= state.linear.rise[:, None]
    wq, wzq = rows.weight * q, rows.weight * zq
    descent = scale * np.stack(
        [_sum_products(wq, state.residual), _sum_products(wzq, state.residual)], axis=1
    )
    products = np.stack(
        [_sum_products(wq, q), _sum_products(wzq, zq), _sum_products(wq, zq)], axis=1
    )
    products -= _compute_absorbed_part(rows, state, wq, wzq)
    normal = products * np.column_stack([scale**2, scale.prod(axis=1)])
    # A parameter that would leave its range stays, so that the other one can still move.
    blocked = ((theta <= low) & (descent < 0)) | ((theta >= high) & (descent > 0))
    normal = np.where(np.column_stack([blocked, blocked.any(axis=1)]), 0.0, normal)
    return np.maximum(normal, [0.0, 0.0, -np.inf]), np.where(blocked, 0.0, descent)


def _compute_absorbed_part(
    rows: CurveRows, state: ProjectedFit, wq: FloatArray, wzq: FloatArray
) -> FloatArray:
    """What the free linear columns take from the products of the derivatives, (R, 3)."""
    face = state.linear.face
    column = state.phi
    if (face == FACE_TRADE).any():
        column = np.where((face == FACE_TRADE)[:, None], 1 - state.phi, state.phi)
    column = np.where((face == FACE_NONE)[:, None], 0.0, column)
    taken = _multiply_projections(
        _sum_products(column, wq),
        _sum_products(column, wzq),
        _sum_products(rows.weight, column, column),
    )
    if not (face == FACE_BOTH).any():
        return taken
    # Second column: the constant, made orthogonal to the first.
    length = np.maximum(_sum_products(rows.weight, column, column), TINY)
    rest = 1.0 - (_sum_products(rows.weight, column) / length)[:, None] * column
    rest = np.where((face == FACE_BOTH)[:, None], rest, 0.0)
    return taken + _multiply_projections(
        _sum_products(rest, wq), _sum_products(rest, wzq), _sum_products(rows.weight, rest, rest)
    )


def _multiply_projections(first: FloatArray, second: FloatArray, length: FloatArray) -> FloatArray:
    """Products of two projections on a column of the given squared length, (R, 3)."""
    products = np.stack([first * first, second * second, first * second], axis=1)
    return products / np.maximum(length, TINY)[:, None]


def _solve_damped_step(normal: FloatArray, descent: FloatArray, damping: FloatArray) -> FloatArray:
    """Solve the damped 2 x 2 systems; steps are limited, shape (R, 2)."""
    first = normal[:, 0] * (1 + damping) + RIDGE
    second = normal[:, 1] * (1 + damping) + RIDGE
    cross = normal[:, 2]
    determinant = np.maximum(first * second - cross**2, RIDGE**2)
    step = np.stack(
        [
            (second * descent[:, 0] - cross * descent[:, 1]) / determinant,
            (first * descent[:, 1] - cross * descent[:, 0]) / determinant,
        ],
        axis=1,
    )
    # Shortened as a whole: cutting one component would turn it away from the valley.
    length = np.maximum(np.abs(step).max(axis=1, keepdims=True), LARGEST_STEP)
    return np.asarray(step * (LARGEST_STEP / length))


def _predict_decrease(normal: FloatArray, descent: FloatArray, step: FloatArray) -> FloatArray:
    """Decrease of the sum of squares that the quadratic model promises for a step, (R,)."""
    curvature = (normal[:, :2] * step**2).sum(axis=1) + 2 * normal[:, 2] * step.prod(axis=1)
    decrease: FloatArray = 2 * (step * descent).sum(axis=1) - curvature
    return decrease
