"""How many replicates a hypothesis takes, by a calculation of its own."""

import numpy as np
import pytest
from scipy.stats import nct, t

from retu.audit.hypotheses.rank_chance import compute_rank_chance
from retu.scaling.power import (
    compute_power,
    count_seeds_needed,
    describe_power,
    find_detectable_effect,
)


def compute_power_by_noncentral_t(effect: float, scatter: float, n: int, alpha: float) -> float:
    """The power of a two-sided t test by scipy's noncentral t, where that knows it."""
    limit, shift = t.isf(alpha / 2, n - 1), abs(effect) / scatter * np.sqrt(n)
    found = float(nct.sf(limit, n - 1, shift) + nct.cdf(-limit, n - 1, shift))
    assert np.isfinite(found)
    return found


@pytest.mark.parametrize(
    ("effect", "scatter", "alpha"), [(1.0, 1.0, 0.05), (-2.0, 1.5, 0.05 / 8), (0.4, 1.0, 0.05 / 8)]
)
def test_seeds_needed_by_a_calculation_of_its_own(
    effect: float, scatter: float, alpha: float
) -> None:
    n = count_seeds_needed(effect, scatter, alpha)
    assert n is not None
    assert compute_power_by_noncentral_t(abs(effect), scatter, n, alpha) >= 0.8
    assert compute_power_by_noncentral_t(abs(effect), scatter, n - 1, alpha) < 0.8


def test_what_no_number_of_seeds_settles() -> None:
    assert count_seeds_needed(0.0, 1.0, 0.05) is None
    assert count_seeds_needed(0.01, 1.0, 0.05) is None
    assert count_seeds_needed(1.0, 0.1, 0.05, shared=1.0) is None
    assert count_seeds_needed(1.0, 0.0, 0.05) == 2
    assert count_seeds_needed(1000.0, 1.0, 0.05) == 2


def test_power_where_the_noncentral_t_of_scipy_knows_none() -> None:
    """By a sum over a million drawn samples of two and of five values."""
    rng = np.random.default_rng(0)
    for n, shift in ((2, 36.0), (2, 100.0), (5, 100.0), (20, 20.0)):
        deviation = np.sqrt(rng.chisquare(n - 1, 1_000_000) / (n - 1))
        drawn = (rng.normal(shift, 1, 1_000_000) / deviation > t.isf(0.05 / 16, n - 1)).mean()
        assert compute_power(shift, n, 0.05 / 8) == pytest.approx(drawn, abs=2e-3)


@pytest.mark.parametrize("n", [2, 5, 20])
def test_the_detectable_effect_is_found_four_times_in_five(n: int) -> None:
    effect = find_detectable_effect(1.5 / np.sqrt(n), n, 0.05 / 8)
    assert compute_power_by_noncentral_t(effect, 1.5, n, 0.05 / 8) == pytest.approx(0.8, abs=1e-3)
    assert f"{n} replicates with a scatter of 1.5 points find an effect of {effect:.1f}" in (
        describe_power(1.5, n, 0.05 / 8)
    )


def test_chance_of_random_orders_by_hand() -> None:
    """Of the six orders of three, one is the same and one is the reverse."""
    assert compute_rank_chance(1.0, [3]) == pytest.approx(2 / 6, abs=0.01)
    assert compute_rank_chance(-1.0, [3, 3]) == pytest.approx(2 / 36, abs=0.005)
    assert compute_rank_chance(0.0, [4, 5]) == pytest.approx(1.0)
