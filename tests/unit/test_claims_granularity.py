"""Printed numbers: their rounding, and which percentages whole answers can give."""

from fractions import Fraction
from itertools import product

import pytest

from retu.audit.claims.granularity import (
    count_decimals,
    find_fewest_samples,
    get_half_unit,
    is_possible_score,
    is_rounded_to,
)
from retu.audit.claims.measured_checks import compute_noise_interval
from retu.core.errors import InputError
from retu.scaling.sampling_noise import compute_binomial_error


def list_roundings(value: Fraction, decimals: int) -> set[str]:
    """All ways to print a value: at a tie both neighbours."""
    scaled = value * 10**decimals
    below = scaled.numerator // scaled.denominator
    units = {n for n in (below, below + 1) if abs(scaled - n) <= Fraction(1, 2)}
    return {f"{Fraction(n, 10**decimals).__float__():.{decimals}f}" for n in units}


@pytest.mark.parametrize("decimals", [0, 1, 2])
@pytest.mark.parametrize(("problems", "samples"), [(1, 1), (3, 1), (7, 1), (2, 4), (5, 3), (24, 1)])
def test_possible_is_what_counting_gives(problems: int, samples: int, decimals: int) -> None:
    total = problems * samples
    reachable = {
        text
        for right in range(total + 1)
        for text in list_roundings(Fraction(100 * right, total), decimals)
    }
    step = 10**decimals
    printed = [f"{n / step:.{decimals}f}" for n in range(100 * step + 1)]
    assert {text for text in printed if is_possible_score(text, problems, samples)} == reachable


def test_mixed_benchmarks_lie_on_the_lattice_of_the_common_multiple() -> None:
    # Two problems with one sample, one with four: every mean of three shares.
    shares = product((0, 1), (0, 1), (0, 1, 2, 3, 4))
    means = {Fraction(100 * (4 * a + 4 * b + c), 12) for a, b, c in shares}
    printed = {text for mean in means for text in list_roundings(mean, 2)}
    assert all(is_possible_score(text, 3, 4) for text in printed)
    assert not is_possible_score("50.05", 3, 4)


@pytest.mark.parametrize("text", ["100.1", "-0.1", "101"])
def test_no_score_lies_beyond_none_and_all(text: str) -> None:
    assert not is_possible_score(text, 10, 1)


def test_known_benchmarks() -> None:
    # GPQA-Diamond has 198 problems: 112 right are 56.6, 113 are 57.1.
    assert not is_possible_score("57.0", 198, 1)
    assert find_fewest_samples("57.0", 198) == 5
    assert find_fewest_samples("51.0", 198) == 1
    # One problem more or less moves a percentage of 3 problems by 33: nothing prints as 40.
    assert find_fewest_samples("40.0", 3) == 5
    # A multiple of 1/16 of a 2157th is everywhere near one decimal.
    assert all(is_possible_score(f"{n / 10:.1f}", 2157, 16) for n in range(1001))


def test_printed_precision() -> None:
    assert [count_decimals(text) for text in ("6.0", "-1.00", "12")] == [1, 2, 0]
    assert get_half_unit("6.0") == pytest.approx(0.05)
    assert get_half_unit("0", 1) == pytest.approx(0.05)
    assert is_rounded_to(0.25, "0.2")
    assert is_rounded_to(0.25, "0.3")
    assert not is_rounded_to(0.2501, "0.2")
    assert not is_rounded_to(float("nan"), "0.2")


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "1e3", "1.2.3", "1,5", "--1", "."])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no number"):
        get_half_unit(text)


@pytest.mark.parametrize(("problems", "samples"), [(0, 1), (5, 0)])
def test_impossible_counts_are_refused(problems: int, samples: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        is_possible_score("50.0", problems, samples)


def test_noise_follows_the_binomial() -> None:
    assert compute_binomial_error(0.5, 100) == pytest.approx(5.0)
    assert compute_binomial_error(0.77, 2157) == pytest.approx(0.906, abs=1e-3)
    assert compute_binomial_error(1.0, 10) == 0.0
    low, high = compute_noise_interval(50.0, 100)
    assert high - low == pytest.approx(2 * 1.6449 * 5.0 * 2**0.5, rel=1e-3)
