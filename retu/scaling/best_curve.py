"""The best curve of one problem: which points count, and with which weight."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from retu.core.errors import InputError
from retu.scaling.branch import ListedSettings
from retu.scaling.engine import solve_rows
from retu.scaling.fit_rows import CurveRows
from retu.scaling.law import BoolArray, FloatArray
from retu.scaling.problem import FitProblem, FittedCurves
from retu.scaling.trimming import concentrate_points, drop_outliers

REWEIGHTINGS = 6
"""Rounds of reweighting for Student noise; after four the curve moves by less than its error."""
SMALLEST_SCALE = 0.05
"""Least noise in points: without it, a curve that is met exactly by half of its points would
leave the others no weight."""
MAD_TO_SD = 1.4826
LEAST_C_MID = 1e-8
"""Least C_mid of the released kit, EFLOPs."""


class CurveFit(NamedTuple):
    """The fitted curve (one row) and the weight of each point, shape (n,); 0 leaves it out."""

    curve: FittedCurves
    weight: FloatArray


class CurveFits(NamedTuple):
    """The same of R problems: one curve a row, weights of shape (R, n)."""

    curves: FittedCurves
    weight: FloatArray


def fit_problem(problem: FitProblem, listed: ListedSettings) -> CurveFit:
    """Fit one problem as its protocol says."""
    protocol = problem.protocol
    weight = problem.noise**-2
    if protocol.search == "single start":
        return CurveFit(fit_from_kit_start(problem), weight)
    if protocol.trim == "listed":
        weight = weight * select_kept_points(problem, listed)
        return CurveFit(fit_weights(problem, weight[None, :]), weight)
    curves, weights = fit_problems([problem])
    return CurveFit(curves, weights[0])


def needs_own_fit(problem: FitProblem) -> bool:
    """Whether a protocol fits its problems one by one, by a search or a trimming of its own."""
    return problem.protocol.search != "grid" or problem.protocol.trim != "none"


def fit_problems(problems: Sequence[FitProblem]) -> CurveFits:
    """Fit problems that share x and bounds, and of which none `needs_own_fit`, in one call."""
    weight = np.stack([problem.noise**-2 for problem in problems])
    robust = [i for i, problem in enumerate(problems) if problem.protocol.student is not None]
    if robust:
        weight[robust] = compute_student_weights([problems[i] for i in robust], weight[robust])
    return CurveFits(fit_each(problems, weight), weight)


def compute_residuals(problem: FitProblem, curves: FittedCurves) -> FloatArray:
    """Observed minus fitted scores of every curve, points, shape (R, n)."""
    return problem.observed_scores - curves.compute_score(problem.x)


def estimate_residual_sd(residual: FloatArray) -> FloatArray:
    """Robust standard deviation of residuals around 0, points: shape (..., n) to (...)."""
    return MAD_TO_SD * np.median(np.abs(residual), axis=-1)


def select_kept_points(problem: FitProblem, listed: ListedSettings) -> BoolArray:
    """Which points the listed cut-off and trimming keep, shape (n,)."""

    def fit_residuals(keep: BoolArray) -> FloatArray:
        return compute_residuals(problem, fit_weights(problem, keep.astype(float)))

    everything = np.ones((1, problem.x.size), dtype=np.bool_)
    keep = drop_outliers(fit_residuals, everything, listed.tau)
    if listed.lts_share > 0:
        keep = concentrate_points(fit_residuals, keep, int(problem.x.size * listed.lts_share))
    kept: BoolArray = keep[0]
    return kept


def compute_student_weights(problems: Sequence[FitProblem], weight: FloatArray) -> FloatArray:
    """Weights of Student noise (expectation-maximisation for a t location), shape (R, n).

    Args:
        problems: R problems that share x and bounds; the protocol of each has `student`.
        weight: weights by the standard errors alone, shape (R, n).
    """
    observed = np.stack([problem.observed_scores for problem in problems])
    noise = np.stack([problem.noise for problem in problems])
    freedom = np.array([[problem.protocol.student or np.nan] for problem in problems])
    base_weight, curves = weight, None
    for _ in range(REWEIGHTINGS):
        curves = fit_each(problems, weight, near=curves)
        standard = (observed - curves.compute_score(problems[0].x)) / noise
        scale = np.maximum(estimate_residual_sd(standard), SMALLEST_SCALE)[:, None]
        weight = base_weight * (freedom + 1) / (freedom + (standard / scale) ** 2)
    return weight


def fit_from_kit_start(problem: FitProblem) -> FittedCurves:
    """One bounded least-squares search by scipy from the start of the released kit.

    Bounds and start of the released code: B from 1, C_mid from the median of the positive x,
    PL_rl from the largest gain; PL_rl and epsilon within -100 and 100, C_mid without upper bound.

    Raises:
        InputError: the search does not converge, or cannot start within its bounds.
    """
    # It takes a second to import, and no other protocol needs it.
    from scipy.optimize import OptimizeWarning, curve_fit

    x, gain, protocol = problem.x, problem.gain, problem.protocol
    middle = float(np.median(x[x > 0]))
    if middle <= LEAST_C_MID:
        raise InputError(
            f"the released kit cannot fit this compute (median {middle:g} EFLOPs): its C_mid"
            f" starts there and is bounded to {LEAST_C_MID:g} EFLOPs or more; leave kit out of"
            " fit.protocols"
        )
    limit = float(protocol.cap_points or 100.0)
    low = [protocol.b_min, LEAST_C_MID, -limit]
    high = [protocol.b_max, np.inf, limit]
    start = [1.0, middle, float(np.clip(gain.max(), -limit, limit))]
    if problem.bounds.fit_epsilon:
        low, high, start = [*low, -limit], [*high, limit], [*start, 0.0]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # no use is made of the covariance
            found, _ = curve_fit(
                evaluate_kit_law, x, gain, p0=start, bounds=(low, high), maxfev=100_000
            )
    except RuntimeError as error:
        raise InputError(f"the single search of the released kit fails here ({error})") from error
    b, c_mid, upper, *lower = found
    fields = (problem.base, lower[0] if lower else 0.0, upper, c_mid, b)
    return FittedCurves(*(np.array([value], dtype=np.float64) for value in fields))


def evaluate_kit_law(
    x: FloatArray, b: float, c_mid: float, upper: float, lower: float = 0.0
) -> FloatArray:
    """Gains of the law as the released kit writes it, `lower` being epsilon, points."""
    with np.errstate(divide="ignore", over="ignore"):
        falling: FloatArray = (c_mid / x) ** b
    return lower + (upper - lower) / (1 + falling)


def fit_weights(
    problem: FitProblem, weight: FloatArray, near: FittedCurves | None = None
) -> FittedCurves:
    """Fit the points of a problem with several sets of weights, (R, n), from `near` if given."""
    gain = np.broadcast_to(problem.gain, weight.shape)
    rows = problem.make_rows(gain, weight, problem.p_sft)
    return problem.make_curves(solve_rows(rows, problem.bounds, get_start(near)))


def fit_each(
    problems: Sequence[FitProblem], weight: FloatArray, near: FittedCurves | None = None
) -> FittedCurves:
    """Fit R problems that share x and bounds with one set of weights each, (R, n)."""
    first = problems[0]
    gain = np.stack([problem.gain for problem in problems])
    # The bound of PL_rl is the protocol's, and protocols may differ from row to row.
    caps = [
        problem.compute_cap(gain[i : i + 1], weight[i : i + 1], problem.p_sft)
        for i, problem in enumerate(problems)
    ]
    rows = CurveRows(first.x, gain, weight, np.concatenate(caps))
    solution = solve_rows(rows, first.bounds, get_start(near))
    return first.make_curves(solution, np.array([problem.base for problem in problems]))


def get_start(near: FittedCurves | None) -> FloatArray | None:
    """Where the search begins: the log C_mid and log B of curves, shape (R, 2)."""
    return None if near is None else np.log(np.column_stack([near.c_mid, near.b]))
