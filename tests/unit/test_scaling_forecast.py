"""Forecasts: planted curves, coverage, units, bad input, and the algebra behind them."""

from dataclasses import replace

import numpy as np
import pytest

from retu.core.errors import InputError
from retu.runtime.script import make_spec_reader
from retu.scaling.branch import Branch
from retu.scaling.forecasting.forecast_settings import MIN_POINTS, ForecastSettings, ForecastSpec
from retu.scaling.forecasting.predict import Forecast, GainPrior, forecast_branch, learn_prior
from retu.scaling.forecasting.replay import FinishedBranch, learn_prior_without
from retu.scaling.law import FloatArray, compute_gain

X = np.linspace(0.0, 60.0, 41)
ERROR = 0.75
PRIOR = GainPrior(mean=6.0, slope=-0.6, centre=74.0, sd=2.0)
SETTINGS = ForecastSettings()
CUT = 17


def plant_scores(
    rng: np.random.Generator, pl_rl: float = 7.0, c_mid: float = 12.0, b: float = 1.3
) -> tuple[FloatArray, FloatArray]:
    """True and observed scores at X of a branch from 72 percent."""
    truth = 72 + compute_gain(X, epsilon=0.0, pl_rl=pl_rl, c_mid=c_mid, b=b)
    noise = 0.65 * ERROR * rng.standard_t(4.0, X.size)
    return truth, truth + noise


def forecast_after_cut(
    score: FloatArray, cut: int = CUT, settings: ForecastSettings = SETTINGS, scale: float = 1.0
) -> Forecast:
    """Forecast all points after the first `cut`."""
    x = X * scale
    errors = np.full(cut, ERROR)
    return forecast_branch(x[:cut], score[:cut], errors, PRIOR, settings, x[cut:])


@pytest.mark.parametrize(("c_mid", "bias"), [(12.0, 0.3), (X[CUT - 1], 0.8)])
def test_planted_curves_are_forecast(c_mid: float, bias: float) -> None:
    # Where only half of the rise has been seen, 16 points leave some bias.
    ends = []
    for seed in range(40):
        truth, score = plant_scores(np.random.default_rng(seed), c_mid=c_mid)
        ends.append(forecast_after_cut(score).median[-1] - truth[-1])
    assert abs(np.mean(ends)) < bias
    assert np.std(ends) < 1.0


def test_intervals_cover_what_comes() -> None:
    # The prior is told as it is, and nothing leaves the law.
    settings = replace(SETTINGS, gain_spread=1.0, drift=0.0)
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(120):
        spread = rng.normal(size=3)
        shape = {
            "pl_rl": max(PRIOR.predict_gain(np.array([72.0]))[0][0] + 2 * spread[0], 0.5),
            "c_mid": X[CUT - 1] * np.exp(0.5 * spread[1]),
            "b": 1.2 * np.exp(0.3 * spread[2]),
        }
        _, score = plant_scores(rng, **shape)
        made = forecast_after_cut(score, settings=settings)
        inside.append((score[CUT:] >= made.low) & (score[CUT:] <= made.high))
    assert 0.85 < np.mean(inside) < 0.97


def test_more_points_make_better_and_narrower_forecasts() -> None:
    errors: dict[int, list[float]] = {8: [], 24: []}
    widths: dict[int, list[float]] = {8: [], 24: []}
    for seed in range(30):
        truth, score = plant_scores(np.random.default_rng(seed))
        for cut in errors:
            made = forecast_after_cut(score, cut)
            errors[cut].append(abs(made.median[-1] - truth[-1]))
            widths[cut].append(made.high[-1] - made.low[-1])
    assert np.mean(errors[24]) < 0.7 * np.mean(errors[8])
    assert np.mean(widths[24]) < 0.7 * np.mean(widths[8])


def test_one_wild_point_hardly_moves_a_forecast() -> None:
    _, score = plant_scores(np.random.default_rng(4))
    wild = score.copy()
    wild[9] -= 25
    moved = forecast_after_cut(wild).median - forecast_after_cut(score).median
    assert np.abs(moved).max() < 0.5


def test_later_points_are_not_looked_at() -> None:
    _, score = plant_scores(np.random.default_rng(5))
    changed = score.copy()
    changed[CUT:] = 10.0
    np.testing.assert_array_equal(
        forecast_after_cut(score).draws, forecast_after_cut(changed).draws
    )


@pytest.mark.parametrize("scale", [1e-9, 1000.0])
def test_the_unit_of_compute_does_not_matter(scale: float) -> None:
    _, score = plant_scores(np.random.default_rng(6))
    made, scaled = forecast_after_cut(score), forecast_after_cut(score, scale=scale)
    np.testing.assert_allclose(scaled.draws, made.draws, rtol=1e-9)
    np.testing.assert_allclose(scaled.x, made.x * scale)


def test_gains_errors_and_prior_scale_together() -> None:
    _, score = plant_scores(np.random.default_rng(7))
    x, rise = X[:CUT], score[:CUT] - score[0]
    # Both far from 100 percent, which does not scale.
    small = forecast_branch(
        x, 40 + rise / 3, np.full(CUT, 0.7 / 3), GainPrior(2.0, sd=2 / 3), SETTINGS, X[CUT:]
    )
    large = forecast_branch(
        x, 40 + rise, np.full(CUT, 0.7), GainPrior(6.0, sd=2.0), SETTINGS, X[CUT:]
    )
    np.testing.assert_allclose(large.median - 40, 3 * (small.median - 40), rtol=1e-9)
    np.testing.assert_allclose(large.high - large.low, 3 * (small.high - small.low), rtol=1e-9)


def test_forecasts_repeat_and_stay_percentages() -> None:
    score = np.linspace(60.0, 99.5, CUT)
    made, again = forecast_after_cut(score), forecast_after_cut(score)
    np.testing.assert_array_equal(made.draws, again.draws)
    assert made.observed.max() <= 100
    assert made.draws.shape == (SETTINGS.n_draws, X.size - CUT)
    assert ((made.low <= made.median) & (made.median <= made.high)).all()


def test_bad_input_is_refused() -> None:
    _, score = plant_scores(np.random.default_rng(8))
    error, later = np.full(CUT, ERROR), X[CUT:]

    def assert_refused(message: str, **changed: FloatArray) -> None:
        given = {"x": X[:CUT], "score": score[:CUT], "error": error, "x_new": later, **changed}
        with pytest.raises(InputError, match=message):
            forecast_branch(**given, prior=PRIOR, settings=SETTINGS)

    few = slice(0, MIN_POINTS - 1)
    assert_refused("at least 5", x=X[few], score=score[few], error=error[few])
    assert_refused("all 17 scores are 70", score=np.full(CUT, 70.0))
    assert_refused("missing or infinite", score=np.where(np.arange(CUT) == 3, np.nan, score[:CUT]))
    assert_refused("missing or infinite", x=np.where(np.arange(CUT) == 3, np.inf, X[:CUT]))
    assert_refused("must not decrease", x=X[:CUT][::-1])
    assert_refused("start at 0", x=X[:CUT] + 1)
    assert_refused("same length", error=error[:-1])
    assert_refused("not positive", error=0 * error)
    assert_refused("outside 0 to 100", score=score[:CUT] + 50)
    assert_refused("must rise from", x_new=np.array([1.0, 2.0]))
    assert_refused("no finite compute", x_new=np.array([]))
    assert_refused("no finite compute", x_new=np.array([70.0, np.nan]))


def test_prior_is_the_line_through_other_branches() -> None:
    rng = np.random.default_rng(9)
    p_sft = rng.uniform(60, 80, 200)
    prior = learn_prior(p_sft, 6 - 0.5 * (p_sft - 70) + rng.normal(0, 1.5, 200))
    mean, sd = prior.predict_gain(np.array([70.0, 74.0]))
    np.testing.assert_allclose(mean, [6.0, 4.0], atol=0.4)
    np.testing.assert_allclose(sd, 1.5, rtol=0.15)
    assert prior.predict_gain(np.array([99.9]))[0][0] == 0.0


def test_too_few_branches_teach_nothing() -> None:
    untaught = learn_prior(np.array([70.0, 72.0, 74.0]), np.array([5.0, 4.0, 3.0]))
    assert not untaught.is_learned
    assert untaught.predict_gain(np.array([60.0]))[0][0] == pytest.approx(10.0)
    same = learn_prior(np.full(5, 70.0), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert same.slope == 0
    assert same.predict_gain(np.array([70.0]))[0][0] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"fractions": [1.5]}', "fractions"),
        ('{"fraction": [0.3]}', "fraction"),
        ('{"settings": {"drift": -1}}', "drift >= 0"),
        ("{", "JSON"),
    ],
)
def test_wrong_specifications_are_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make_spec_reader(ForecastSpec)(text)
    assert "\n" not in str(error.value)


def test_a_branch_never_evaluated_after_the_start_teaches_no_gain() -> None:
    known = [
        FinishedBranch(
            "A", Branch(X, plant_scores(np.random.default_rng(seed))[1], np.full(X.size, ERROR))
        )
        for seed in range(5)
    ]
    lone = FinishedBranch("B", Branch(X[:1], np.array([70.0]), np.array([ERROR])))
    prior = learn_prior_without([*known, lone], {"C"})
    assert prior.is_learned
    assert prior == learn_prior_without(known, {"C"})
