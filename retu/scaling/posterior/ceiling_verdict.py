"""Is the ceiling known? The verdict from the posterior alone, with its reason."""

from dataclasses import dataclass

import numpy as np

from retu.config.analysis import LEVEL, FitSettings
from retu.scaling.draw_statistics import compute_central_interval
from retu.scaling.fit_result import (
    CUT_OFF,
    ENDS_EARLY,
    FALLS,
    LEANS,
    MEDIAN_OF_FIVE,
    PASSED,
    REASONS,
    WIDE,
    FitFacts,
)
from retu.scaling.law import SCORE_MAX, FloatArray
from retu.scaling.posterior.branch_posterior import LawDraws, Posterior

DOUBT = 0.05
"""What is less likely than this is left out of consideration."""
LUCK_IN_STANDARD_ERRORS = 2.5
"""Standard errors by which the best median of five, being the best of many, passes the ceiling."""


@dataclass(frozen=True)
class CeilingInterval:
    """Interval of the ceiling, percent, and how far the second prior moves its ends, in widths."""

    low: float
    high: float
    shift: float


def judge_ceiling(
    posterior: Posterior, draws: LawDraws, best_smoothed: float, settings: FitSettings
) -> FitFacts:
    """Interval, verdict and what it rests on.

    Args:
        posterior: of the branch.
        draws: evenly spread.
        best_smoothed: highest median of five scores, percent.
        settings: the lines between identified and not.
    """
    ceiling = compute_ceiling_interval(posterior, draws)
    end = draws.compute_rise(np.ones(1))[:, 0]
    cells = posterior.cells
    cut_off = float((cells.weight * (1 - cells.below)).sum())
    noise = float(np.median(draws.noise)) * float(np.median(posterior.points.error))
    reached = best_smoothed - LUCK_IN_STANDARD_ERRORS * MEDIAN_OF_FIVE * noise
    found = {
        FALLS: float(np.mean(draws.ceiling < draws.level)) > 1 - DOUBT,
        ENDS_EARLY: float(np.mean(draws.log_c_mid > 0)) > DOUBT,
        CUT_OFF: cut_off > settings.bound_share,
        WIDE: ceiling.high - ceiling.low > settings.identified_width,
        LEANS: ceiling.shift > settings.prior_share,
        PASSED: reached > ceiling.high,
    }
    reason = next((name for name, holds in found.items() if holds), "")
    return {
        "a_post_low": ceiling.low,
        "a_post_high": ceiling.high,
        "p_beyond": float(np.mean(draws.ceiling > end + settings.beyond)),
        "prior_shift": ceiling.shift,
        "verdict": REASONS[reason] if reason else "identified",
        "reason": reason,
    }


def compute_ceiling_interval(posterior: Posterior, draws: LawDraws) -> CeilingInterval:
    """The interval by the prior, and how the second one moves it."""
    ceilings = np.clip(posterior.p_sft + draws.ceiling + draws.offset, 0.0, SCORE_MAX)
    low, high = compute_central_interval(ceilings)
    tail = (1 - LEVEL) / 2
    second = compute_weighted_quantiles(ceilings, reweigh_draws(posterior, draws), [tail, 1 - tail])
    moved = np.abs(second - [low, high]).max()
    return CeilingInterval(low, high, float(moved / max(high - low, np.finfo(float).tiny)))


def reweigh_draws(posterior: Posterior, draws: LawDraws) -> FloatArray:
    """Weights that turn draws of the posterior into draws under the second prior, (D,)."""
    prior = posterior.prior
    second = prior.loosen()
    first = posterior.points.log_first_compute
    change = second.compute_log_density(draws.log_c_mid, draws.log_b, first)
    change -= prior.compute_log_density(draws.log_c_mid, draws.log_b, first)
    gain = draws.ceiling - draws.level - prior.gain_mean
    change += 0.5 * gain**2 * (prior.gain_sd**-2.0 - second.gain_sd**-2.0)
    weight: FloatArray = np.exp(change - change.max())
    return weight


def compute_weighted_quantiles(
    values: FloatArray, weight: FloatArray, levels: list[float]
) -> FloatArray:
    """Quantiles of weighted values, at the middle of each value's share."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    middle = (total - 0.5 * weight[order]) / total[-1]
    return np.interp(levels, middle, values[order])
