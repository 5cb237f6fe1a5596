"""Statistics over draws, against numpy."""

import numpy as np
import pytest

from retu.scaling.draw_statistics import compute_central_interval, correlate_columns


def test_correlations_of_draws_are_those_of_numpy() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=5), random.normal(size=(5, 7))
    expected = [np.corrcoef(x, column)[0, 1] for column in y.T]
    assert correlate_columns(x, y) == pytest.approx(expected)


def test_a_constant_correlates_with_nothing() -> None:
    y = np.array([[1.0, 4.0], [2.0, 4.0], [3.0, 4.0]])
    rising, constant = correlate_columns(np.array([1.0, 2.0, 3.0]), y)
    assert rising == pytest.approx(1.0)
    assert np.isnan(constant)
    assert np.isnan(correlate_columns(np.full(3, 2.0), y)).all()


def test_the_central_share_of_values() -> None:
    values = np.arange(101.0)
    assert compute_central_interval(values) == pytest.approx((5.0, 95.0))
    assert compute_central_interval(values, level=0.5) == pytest.approx((25.0, 75.0))
