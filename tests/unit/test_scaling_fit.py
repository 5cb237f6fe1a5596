"""Fits of one branch by least squares: published values, verdicts, intervals, refused inputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from retu.config.analysis import LEVEL, FitSettings, Protocol
from retu.config.protocols import load_protocols
from retu.core.errors import InputError
from retu.scaling import bootstrap
from retu.scaling.best_curve import fit_problem
from retu.scaling.branch import Branch, ListedSettings, make_branch
from retu.scaling.ceiling_profile import compute_profile_interval
from retu.scaling.engine import Solution, solve_rows
from retu.scaling.fit_result import BranchFit
from retu.scaling.fit_rows import Bounds, CurveRows
from retu.scaling.fitting.fit import fit_branch
from retu.scaling.law import FloatArray, compute_gain
from retu.scaling.problem import make_problem

GOLDEN = Path(__file__).parents[1] / "golden"
PUBLISHED = pd.read_csv(GOLDEN / "table4_plain_fits.csv", comment="#")
BRANCHES = pd.read_csv(GOLDEN / "released_branches.csv", comment="#")
X = np.concatenate([[0.0], np.geomspace(1.0, 60.0, 24)])
TRUTH = {"epsilon": 0.0, "pl_rl": 8.0, "c_mid": 8.0, "b": 1.6}
P_SFT = 70.0
PLAIN, WEIGHTED = load_protocols()["plain"], load_protocols()["weighted"]
ASKED = FitSettings(n_bootstrap=200)


def make_branch_with_noisy_start(sd: float, seed: int, x: FloatArray = X) -> Branch:
    """Scores of the true law with Gaussian noise at every point, the first one included."""
    score = P_SFT + compute_gain(x, **TRUTH) + np.random.default_rng(seed).normal(0, sd, x.size)
    return make_branch(x, score, np.full(x.size, sd))


def fit_noisy(
    sd: float,
    seed: int,
    asked: FitSettings = ASKED,
    x: FloatArray = X,
    protocol: Protocol = WEIGHTED,
) -> BranchFit:
    """Fit such a branch."""
    return fit_branch(make_branch_with_noisy_start(sd, seed, x), protocol, asked).fit


@pytest.mark.parametrize("row", PUBLISHED.to_dict("records"), ids=lambda r: str(r["dataset"]))
def test_released_curves_give_the_published_parameters(row: dict[str, Any]) -> None:
    chosen = (BRANCHES["dataset"] == row["dataset"]) & (BRANCHES["sft_step"] == row["sft_step"])
    points = BRANCHES[chosen]
    branch = make_branch(points["x_rl_eflops"], points["score"])
    fit = fit_branch(branch, load_protocols()["paper"], FitSettings(n_bootstrap=20)).fit
    # Half a unit of the last printed digit; for PL_rl a whole one, because the table's 25.3 is the
    # difference of two printed scores while the fit is 25.25.
    assert fit.pl_rl == pytest.approx(row["pl_rl"], abs=0.1)
    assert fit.c_mid == pytest.approx(row["c_mid"], abs=0.51)
    assert fit.b == pytest.approx(row["b"], abs=0.051)
    assert fit.at_bound == (row["at_gain_bound"] == "yes")
    assert fit.n_points == len(points)


@pytest.mark.parametrize("protocol", [PLAIN, WEIGHTED], ids=["plain", "weighted"])
def test_a_clear_curve_is_identified(protocol: Protocol) -> None:
    fit = fit_noisy(0.3, 0, protocol=protocol)
    assert fit.verdict == "identified"
    assert fit.a_post_low < fit.a_post < fit.a_post_high
    assert fit.a_post_profile_low < fit.a_post < fit.a_post_profile_high
    assert fit.a_post == pytest.approx(P_SFT + 8.0, abs=1.0)
    assert fit.rmse == pytest.approx(0.3, rel=0.35)
    assert 0.95 < fit.r2 < 1
    assert not fit.at_bound
    assert fit.heldout_rmse < 1.0


@pytest.mark.parametrize("protocol", [PLAIN, WEIGHTED], ids=["plain", "weighted"])
def test_both_intervals_cover_the_truth_about_as_often_as_they_say(protocol: Protocol) -> None:
    fits = [
        fit_noisy(0.4, seed, FitSettings(n_bootstrap=60), protocol=protocol) for seed in range(40)
    ]
    truth = P_SFT + 8.0
    # 40 trials at 0.90: the binomial standard error is 0.05.
    assert np.mean([fit.a_post_low <= truth <= fit.a_post_high for fit in fits]) >= 0.75
    profile = [fit.a_post_profile_low <= truth <= fit.a_post_profile_high for fit in fits]
    # A curve that has to start at the measured P_sft takes its noise for none: too narrow.
    assert np.mean(profile) >= (0.8 if protocol is WEIGHTED else 0.6)
    end = P_SFT + float(compute_gain(X[-1:], **TRUTH)[0])
    assert np.mean([fit.end_low <= end <= fit.end_high for fit in fits]) >= 0.75


@pytest.mark.parametrize("protocol", [PLAIN, WEIGHTED], ids=["plain", "weighted"])
@pytest.mark.parametrize("sd", [0.2, 0.01])
def test_a_profile_interval_holds_its_own_fit_at_low_noise(protocol: Protocol, sd: float) -> None:
    held = []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, sd, X.size) * (X > 0)
        branch = make_branch(X, P_SFT + compute_gain(X, **TRUTH) + noise, np.full(X.size, sd))
        problem = make_problem(branch, protocol, ListedSettings())
        point = fit_problem(problem, ListedSettings())
        low, high = compute_profile_interval(problem, point, LEVEL)
        assert low <= point.curve.ceiling[0] <= high
        held.append(low <= P_SFT + 8.0 <= high)
    assert np.mean(held) >= 0.75


def test_kit_says_in_one_line_that_compute_is_too_small_for_it() -> None:
    small = make_branch(X * 1e-10, make_branch_with_noisy_start(0.3, 0).score)
    with pytest.raises(InputError, match="kit cannot fit this compute") as error:
        fit_branch(small, load_protocols()["kit"], ASKED, ListedSettings(end=X.size))
    assert "\n" not in str(error.value)


def test_planted_ceilings_are_unbiased() -> None:
    for protocol in (PLAIN, WEIGHTED):
        fits = [
            fit_noisy(0.4, seed, FitSettings(n_bootstrap=5), protocol=protocol)
            for seed in range(60)
        ]
        found = np.array([fit.a_post for fit in fits])
        standard_error = found.std() / np.sqrt(found.size)
        assert abs(np.median(found) - (P_SFT + 8.0)) < 3 * standard_error + 0.1


def test_outliers_move_the_weighted_fit_less() -> None:
    branch = make_branch_with_noisy_start(0.3, 5)
    score = branch.score.copy()
    score[[8, 15, 22]] -= [6.0, 5.0, 7.0]
    spoiled = make_branch(branch.x, score, branch.error)
    plain, weighted = (
        fit_branch(spoiled, p, FitSettings(n_bootstrap=5)).fit for p in (PLAIN, WEIGHTED)
    )
    assert abs(weighted.a_post - 78.0) < 0.5 * abs(plain.a_post - 78.0)
    assert weighted.a_post == pytest.approx(78.0, abs=0.8)


def test_a_collapse_is_cut_off_and_named() -> None:
    branch = make_branch_with_noisy_start(0.3, 6)
    score = branch.score.copy()
    score[18:] = 40.0
    fit = fit_branch(make_branch(branch.x, score, branch.error), WEIGHTED, ASKED).fit
    assert fit.collapsed
    assert fit.x_end_eflops == X[17]
    assert fit.n_fit == 18
    assert fit.a_post == pytest.approx(78.0, abs=1.5)
    whole = WEIGHTED.model_copy(update={"stop_at_collapse": False})
    assert fit_branch(make_branch(branch.x, score, branch.error), whole, ASKED).fit.n_fit == X.size


def test_a_free_origin_does_not_believe_one_lucky_checkpoint() -> None:
    branch = make_branch_with_noisy_start(0.3, 7)
    score = branch.score.copy()
    score[0] += 3.0
    lucky = make_branch(branch.x, score, branch.error)
    free = fit_branch(lucky, WEIGHTED, ASKED).fit
    assert free.epsilon == pytest.approx(-3.0, abs=1.0)
    assert free.p_sft == score[0]
    assert free.p_sft + free.pl_rl == pytest.approx(free.a_post)
    fixed = fit_branch(lucky, PLAIN, ASKED).fit
    assert abs(free.a_post - 78.0) < abs(fixed.a_post - 78.0)


def test_draws_move_the_origin_and_restore_the_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    residual = np.where(np.arange(X.size) % 2, 1.0, -1.0)
    score = P_SFT + compute_gain(X, **TRUTH) + np.where(X > 0, residual, 0.0)
    problem = make_problem(make_branch(X, score), PLAIN, ListedSettings())
    point = fit_problem(problem, ListedSettings())
    exact = point.curve._replace(
        **{name: np.array([value]) for name, value in TRUTH.items()}, base=np.array([P_SFT])
    )
    seen: list[CurveRows] = []

    def record_rows(rows: CurveRows, bounds: Bounds) -> Solution:
        seen.append(rows)
        return solve_rows(rows, bounds)

    monkeypatch.setattr(bootstrap, "solve_rows", record_rows)
    rng = np.random.default_rng(0)
    bootstrap.refit_resampled_curves(problem, point._replace(curve=exact), 2000, rng)
    noise = seen[0].gain - compute_gain(X, **TRUTH)
    assert (noise[:, 0] == 0).all()
    # 24 residuals of size 1 after a fit of 3 parameters: noise of variance 24 / 21 at each point,
    # and the same once more, common to all points of a draw, because P_sft is noisy too.
    assert noise[:, 1:].var(axis=1, ddof=1).mean() == pytest.approx(24 / 21, rel=0.03)
    assert noise[:, 1:].mean(axis=1).var() == pytest.approx(24 / 21 * (1 + 1 / 24), rel=0.1)


def test_more_noise_and_fewer_points_widen_the_interval() -> None:
    def measure_width(fit: BranchFit) -> float:
        return fit.a_post_high - fit.a_post_low

    clear, loud = fit_noisy(0.1, 1), fit_noisy(0.6, 1)
    sparse = fit_noisy(0.1, 1, x=X[::4])
    assert measure_width(clear) < measure_width(sparse)
    assert measure_width(clear) < measure_width(loud)


def test_same_seed_same_fit_and_other_stream_other_interval() -> None:
    branch = make_branch_with_noisy_start(0.5, 2)
    first, again = (fit_branch(branch, WEIGHTED, ASKED) for _ in range(2))
    assert first.fit == again.fit
    assert all((first.draws[name] == again.draws[name]).all() for name in first.draws)
    other = fit_branch(branch, WEIGHTED, ASKED, stream=1).fit
    assert other.a_post == first.fit.a_post
    assert other.a_post_low != first.fit.a_post_low
    assert fit_branch(branch, WEIGHTED, FitSettings(seed=1)).fit.a_post_low != first.fit.a_post_low


@pytest.mark.parametrize("protocol", [PLAIN, WEIGHTED], ids=["plain", "weighted"])
def test_an_unfinished_rise_is_bound(protocol: Protocol) -> None:
    x = np.linspace(0, 10, 15)
    fit = fit_branch(make_branch(x, 50 + 0.5 * x), protocol, ASKED).fit
    assert fit.verdict == "bound"
    assert fit.a_post_profile_high == pytest.approx(fit.p_sft + 1.5 * (fit.end_score - 50), rel=0.1)
    if protocol is PLAIN:
        assert fit.at_bound
        assert fit.pl_rl == pytest.approx(1.5 * 5.0)


def test_no_ceiling_is_above_one_hundred() -> None:
    x = np.linspace(0, 10, 15)
    fit = fit_branch(make_branch(x, 90 + x), PLAIN, ASKED).fit
    assert fit.a_post == pytest.approx(100.0)
    assert fit.a_post_high <= 100.0
    assert fit.verdict == "bound"


def test_a_wide_interval_is_not_identified() -> None:
    fit = fit_noisy(0.3, 0)
    width = fit.a_post_high - fit.a_post_low
    strict = fit_noisy(0.3, 0, FitSettings(n_bootstrap=200, identified_width=0.9 * width))
    assert (strict.verdict, strict.a_post) == ("not identified", fit.a_post)


def test_a_ceiling_below_what_was_reached_is_not_identified() -> None:
    # Two plateaus: one rise cannot describe them, however narrow its interval.
    x = np.linspace(0, 60, 61)
    steps = np.where(x > 5, 4.0, 0.0) + np.where(x > 50, 4.0, 0.0)
    noise = np.random.default_rng(0).normal(0, 0.15, x.size)
    flat = WEIGHTED.model_copy(update={"c_mid_above": 0.5, "b_min": 5.0})
    fit = fit_branch(make_branch(x, 60 + steps + noise, np.full(61, 0.15)), flat, ASKED).fit
    assert fit.a_post_high < fit.best_smoothed
    assert fit.verdict == "not identified"


def test_too_few_points_are_not_fitted() -> None:
    fit, draws = fit_branch(make_branch([0, 1, 2, 3], [50, 52, 53, 53.5]), WEIGHTED, ASKED)
    assert fit.verdict == "not identified"
    assert (fit.n_points, draws) == (4, {})
    assert np.isnan([fit.pl_rl, fit.a_post, fit.c_mid, fit.rmse]).all()


@pytest.mark.parametrize("scores", [[60.0] * 6, [60, 59, 55, 58, 59, 57]])
def test_scores_that_never_rise_are_not_identified(scores: list[float]) -> None:
    fit = fit_branch(make_branch(range(6), scores), PLAIN, ASKED).fit
    assert fit.verdict == "not identified"
    assert (fit.pl_rl, fit.a_post, fit.at_bound) == (0.0, 60.0, False)
    assert np.isnan([fit.c_mid, fit.b, fit.a_post_low]).all()
    assert fit.rmse == pytest.approx(np.sqrt(np.mean((np.array(scores) - 60) ** 2)))


def test_epsilon_is_fitted_only_when_listed() -> None:
    score = np.where(X > 0, 70 + compute_gain(X, epsilon=2.0, pl_rl=7.0, c_mid=20.0, b=3.0), 70.0)
    branch = make_branch(X, score)
    paper = load_protocols()["paper"].model_copy(update={"decimals": None})
    listed = ListedSettings(start=1, end=X.size, tau=50.0, free_epsilon=True)
    assert fit_branch(branch, paper, ASKED, listed).fit.epsilon == pytest.approx(2.0, rel=1e-4)
    fixed = fit_branch(branch, paper, ASKED, listed._replace(free_epsilon=False)).fit
    assert fixed.epsilon == 0.0


def test_a_window_is_what_is_fitted() -> None:
    paper = load_protocols()["paper"]
    fit = fit_branch(
        make_branch_with_noisy_start(0.2, 3),
        paper,
        ASKED,
        ListedSettings(start=2, end=20, tau=50.0),
    ).fit
    assert (fit.n_points, fit.n_fit) == (X.size, 18)


@pytest.mark.parametrize(
    ("x", "score", "word"),
    [
        ([0, 1, float("nan")], [1, 2, 3], "missing"),
        ([0, -1, 2], [1, 2, 3], "negative"),
        ([0, 2, 1], [1, 2, 3], "decreases after 2"),
        ([0, 1, 2], [1, float("nan"), 3], "score"),
        ([0, 1, 2], [1, 2, 101], "outside 0 to 100"),
        ([1, 2, 3], [1, 2, 3], "0 points at x_rl = 0"),
        ([0, 0, 2], [1, 2, 3], "2 points at x_rl = 0"),
        ([0, 1], [1, 2, 3], "2 compute values but 3"),
        ([0, "one"], [1, 2], "not a number"),
    ],
)
def test_bad_branches_are_refused(x: list[float], score: list[float], word: str) -> None:
    with pytest.raises(InputError, match=word):
        make_branch(x, score)


def test_an_error_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="standard error"):
        make_branch([0, 1], [1, 2], [1.0, 0.0])
