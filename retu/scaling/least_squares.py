"""Fit the RL law to one branch by least squares within bounds, with draws of its residuals."""

import numpy as np

from retu.config.analysis import LEVEL, FitSettings, Protocol
from retu.scaling.best_curve import CurveFit, compute_residuals, estimate_residual_sd, fit_problem
from retu.scaling.bootstrap import (
    CurveDraws,
    is_at_bound,
    refit_resampled_curves,
    resample_residuals,
)
from retu.scaling.branch import Branch, ListedSettings
from retu.scaling.ceiling_profile import compute_profile_interval
from retu.scaling.draw_statistics import compute_central_interval
from retu.scaling.fit_result import (
    MEDIAN_OF_FIVE,
    NAN,
    PASSED,
    REASONS,
    REFERENCE_PLACES,
    WIDE,
    BranchFit,
    FitFacts,
    FittedBranch,
    compute_lag1_correlation,
    describe_observations,
)
from retu.scaling.law import SCORE_MAX, FloatArray
from retu.scaling.problem import FitProblem, make_problem
from retu.scaling.smoothing import compute_centred_median, find_smoothed_best


def fit_least_squares(
    branch: Branch,
    protocol: Protocol,
    settings: FitSettings,
    listed: ListedSettings | None = None,
    x_common: float = NAN,
    stream: int = 0,
) -> FittedBranch:
    """Fit one branch by least squares; arguments as `fit_branch` has them."""
    given = listed or ListedSettings()
    facts = describe_observations(branch)
    problem = make_problem(branch, protocol, given)
    if problem.is_too_short(settings.min_points):
        return FittedBranch(BranchFit(**facts, n_fit=problem.x.size), {})
    if problem.has_no_gain:
        return FittedBranch(_describe_flat_branch(facts, problem), {})
    found, drawn = _fit_and_draw(branch, problem, given, settings, (x_common, stream))
    held_out = measure_held_out_error(branch.take_first(branch.end), protocol, given, settings)
    return FittedBranch(BranchFit(**facts, **found, heldout_rmse=held_out), drawn)


def _fit_and_draw(
    branch: Branch,
    problem: FitProblem,
    listed: ListedSettings,
    settings: FitSettings,
    where: tuple[float, int],
) -> tuple[FitFacts, dict[str, FloatArray]]:
    """Fit and draw; `where` is the common compute and the number of the random stream."""
    x_common, stream = where
    point = fit_problem(problem, listed)
    rng = np.random.default_rng([settings.seed, stream])
    draws = refit_resampled_curves(problem, point, settings.n_bootstrap, rng)
    kept = branch.take_first(branch.end)
    places = np.array([kept.x[-1], 2 * kept.x[-1], x_common])
    drawn = _derive_draw_quantities(draws, places)
    drawn["best_smoothed"] = _draw_smoothed_best(kept, problem, point, settings, rng)
    curve = _describe_curve(problem, point, places)
    reached = branch.best_smoothed - MEDIAN_OF_FIVE * curve["noise"]
    ceiling = _describe_ceiling(problem, point, draws, settings, reached)
    return {**curve, **_compute_score_intervals(drawn), **ceiling}, drawn


def measure_held_out_error(
    branch: Branch, protocol: Protocol, listed: ListedSettings, settings: FitSettings
) -> float:
    """Refit without the last share of the points and predict them: RMSE in points, or NaN."""
    first = branch.x.size - round(settings.held_out * (branch.x.size - 1))
    problem = make_problem(branch.take_first(first), protocol, listed)
    if first >= branch.x.size or problem.is_too_short(settings.min_points):
        return NAN
    if problem.has_no_gain:
        predicted = np.full(branch.x.size - first, branch.p_sft)
    else:
        predicted = fit_problem(problem, listed).curve.compute_score(branch.x[first:])[0]
    return float(np.sqrt(np.mean((branch.score[first:] - predicted) ** 2)))


def _describe_flat_branch(facts: FitFacts, problem: FitProblem) -> BranchFit:
    """What is known of a branch whose fit is PL_rl = 0."""
    residual = problem.gain - problem.room
    return BranchFit(
        **facts,
        n_fit=problem.x.size,
        epsilon=0.0,
        pl_rl=0.0,
        a_post=problem.p_sft,
        noise=float(estimate_residual_sd(residual)),
        rmse=float(np.sqrt(np.mean(residual**2))),
        reason="no gain",
    )


def _describe_curve(problem: FitProblem, point: CurveFit, places: FloatArray) -> FitFacts:
    """The fitted curve in numbers."""
    curve = point.curve
    kept = point.weight > 0
    observed, residual = problem.observed_scores[kept], compute_residuals(problem, curve)[0][kept]
    total = float(((observed - observed.mean()) ** 2).sum())
    a_post = float(curve.ceiling[0])
    scores = dict(
        zip(
            (f"{place}_score" for place in REFERENCE_PLACES),
            curve.compute_score(places)[0],
            strict=True,
        )
    )
    return {
        "n_fit": int(kept.sum()),
        "epsilon": float(curve.epsilon[0]) - problem.room,
        "pl_rl": a_post - problem.p_sft,
        "a_post": a_post,
        "c_mid": float(curve.c_mid[0]),
        "b": float(curve.b[0]),
        "noise": float(estimate_residual_sd(residual)),
        "lag1": compute_lag1_correlation(residual),
        "rmse": float(np.sqrt(np.mean(residual**2))),
        "r2": 1.0 - float((residual**2).sum()) / total if total > 0 else NAN,
        **{name: float(value) for name, value in scores.items()},
    }


def _derive_draw_quantities(draws: CurveDraws, places: FloatArray) -> dict[str, FloatArray]:
    """Quantities of every draw; a ceiling stays within the 100 percent that no score passes."""
    # A draw adds its PL_rl to a P_sft of its own, and the sum can be above what a score can be.
    scores = np.minimum(draws.curves.compute_score(places), SCORE_MAX)
    return {
        "p_sft": draws.p_sft,
        "start_score": draws.curves.base + draws.curves.epsilon,
        "a_post": np.minimum(draws.curves.ceiling, SCORE_MAX),
        "c_mid": draws.curves.c_mid,
        "b": draws.curves.b,
        **{f"{place}_score": scores[:, i] for i, place in enumerate(REFERENCE_PLACES)},
    }


def _draw_smoothed_best(
    branch: Branch,
    problem: FitProblem,
    point: CurveFit,
    settings: FitSettings,
    rng: np.random.Generator,
) -> FloatArray:
    """Best median of five of the observed, smoothed scores with new noise, percent, shape (D,)."""
    size = branch.x.size - 1
    noise = resample_residuals(problem, point, (settings.n_bootstrap, size + 1), rng)[:, :-1]
    noise = noise * problem.scale_errors(branch.error[1:])
    best: FloatArray = find_smoothed_best(compute_centred_median(branch.score[1:]) + noise)
    return best


def _compute_score_intervals(drawn: dict[str, FloatArray]) -> FitFacts:
    """Bootstrap intervals of the scores at the three places."""
    ends: FitFacts = {}
    for place in REFERENCE_PLACES:
        low, high = compute_central_interval(drawn[f"{place}_score"])
        ends |= {f"{place}_low": low, f"{place}_high": high}
    return ends


def _describe_ceiling(
    problem: FitProblem, point: CurveFit, draws: CurveDraws, settings: FitSettings, reached: float
) -> FitFacts:
    """Both intervals of the ceiling, and what set it.

    `reached` is the score that the branch has reached for certain, percent.
    """
    cap = problem.compute_cap(problem.gain[None], point.weight[None], problem.p_sft)
    at_bound = bool(is_at_bound(point.curve.pl_rl, cap)[0])
    low, high = compute_central_interval(np.minimum(draws.curves.ceiling, SCORE_MAX))
    profile_low, profile_high = compute_profile_interval(problem, point, LEVEL)
    open_ended = bool(is_at_bound(np.array([profile_high - problem.base]), cap)[0])
    found = {
        "fit at the bound": at_bound,
        "draws at the bound": float(draws.at_bound.mean()) > settings.bound_share,
        "profile meets the bound": open_ended,
        WIDE: max(high - low, profile_high - profile_low) > settings.identified_width,
        PASSED: reached > max(high, profile_high),
    }
    reason = next((name for name, holds in found.items() if holds), "")
    return {
        "a_post_low": low,
        "a_post_high": high,
        "a_post_profile_low": profile_low,
        "a_post_profile_high": profile_high,
        "at_bound": at_bound,
        "verdict": REASONS[reason] if reason else "identified",
        "reason": reason,
    }
