"""Scores of a branch as draws: at a budget of compute, after one more unit, and the ceiling."""

import zlib
from typing import NamedTuple

import numpy as np

from retu.advice.advice_record import Obstacle
from retu.advice.candidates import Candidate
from retu.core.errors import InputError
from retu.scaling.draw_statistics import compute_central_interval
from retu.scaling.forecasting.forecast_settings import MIN_POINTS, ForecastSettings
from retu.scaling.forecasting.predict import (
    GainPrior,
    check_curve,
    draw_score_walk,
    make_gain_belief,
)
from retu.scaling.law import SCORE_MAX, FloatArray
from retu.scaling.posterior.branch_posterior import condition_on_branch, draw_random_laws

N_DRAWS = 1000
UNIT_SHARE = 0.1
"""One unit of compute, as a share of the budget."""


class ScoreDraws(NamedTuple):
    """Draws of the true score of one branch, percent, each of shape (D,).

    `budget` at the budget; `now` at the last point; `more` one unit of compute later.
    """

    budget: FloatArray
    now: FloatArray
    more: FloatArray


class Expected(NamedTuple):
    """Median and 90% interval, percent or points."""

    median: float
    low: float
    high: float


def summarise_draws(draws: FloatArray) -> Expected:
    """Median and interval of draws."""
    return Expected(float(np.median(draws)), *compute_central_interval(draws))


def find_obstacle(candidate: Candidate, budget: float | None = None) -> Obstacle | None:
    """Why a branch says nothing about a budget, or None; no budget asks about its own points."""
    if candidate.branch is None:
        return Obstacle(kind="no curve", told="no RL curve")
    seen = candidate.branch.take_first(candidate.branch.end)
    last = float(seen.x[-1])
    # The budget may be that last point as it was printed, in fewer digits.
    if candidate.has_collapsed and budget is not None and budget > (1 + 1e-9) * last:
        return Obstacle(kind="collapsed", told=f"collapsed after {last:.3g}")
    if seen.x.size < MIN_POINTS:
        return Obstacle(kind="short", told=f"{seen.x.size} points, {MIN_POINTS} needed")
    if np.ptp(seen.score) == 0:
        return Obstacle(kind="constant", told=f"a constant curve at {seen.score[0]:g}")
    try:
        check_curve(seen.x, seen.score, seen.error)
    except InputError as error:
        return Obstacle(kind="unusable", told=str(error))
    return None


def draw_scores(candidate: Candidate, budget: float, unit: float) -> ScoreDraws:
    """Draws for a branch that `find_obstacle` has nothing against; deterministic.

    Args:
        candidate: the branch.
        budget: RL compute of the branch at which it is asked, in the unit of its x.
        unit: compute that is added to what it has.
    """
    assert candidate.branch is not None
    branch = candidate.branch.take_first(candidate.branch.end)
    seed = zlib.crc32(candidate.name.encode())
    settings = ForecastSettings(n_draws=N_DRAWS, seed=seed)
    rng = np.random.default_rng(seed)
    posterior = condition_on_branch(branch, make_gain_belief(GainPrior(), branch, settings))
    laws = draw_random_laws(posterior, N_DRAWS, rng)
    spent = posterior.spent
    places = np.array([budget, spent, spent + unit])
    order = np.argsort(places, kind="stable")
    ahead = places[order] / spent
    rise = laws.compute_rise(ahead)
    rise += float(np.median(branch.error)) * draw_score_walk(ahead, settings, rng)
    scores = np.clip(branch.p_sft + rise, 0.0, SCORE_MAX)[:, np.argsort(order)]
    return ScoreDraws(scores[:, 0], scores[:, 1], scores[:, 2])
