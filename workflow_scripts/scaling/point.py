"""The best curve of one problem: which points count, and with which weight."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from workflow_scripts.errors import InputError
from workflow_scripts.scaling.branch import Listed
from workflow_scripts.scaling.engine import solve
from workflow_scripts.scaling.law import BoolArray, FloatArray
from workflow_scripts.scaling.problem import Curves, Problem
from workflow_scripts.scaling.trimming import concentrate, drop_outliers

REWEIGHTINGS = 6
"""Rounds of reweighting for Student noise; after four the curve moves by less than its error."""
SMALLEST_SCALE = 0.05
"""Least noise in points: without it, a curve that is met exactly by half of its points would
leave the others no weight."""
MAD_TO_SD = 1.4826


class Point(NamedTuple):
    """The fitted curve (one row) and the weight of each point, shape (n,); 0 leaves it out."""

    curve: Curves
    weight: FloatArray


def fit_point(problem: Problem, listed: Listed) -> Point:
    """Fit one problem as its protocol says."""
    protocol = problem.protocol
    weight = problem.noise**-2
    if protocol.search == "single start":
        return Point(single_start(problem), weight)
    if protocol.trim == "listed":
        weight = weight * trimmed(problem, listed)
    elif protocol.student is not None:
        weight = student_weights(problem, weight, protocol.student)
    return Point(fit_weights(problem, weight[None, :]), weight)


def residuals_of(problem: Problem, curves: Curves) -> FloatArray:
    """Observed minus fitted scores of every curve, points, shape (R, n)."""
    return problem.gain + problem.base - curves.score(problem.x)


def residual_sd(residual: FloatArray) -> float:
    """Robust standard deviation of residuals around 0, points."""
    return MAD_TO_SD * float(np.median(np.abs(residual)))


def trimmed(problem: Problem, listed: Listed) -> BoolArray:
    """Which points the listed cut-off and trimming keep, shape (n,)."""

    def residuals(keep: BoolArray) -> FloatArray:
        return residuals_of(problem, fit_weights(problem, keep.astype(float)))

    everything = np.ones((1, problem.x.size), dtype=np.bool_)
    keep = drop_outliers(residuals, everything, listed.tau)
    if listed.lts_share > 0:
        keep = concentrate(residuals, keep, int(problem.x.size * listed.lts_share))
    kept: BoolArray = keep[0]
    return kept


def student_weights(problem: Problem, weight: FloatArray, freedom: float) -> FloatArray:
    """Weights of Student noise (expectation-maximisation for a t location), shape (n,)."""
    base_weight = weight
    curve = None
    for _ in range(REWEIGHTINGS):
        curve = fit_weights(problem, weight[None, :], near=curve)
        standard = residuals_of(problem, curve)[0] / problem.noise
        scale = max(residual_sd(standard), SMALLEST_SCALE)
        weight = base_weight * (freedom + 1) / (freedom + (standard / scale) ** 2)
    return weight


def single_start(problem: Problem) -> Curves:
    """One bounded least-squares search by scipy from the start of the released kit.

    Bounds and start of the released code: B from 1, C_mid from the median of the positive x,
    PL_rl from the largest gain; PL_rl and epsilon within -100 and 100, C_mid without upper bound.

    Raises:
        InputError: the search does not converge.
    """
    x, gain, protocol = problem.x, problem.gain, problem.protocol
    limit = float(protocol.cap_points or 100.0)
    low = [protocol.b_min, 1e-8, -limit]
    high = [protocol.b_max, np.inf, limit]
    start = [1.0, float(np.median(x[x > 0])), float(gain.max())]
    if problem.bounds.fit_epsilon:
        low, high, start = [*low, -limit], [*high, limit], [*start, 0.0]

    def law(at: FloatArray, b: float, c_mid: float, upper: float, lower: float = 0.0) -> FloatArray:
        with np.errstate(divide="ignore", over="ignore"):
            falling: FloatArray = (c_mid / at) ** b
        return lower + (upper - lower) / (1 + falling)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # no use is made of the covariance
            found, _ = curve_fit(law, x, gain, p0=start, bounds=(low, high), maxfev=100_000)
    except RuntimeError as error:
        raise InputError(f"the single search of the released kit fails here ({error})") from error
    b, c_mid, upper, *lower = found
    fields = (problem.base, lower[0] if lower else 0.0, upper, c_mid, b)
    return Curves(*(np.array([value], dtype=np.float64) for value in fields))


def fit_weights(problem: Problem, weight: FloatArray, near: Curves | None = None) -> Curves:
    """Fit the points of a problem with several sets of weights, (R, n), from `near` if given."""
    gain = np.broadcast_to(problem.gain, weight.shape)
    start = None if near is None else np.log(np.column_stack([near.c_mid, near.b]))
    rows = problem.rows(gain, weight, problem.p_sft)
    return problem.curves(solve(rows, problem.bounds, start))
