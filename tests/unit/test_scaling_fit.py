"""Fits of one branch: published values, verdicts, intervals and refused inputs."""

from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.errors import InputError
from workflow_scripts.scaling import bootstrap
from workflow_scripts.scaling.engine import Rows, Solution, solve
from workflow_scripts.scaling.fit import CurveFit, fit_curve
from workflow_scripts.scaling.law import FloatArray, gain
from workflow_scripts.scaling.settings import FitSettings

GOLDEN = Path(__file__).parents[1] / "golden"
PUBLISHED = pd.read_csv(GOLDEN / "table4_plain_fits.csv", comment="#")
BRANCHES = pd.read_csv(GOLDEN / "released_branches.csv", comment="#")
X = np.concatenate([[0.0], np.geomspace(1.0, 60.0, 24)])
TRUTH = {"epsilon": 0.0, "pl_rl": 8.0, "c_mid": 8.0, "b": 1.6}
P_SFT = 70.0


def noisy_score(sd: float, seed: int, x: FloatArray = X) -> FloatArray:
    """Scores of the true law with Gaussian noise at every point, the first one included."""
    return P_SFT + gain(x, **TRUTH) + np.random.default_rng(seed).normal(0, sd, x.size)


def fit_noisy(sd: float, seed: int, settings: FitSettings, x: FloatArray = X) -> CurveFit:
    """Fit such scores from their own first point, as a study does."""
    score = noisy_score(sd, seed, x)
    return fit_curve(x, score, float(score[0]), settings)


@pytest.mark.parametrize("row", PUBLISHED.to_dict("records"), ids=lambda r: str(r["dataset"]))
def test_released_curves_give_the_published_parameters(row: dict[str, Any]) -> None:
    chosen = (BRANCHES["dataset"] == row["dataset"]) & (BRANCHES["sft_step"] == row["sft_step"])
    points = BRANCHES[chosen]
    score = points["score"].to_numpy()
    fit = fit_curve(points["x_rl_eflops"], score, score[0], FitSettings())
    # Half a unit of the last printed digit; for PL_rl a whole one, because the table's 25.3 is the
    # difference of two printed scores while the fit is 25.25.
    assert fit.pl_rl == pytest.approx(row["pl_rl"], abs=0.1)
    assert fit.c_mid == pytest.approx(row["c_mid"], abs=0.51)
    assert fit.b == pytest.approx(row["b"], abs=0.051)
    assert fit.at_bound == (row["at_gain_bound"] == "yes")
    assert fit.n_points == len(points)


def test_a_clear_curve_is_identified() -> None:
    fit = fit_noisy(0.3, 0, FitSettings())
    assert fit.verdict == "identified"
    assert fit.a_post_low < fit.a_post < fit.a_post_high
    assert fit.a_post == pytest.approx(P_SFT + 8.0, abs=1.0)
    assert fit.rmse == pytest.approx(0.3, rel=0.35)
    assert 0.95 < fit.r2 < 1
    assert not fit.at_bound


def test_interval_covers_the_true_ceiling_about_as_often_as_it_says() -> None:
    settings = FitSettings(n_bootstrap=60)
    fits = [fit_noisy(0.4, seed, settings) for seed in range(40)]
    covered = np.mean([fit.a_post_low <= P_SFT + 8.0 <= fit.a_post_high for fit in fits])
    # 40 trials at 0.90: the binomial standard error is 0.05.
    assert covered >= 0.75
    narrow = [fit_noisy(0.4, seed, FitSettings(n_bootstrap=60, level=0.3)) for seed in range(40)]
    assert np.mean([f.a_post_low <= P_SFT + 8.0 <= f.a_post_high for f in narrow]) <= 0.6


def test_draws_move_the_origin_and_restore_the_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = gain(X, **TRUTH)
    residual = np.where(X > 0, np.where(np.arange(X.size) % 2, 1.0, -1.0), 0.0)
    seen: list[Rows] = []

    def spy(rows: Rows, settings: FitSettings) -> Solution:
        seen.append(rows)
        return solve(rows, settings)

    monkeypatch.setattr(bootstrap, "solve", spy)
    bootstrap.draw_ceilings(X, fitted, residual, P_SFT, FitSettings(n_bootstrap=2000))
    noise = seen[0].gain - fitted
    assert (noise[:, 0] == 0).all()
    # 24 residuals of size 1 after a fit of 3 parameters: noise of variance 24 / 21 at each point,
    # and the same once more, common to all points of a draw, because P_sft is noisy too.
    assert noise[:, 1:].var(axis=1, ddof=1).mean() == pytest.approx(24 / 21, rel=0.03)
    assert noise[:, 1:].mean(axis=1).var() == pytest.approx(24 / 21 * (1 + 1 / 24), rel=0.1)


def test_more_noise_and_fewer_points_widen_the_interval() -> None:
    def width(fit: CurveFit) -> float:
        return fit.a_post_high - fit.a_post_low

    settings = FitSettings()
    clear, loud = fit_noisy(0.1, 1, settings), fit_noisy(0.6, 1, settings)
    sparse = fit_noisy(0.1, 1, settings, X[::4])
    assert width(clear) < width(sparse)
    assert width(clear) < width(loud)


def test_same_seed_same_fit_and_other_seed_other_interval() -> None:
    first, second = fit_noisy(0.5, 2, FitSettings()), fit_noisy(0.5, 2, FitSettings())
    other = fit_noisy(0.5, 2, FitSettings(seed=1))
    assert astuple(first) == astuple(second)
    assert other.a_post == first.a_post
    assert other.a_post_low != first.a_post_low


def test_an_unfinished_rise_is_bound() -> None:
    x = np.linspace(0, 10, 15)
    score = 50 + 0.5 * x
    fit = fit_curve(x, score, 50.0, FitSettings())
    assert fit.at_bound
    assert fit.verdict == "bound"
    assert fit.pl_rl == pytest.approx(1.5 * 5.0)


def test_no_ceiling_is_above_one_hundred() -> None:
    x = np.linspace(0, 10, 15)
    fit = fit_curve(x, 90 + x, 90.0, FitSettings())
    assert fit.a_post == pytest.approx(100.0)
    assert fit.verdict == "bound"


def test_often_bound_draws_are_bound_even_if_the_fit_is_not() -> None:
    settings = FitSettings()
    fits = [fit_noisy(1.0, seed, settings, X[:18]) for seed in range(12)]
    draws_only = [fit for fit in fits if fit.verdict == "bound" and not fit.at_bound]
    assert draws_only
    tolerant = FitSettings(bound_share=1.0)
    again = [fit_noisy(1.0, seed, tolerant, X[:18]) for seed in range(12)]
    assert all(fit.at_bound for fit in again if fit.verdict == "bound")


def test_a_wide_interval_is_not_identified() -> None:
    fit = fit_noisy(0.3, 0, FitSettings())
    width = fit.a_post_high - fit.a_post_low
    strict = fit_noisy(0.3, 0, FitSettings(identified_width=0.9 * width))
    assert (strict.verdict, strict.a_post) == ("not identified", fit.a_post)


def test_too_few_points_are_not_fitted() -> None:
    fit = fit_curve([0, 1, 2, 3], [50, 52, 53, 53.5], 50.0, FitSettings())
    assert fit.verdict == "not identified"
    assert fit.n_points == 4
    assert np.isnan([fit.pl_rl, fit.a_post, fit.c_mid, fit.rmse]).all()


@pytest.mark.parametrize("scores", [[60.0] * 6, [60, 59, 55, 58, 59, 57]])
def test_scores_that_never_rise_are_not_identified(scores: list[float]) -> None:
    fit = fit_curve(range(6), scores, 60.0, FitSettings())
    assert fit.verdict == "not identified"
    assert (fit.pl_rl, fit.a_post, fit.at_bound) == (0.0, 60.0, False)
    assert np.isnan([fit.c_mid, fit.b, fit.a_post_low]).all()
    assert fit.rmse == pytest.approx(np.sqrt(np.mean((np.array(scores) - 60) ** 2)))


def test_epsilon_is_fitted_only_when_asked_for() -> None:
    x = X[1:]
    score = 70 + gain(x, epsilon=2.0, pl_rl=7.0, c_mid=20.0, b=3.0)
    free = fit_curve(x, score, 70.0, FitSettings(fit_epsilon=True))
    assert free.epsilon == pytest.approx(2.0, rel=1e-4)
    assert fit_curve(x, score, 70.0, FitSettings()).epsilon == 0.0


@pytest.mark.parametrize(
    ("x", "score", "p_sft", "word"),
    [
        ([0, 1, float("nan")], [1, 2, 3], 1.0, "missing"),
        ([0, -1, 2], [1, 2, 3], 1.0, "negative"),
        ([0, 2, 1], [1, 2, 3], 1.0, "decreases after 2"),
        ([0, 1, 2], [1, float("nan"), 3], 1.0, "score"),
        ([0, 1, 2], [1, 2, 101], 1.0, "outside 0 to 100"),
        ([0, 1, 2], [1, 2, 3], float("nan"), "P_sft"),
        ([0, 1], [1, 2, 3], 1.0, "2 compute values but 3"),
        ([0, "one"], [1, 2], 1.0, "not a number"),
    ],
)
def test_bad_curves_are_refused(
    x: list[float], score: list[float], p_sft: float, word: str
) -> None:
    with pytest.raises(InputError, match=word):
        fit_curve(x, score, p_sft, FitSettings())
