"""The posterior of the law: calibration on planted curves, verdicts, invariances, its algebra."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retu.config.analysis import FitSettings
from retu.config.protocols import load_protocols
from retu.scaling.branch import Branch, make_branch
from retu.scaling.fit_result import ENDS_EARLY, FALLS, LEANS, WIDE, BranchFit
from retu.scaling.fitting.fit import fit_branch
from retu.scaling.law import FloatArray, compute_gain
from retu.scaling.posterior.branch_posterior import (
    condition_on_branch,
    draw_even_laws,
    draw_random_laws,
)
from retu.scaling.posterior.posterior_points import BranchPoints, compute_rise_curves, make_forms
from retu.scaling.posterior.prior import make_weak_prior
from retu.scaling.posterior.residual_draws import draw_evaluation_noise
from retu.scaling.sampling_noise import compute_score_error

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from calibration import ask_method, make_protocol_method, summarise_answers
from planted import CUT, NOISES, REGULAR

X = np.concatenate([[0.0], np.geomspace(1.0, 60.0, 40)])
TRUTH = {"epsilon": 0.0, "pl_rl": 8.0, "c_mid": 8.0, "b": 1.6}
P_SFT, SD = 70.0, 0.4
ROBUST = load_protocols()["robust"]
SETTINGS = FitSettings()


def make_law_branch(seed: int = 0, sd: float = SD, x: FloatArray = X, **law: float) -> Branch:
    """Scores of the law under Gaussian noise."""
    score = (
        P_SFT
        + compute_gain(x, **{**TRUTH, **law})
        + np.random.default_rng(seed).normal(0, sd, x.size)
    )
    return make_branch(x, score, np.full(x.size, sd / 0.7))


def fit_by_posterior(branch: Branch, settings: FitSettings = SETTINGS) -> BranchFit:
    """Fit by the posterior."""
    return fit_branch(branch, ROBUST, settings, x_common=30.0).fit


@cache
def calibrate_protocol(name: str, noise: int) -> pd.DataFrame:
    """Figures of a few planted curves, regular ones and ones cut short, by one protocol."""
    method = make_protocol_method(name, FitSettings(n_bootstrap=30))
    counts = {REGULAR: 16, CUT: 12}
    return ask_method(method, NOISES[noise], [7], counts)


@pytest.mark.parametrize("noise", [0, 3])
def test_intervals_hold_on_planted_curves_as_often_as_they_say(noise: int) -> None:
    rows = calibrate_protocol("robust", noise)
    found = summarise_answers(rows)
    # 28 trials at 0.90: the binomial standard error is 0.06.
    assert min(found["ceiling"], found["end"], found["double"]) >= 78
    assert found["cut short"] <= 1
    known = rows[rows["identified"]]
    assert (known["error"].abs() > 4).sum() <= 1
    assert (~known["ceiling_held"]).sum() <= 3
    assert len(known) >= 5


def test_least_squares_and_its_bootstrap_would_fail_these_bounds() -> None:
    found = summarise_answers(calibrate_protocol("weighted", 3))
    assert found["ceiling"] < 78
    assert found["end"] < 78
    assert found["missed"] > 50


def test_a_clear_curve_is_identified() -> None:
    found = fit_by_posterior(make_law_branch())
    assert (found.verdict, found.reason) == ("identified", "")
    assert found.a_post_low < found.a_post < found.a_post_high
    assert found.a_post == pytest.approx(78.0, abs=0.8)
    assert found.c_mid == pytest.approx(8.0, rel=0.25)
    assert found.b == pytest.approx(1.6, rel=0.25)
    assert found.end_low < found.end_score < found.end_high < found.double_high
    assert found.noise == pytest.approx(SD, rel=0.3)
    assert found.p_beyond < 0.05
    assert found.prior_shift < 0.2
    assert np.isnan(found.a_post_profile_low)


@pytest.mark.parametrize("seed", range(6))
def test_a_curve_cut_before_half_of_its_rise_is_not_identified(seed: int) -> None:
    found = fit_by_posterior(make_law_branch(seed, c_mid=90.0, pl_rl=20.0))
    assert found.verdict == "not identified"
    assert found.reason == ENDS_EARLY
    assert found.p_beyond > 0.5


@pytest.mark.parametrize(("score", "low", "high"), [(0.0, 0.0, 100.0), (100.0, 0.0, 100.0)])
def test_a_flat_branch_at_an_end_of_the_scale_has_a_ceiling_that_is_a_score(
    score: float, low: float, high: float
) -> None:
    x = np.arange(8.0)
    branch = make_branch(x, np.full(x.size, score), np.full(x.size, 0.8))
    fit = fit_by_posterior(branch)
    assert low <= fit.a_post <= high
    assert fit.a_post_low <= fit.a_post <= fit.a_post_high
    assert fit.pl_rl == pytest.approx(fit.a_post - fit.p_sft)


def test_reasons_are_in_words() -> None:
    wide = fit_by_posterior(make_law_branch(), FitSettings(identified_width=0.1))
    assert wide.reason == WIDE
    assert fit_by_posterior(make_law_branch(), FitSettings(prior_share=0.001)).reason == LEANS
    falling = make_branch(X, P_SFT - 6 * X / (X + 10), np.full(X.size, 0.5))
    assert fit_by_posterior(falling).reason == FALLS


def test_correlated_noise_widens_the_interval() -> None:
    def measure_width(rho: float) -> float:
        rng = np.random.default_rng(3)
        noise = rng.normal(0, SD, X.size)
        for i in range(1, X.size):
            noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
        found = fit_by_posterior(
            make_branch(X, P_SFT + compute_gain(X, **TRUTH) + noise, np.full(X.size, SD / 0.7))
        )
        return found.a_post_high - found.a_post_low

    assert measure_width(0.7) > 1.4 * measure_width(0.0)


def test_no_interval_is_finer_than_one_answer() -> None:
    x = np.linspace(0.0, 20.0, 40)
    count = np.array([42.0])
    score = 19.05 - 10 * np.exp(-x) + np.random.default_rng(0).normal(0, 0.0025, x.size)
    error = compute_score_error(score[:, None], count, count)
    found = fit_by_posterior(make_branch(x, score, error, 100 / 42))
    for name in ("a_post", "end", "double"):
        low, high = getattr(found, f"{name}_low"), getattr(found, f"{name}_high")
        assert high - low >= 100 / 42
    assert found.a_post_low < found.a_post < found.a_post_high


def test_outliers_and_a_lucky_checkpoint_hardly_move_the_ceiling() -> None:
    branch = make_law_branch(5)
    score = branch.score.copy()
    score[[8, 15, 22]] -= [6.0, 5.0, 7.0]
    score[0] += 3.0
    found = fit_by_posterior(make_branch(branch.x, score, branch.error))
    assert found.a_post == pytest.approx(fit_by_posterior(branch).a_post, abs=0.6)
    assert found.epsilon == pytest.approx(-3.0, abs=1.2)
    assert found.n_fit <= X.size - 3


@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1e21])
def test_the_unit_of_compute_does_not_matter(scale: float) -> None:
    branch = make_law_branch(6)
    one, other = (
        fit_by_posterior(branch),
        fit_by_posterior(make_branch(branch.x * scale, branch.score, branch.error)),
    )
    assert other.a_post == pytest.approx(one.a_post, abs=1e-6)
    assert other.c_mid == pytest.approx(one.c_mid * scale, rel=1e-6)
    assert other.verdict == one.verdict


@pytest.mark.parametrize("copied", [0, 11, 25, 40])
def test_a_copied_point_moves_the_ceiling_by_less_than_its_error(copied: int) -> None:
    branch = make_law_branch(8)
    place = max(copied, 1)
    x, score, error = (
        np.insert(a, place, a[place]) for a in (branch.x, branch.score, branch.error)
    )
    found = fit_by_posterior(branch)
    spread = (found.a_post_high - found.a_post_low) / 3.29
    assert abs(fit_by_posterior(make_branch(x, score, error)).a_post - found.a_post) < spread


def test_intervals_carry_no_chance_and_draws_depend_on_their_stream() -> None:
    branch = make_law_branch(9)
    first, again = (fit_branch(branch, ROBUST, SETTINGS) for _ in range(2))
    other = fit_branch(branch, ROBUST, FitSettings(seed=1), stream=1)
    assert first.fit.a_post_low == other.fit.a_post_low
    for name, drawn in first.draws.items():
        np.testing.assert_array_equal(drawn, again.draws[name])
    assert (first.draws["a_post"] != other.draws["a_post"]).any()


def test_forms_are_those_of_the_dense_covariance() -> None:
    rng = np.random.default_rng(2)
    n, rho = 9, 0.45
    points = BranchPoints(
        np.sort(rng.uniform(0, 1, n)), rng.normal(size=n), rng.uniform(1, 2, n), 30, 0.3
    )
    weight = rng.uniform(0.3, 1.0, n)
    phi = compute_rise_curves(points.x, np.array([-1.0, 0.2]), np.array([0.1, 0.7]))
    forms = make_forms(points, weight, phi)
    inverse = np.linalg.inv(rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))))
    scale = np.sqrt(weight) / points.error
    columns = [scale, scale * points.rise, *(phi * scale)]
    dense = np.array([[u @ inverse @ v for v in columns] for u in columns])
    fixed, mixed, curve = (form.evaluate(np.array([rho]))[0] for form in forms)
    np.testing.assert_allclose(fixed, dense[:2, :2])
    np.testing.assert_allclose(mixed, dense[:2, 2:])
    np.testing.assert_allclose(curve, np.diag(dense)[2:])


def test_random_draws_agree_with_the_even_ones() -> None:
    posterior = condition_on_branch(make_law_branch(10), make_weak_prior(P_SFT))
    even = draw_even_laws(posterior)
    drawn = draw_random_laws(posterior, 20_000, np.random.default_rng(0))
    for name in ("ceiling", "level", "log_c_mid", "log_b", "noise", "rho"):
        a, b = getattr(even, name), getattr(drawn, name)
        assert a.mean() == pytest.approx(b.mean(), abs=0.05 * b.std())
        assert a.std() == pytest.approx(b.std(), rel=0.05)


def test_drawn_noise_has_its_size_and_correlation() -> None:
    law = draw_even_laws(condition_on_branch(make_law_branch(11), make_weak_prior(P_SFT)))
    law = law._replace(noise=np.full(4000, 0.8), rho=np.full(4000, 0.6))
    noise = draw_evaluation_noise(law, np.full(6, 2.0), np.random.default_rng(0))
    assert noise.std() == pytest.approx(1.6, rel=0.03)
    assert np.corrcoef(noise[:, 2], noise[:, 3])[0, 1] == pytest.approx(0.6, abs=0.03)
