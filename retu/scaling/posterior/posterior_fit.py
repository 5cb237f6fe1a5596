"""Fit one branch by the posterior of its law: numbers, intervals, draws and a verdict."""

import numpy as np

from retu.config.analysis import FitSettings, Protocol
from retu.scaling.branch import Branch
from retu.scaling.draw_statistics import compute_central_interval
from retu.scaling.fit_result import (
    NAN,
    REFERENCE_PLACES,
    BranchFit,
    FitFacts,
    FittedBranch,
    compute_lag1_correlation,
    describe_observations,
)
from retu.scaling.law import SCORE_MAX, FloatArray
from retu.scaling.posterior.branch_posterior import (
    LawDraws,
    Posterior,
    condition_on_branch,
    draw_even_laws,
    draw_random_laws,
)
from retu.scaling.posterior.ceiling_verdict import judge_ceiling
from retu.scaling.posterior.prior import make_weak_prior
from retu.scaling.posterior.residual_draws import draw_evaluation_noise
from retu.scaling.smoothing import compute_centred_median, find_smoothed_best


def fit_posterior(
    branch: Branch, protocol: Protocol, settings: FitSettings, x_common: float, stream: int
) -> FittedBranch:
    """Fit one branch; the arguments are those of `fit_branch`."""
    facts = describe_observations(branch)
    kept = branch.take_first(branch.end) if protocol.stop_at_collapse else branch
    if is_short(kept, settings.min_points):
        return FittedBranch(BranchFit(**facts, n_fit=kept.x.size), {})
    posterior = condition_on_branch(kept, make_weak_prior(kept.p_sft))
    draws = draw_even_laws(posterior)
    places = np.array([1.0, 2.0, x_common / posterior.spent])
    found = {
        **describe_law(posterior, find_likely_ceiling(posterior, draws)),
        **summarise_places(posterior, draws, places),
        **judge_ceiling(posterior, draws, branch.best_smoothed, settings),
        "noise": float(np.median(draws.noise)) * compute_rms_error(kept),
        "heldout_rmse": measure_posterior_held_out_error(branch.take_first(branch.end), settings),
    }
    rng = np.random.default_rng([settings.seed, stream])
    drawn = draw_quantities(posterior, kept, places, settings.n_bootstrap, rng)
    return FittedBranch(BranchFit(**facts, **found), drawn)


def is_short(branch: Branch, min_points: int) -> bool:
    """Fewer points than a fit is asked to have, or none after x = 0."""
    return branch.x.size < min_points or not (branch.x > 0).any()


def compute_rms_error(branch: Branch) -> float:
    """Root mean square of the standard errors, points."""
    return float(np.sqrt(np.mean(branch.error**2)))


def find_likely_ceiling(posterior: Posterior, draws: LawDraws) -> float:
    """Median ceiling that is a score, points over P_sft: a flat branch at 0 has no lower one."""
    likely = float(np.median(draws.ceiling))
    return float(np.clip(likely, -posterior.p_sft, SCORE_MAX - posterior.p_sft))


def describe_law(posterior: Posterior, ceiling: float) -> FitFacts:
    """The law that is expected if the ceiling is `ceiling` (points over P_sft), and its residuals.

    Medians of the parameters one by one need not lie on any curve near the points; C_mid, B and
    epsilon as the ceiling has them do.
    """
    cells, region, points = posterior.cells, posterior.region, posterior.points
    distance = (ceiling - cells.ceiling) / cells.ceiling_sd
    density = cells.weight * np.exp(-0.5 * distance**2) / (cells.ceiling_sd * cells.below)
    density /= density.sum()
    curve = density.sum(axis=(0, 1))
    log_c_mid, log_b = float(curve @ region.log_c_mid), float(curve @ region.log_b)
    slope = cells.covariance / cells.ceiling_sd**2
    level = float((density * (cells.level + slope * (ceiling - cells.ceiling))).sum())
    law = make_single_law(level, ceiling, log_c_mid, log_b).compute_rise(points.x)[0]
    used = region.weight > 0
    residual, score = (points.rise - law)[used], points.rise[used]
    total = float(((score - score.mean()) ** 2).sum())
    return {
        "n_fit": int(used.sum()),
        "epsilon": level,
        "pl_rl": ceiling,
        "a_post": posterior.p_sft + ceiling,
        "c_mid": float(np.exp(log_c_mid)) * posterior.spent,
        "b": float(np.exp(log_b)),
        "lag1": compute_lag1_correlation(residual),
        "rmse": float(np.sqrt(np.mean(residual**2))),
        "r2": 1.0 - float((residual**2).sum()) / total if total > 0 else NAN,
    }


def make_single_law(level: float, ceiling: float, log_c_mid: float, log_b: float) -> LawDraws:
    """One law in the form of draws."""
    fields = np.array([level, ceiling, log_c_mid, log_b, 0.0, 0.0, 0.0])
    return LawDraws(*fields[:, None])


def compute_score_draws(posterior: Posterior, draws: LawDraws, x: FloatArray) -> FloatArray:
    """Scores of draws at compute `x` over the last compute, percent, shape (D, n)."""
    scores = posterior.p_sft + draws.compute_rise(x) + draws.offset[:, None]
    return np.asarray(np.clip(scores, 0.0, SCORE_MAX))


def summarise_places(posterior: Posterior, draws: LawDraws, places: FloatArray) -> FitFacts:
    """Median and interval of the curve at the three places; NaN where a place is not known."""
    known = np.isfinite(places)
    scores = compute_score_draws(posterior, draws, places[known])
    facts: FitFacts = {}
    for name, column in zip(np.array(REFERENCE_PLACES)[known], scores.T, strict=True):
        low, high = compute_central_interval(column)
        facts |= {f"{name}_score": float(np.median(column))}
        facts |= {f"{name}_low": low, f"{name}_high": high}
    return facts


def measure_posterior_held_out_error(branch: Branch, settings: FitSettings) -> float:
    """Refit without the last share of the points and predict them: RMSE in points, or NaN."""
    first = branch.x.size - round(settings.held_out * (branch.x.size - 1))
    head = branch.take_first(first)
    if first >= branch.x.size or is_short(head, settings.min_points):
        return NAN
    posterior = condition_on_branch(head, make_weak_prior(head.p_sft))
    later = branch.x[first:] / posterior.spent
    predicted = np.median(compute_score_draws(posterior, draw_even_laws(posterior), later), axis=0)
    return float(np.sqrt(np.mean((branch.score[first:] - predicted) ** 2)))


def draw_quantities(
    posterior: Posterior,
    branch: Branch,
    places: FloatArray,
    count: int,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Independent draws of what is compared between branches, each of shape (D,)."""
    draws = draw_random_laws(posterior, count, rng)
    at = np.where(np.isfinite(places), places, 1.0)
    scores = np.where(np.isfinite(places), compute_score_draws(posterior, draws, at), NAN)
    noise = draw_evaluation_noise(draws, branch.error[1:], rng)
    ceiling = posterior.p_sft + draws.ceiling + draws.offset
    start = posterior.p_sft + draws.level + draws.offset
    return {
        "p_sft": start,
        "start_score": start,
        "a_post": np.minimum(ceiling, SCORE_MAX),
        "c_mid": np.exp(draws.log_c_mid) * posterior.spent,
        "b": np.exp(draws.log_b),
        **{f"{place}_score": scores[:, i] for i, place in enumerate(REFERENCE_PLACES)},
        "best_smoothed": find_smoothed_best(compute_centred_median(branch.score[1:]) + noise),
    }
