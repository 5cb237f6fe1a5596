"""Fit the RL law to one branch by least squares within bounds, with draws of its residuals."""

import numpy as np

from retu.config.analysis import LEVEL, Fit, Protocol
from retu.scaling.best_curve import Point, fit_point, residual_sd, residuals_of
from retu.scaling.bootstrap import Draws, draw_curves, draw_noise, is_at_bound
from retu.scaling.branch import Branch, Listed
from retu.scaling.ceiling_profile import profile_interval
from retu.scaling.draw_statistics import central
from retu.scaling.fit_result import (
    MEDIAN_OF_FIVE,
    NAN,
    PASSED,
    PLACES,
    REASONS,
    WIDE,
    BranchFit,
    Facts,
    FittedBranch,
    lag1_correlation,
    observe,
)
from retu.scaling.law import SCORE_MAX, FloatArray
from retu.scaling.problem import Problem, make_problem
from retu.scaling.smoothing import centred_median, smoothed_best


def fit_least_squares(
    branch: Branch,
    protocol: Protocol,
    settings: Fit,
    listed: Listed | None = None,
    x_common: float = NAN,
    stream: int = 0,
) -> FittedBranch:
    """Fit one branch by one protocol.

    The result depends on this branch and the settings only: a new branch changes no other row.

    Args:
        branch: the points.
        protocol: how to fit.
        settings: draws, seed, and the lines between identified and not.
        listed: what a table says about this branch.
        x_common: compute at which branches are compared, EFLOPs.
        stream: number of the branch's own random stream, so that branches draw independently.
    """
    given = listed or Listed()
    facts = observe(branch)
    problem = make_problem(branch, protocol, given)
    if problem.too_short(settings.min_points):
        return FittedBranch(BranchFit(**facts, n_fit=problem.x.size), {})
    if problem.without_gain:
        return FittedBranch(_without_gain(facts, problem), {})
    found, drawn = _fitted(branch, problem, given, settings, (x_common, stream))
    held_out = held_out_error(branch.first(branch.end), protocol, given, settings)
    return FittedBranch(BranchFit(**facts, **found, heldout_rmse=held_out), drawn)


def _fitted(
    branch: Branch, problem: Problem, listed: Listed, settings: Fit, where: tuple[float, int]
) -> tuple[Facts, dict[str, FloatArray]]:
    """Fit and draw; `where` is the common compute and the number of the random stream."""
    x_common, stream = where
    point = fit_point(problem, listed)
    rng = np.random.default_rng([settings.seed, stream])
    draws = draw_curves(problem, point, settings.n_bootstrap, rng)
    kept = branch.first(branch.end)
    places = np.array([kept.x[-1], 2 * kept.x[-1], x_common])
    drawn = _drawn(draws, places)
    drawn["best_smoothed"] = _smoothed_draws(kept, problem, point, settings, rng)
    curve = _curve(problem, point, places)
    reached = branch.best_smoothed - MEDIAN_OF_FIVE * curve["noise"]
    ceiling = _ceiling(problem, point, draws, settings, reached)
    return {**curve, **_intervals(drawn), **ceiling}, drawn


def held_out_error(branch: Branch, protocol: Protocol, listed: Listed, settings: Fit) -> float:
    """Refit without the last share of the points and predict them: RMSE in points, or NaN."""
    first = branch.x.size - round(settings.held_out * (branch.x.size - 1))
    problem = make_problem(branch.first(first), protocol, listed)
    if first >= branch.x.size or problem.too_short(settings.min_points):
        return NAN
    if problem.without_gain:
        predicted = np.full(branch.x.size - first, branch.p_sft)
    else:
        predicted = fit_point(problem, listed).curve.score(branch.x[first:])[0]
    return float(np.sqrt(np.mean((branch.score[first:] - predicted) ** 2)))


def _without_gain(facts: Facts, problem: Problem) -> BranchFit:
    """What is known of a branch whose fit is PL_rl = 0."""
    residual = problem.gain - problem.room
    return BranchFit(
        **facts,
        n_fit=problem.x.size,
        epsilon=0.0,
        pl_rl=0.0,
        a_post=problem.p_sft,
        noise=float(residual_sd(residual)),
        rmse=float(np.sqrt(np.mean(residual**2))),
        reason="no gain",
    )


def _curve(problem: Problem, point: Point, places: FloatArray) -> Facts:
    """The fitted curve in numbers."""
    curve = point.curve
    kept = point.weight > 0
    observed, residual = problem.observed[kept], residuals_of(problem, curve)[0][kept]
    total = float(((observed - observed.mean()) ** 2).sum())
    a_post = float(curve.ceiling[0])
    scores = dict(zip((f"{place}_score" for place in PLACES), curve.score(places)[0], strict=True))
    return {
        "n_fit": int(kept.sum()),
        "epsilon": float(curve.epsilon[0]) - problem.room,
        "pl_rl": a_post - problem.p_sft,
        "a_post": a_post,
        "c_mid": float(curve.c_mid[0]),
        "b": float(curve.b[0]),
        "noise": float(residual_sd(residual)),
        "lag1": lag1_correlation(residual),
        "rmse": float(np.sqrt(np.mean(residual**2))),
        "r2": 1.0 - float((residual**2).sum()) / total if total > 0 else NAN,
        **{name: float(value) for name, value in scores.items()},
    }


def _drawn(draws: Draws, places: FloatArray) -> dict[str, FloatArray]:
    """Quantities of every draw; a ceiling stays within the 100 percent that no score passes."""
    # A draw adds its PL_rl to a P_sft of its own, and the sum can be above what a score can be.
    scores = np.minimum(draws.curves.score(places), SCORE_MAX)
    return {
        "p_sft": draws.p_sft,
        "a_post": np.minimum(draws.curves.ceiling, SCORE_MAX),
        "c_mid": draws.curves.c_mid,
        "b": draws.curves.b,
        **{f"{place}_score": scores[:, i] for i, place in enumerate(PLACES)},
    }


def _smoothed_draws(
    branch: Branch, problem: Problem, point: Point, settings: Fit, rng: np.random.Generator
) -> FloatArray:
    """Best median of five of the observed, smoothed scores with new noise, percent, shape (D,)."""
    size = branch.x.size - 1
    noise = draw_noise(problem, point, (settings.n_bootstrap, size + 1), rng)[:, :-1]
    noise = noise * problem.relative(branch.error[1:])
    best: FloatArray = smoothed_best(centred_median(branch.score[1:]) + noise)
    return best


def _intervals(drawn: dict[str, FloatArray]) -> Facts:
    """Bootstrap intervals of the scores at the three places."""
    ends: Facts = {}
    for place in PLACES:
        low, high = central(drawn[f"{place}_score"])
        ends |= {f"{place}_low": low, f"{place}_high": high}
    return ends


def _ceiling(problem: Problem, point: Point, draws: Draws, settings: Fit, reached: float) -> Facts:
    """Both intervals of the ceiling, and what set it.

    `reached` is the score that the branch has reached for certain, percent.
    """
    cap = problem.cap(problem.gain[None], point.weight[None], problem.p_sft)
    at_bound = bool(is_at_bound(point.curve.pl_rl, cap)[0])
    low, high = central(np.minimum(draws.curves.ceiling, SCORE_MAX))
    profile_low, profile_high = profile_interval(problem, point, LEVEL)
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
