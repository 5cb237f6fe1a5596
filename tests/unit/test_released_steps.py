"""Steps inferred from compute."""

import numpy as np
import pytest

from retu.audit.released.inferred_steps import infer_rl_steps, infer_sft_steps
from retu.core.errors import InputError

DENSE = [*range(20, 401, 20), *range(720, 14041, 360), 14080]
BRANCHES = [360, 720, 1080, 1440, 1800, 3600, 5400, 7200, 9000, 10800, 12600, 14080]


def make_compute(steps: list[int], rate: float) -> np.ndarray:
    """Compute of steps, base model first, rounded as the released files are."""
    return np.round(np.array([0, *steps]) * rate, 2)


def test_a_dense_run_gets_all_its_steps() -> None:
    assert infer_sft_steps(make_compute(DENSE, 0.097), BRANCHES, "file") == [0, *DENSE]


@pytest.mark.parametrize("rate", [0.00919, 0.0548938, 0.2479])
def test_branch_steps_are_exact_even_where_rounding_is_coarse(rate: float) -> None:
    steps = [62, 124, 186, 248, 310]
    assert infer_sft_steps(make_compute(steps, rate), steps, "file") == [0, *steps]


def test_compute_rounded_at_each_checkpoint_still_fits() -> None:
    # The released Easy102K run: multiples of 19.76, but 335.95 instead of 335.92 at the end.
    points = np.array([0, 19.76, 39.52, 59.28, 79.04, 98.8, 335.95])
    steps = [360, 720, 1080, 1440, 1800, 6120]
    assert infer_sft_steps(points, steps, "file") == [0, *steps]


@pytest.mark.parametrize("lost", [360, 5400, 14080])
def test_a_branch_without_its_point_is_named(lost: int) -> None:
    points = make_compute([step for step in DENSE if step != lost], 0.097)
    with pytest.raises(InputError, match=f"file: no point for step {lost} "):
        infer_sft_steps(points, BRANCHES, "file")


@pytest.mark.parametrize(("steps", "branches"), [([100], []), ([], [100])])
def test_steps_need_points_and_branches(steps: list[int], branches: list[int]) -> None:
    with pytest.raises(InputError, match="steps cannot be told"):
        infer_sft_steps(make_compute(steps, 0.1), branches, "file")


def test_rl_steps_have_a_constant_distance() -> None:
    assert infer_rl_steps(np.array([3.5, 6.5, 9.4, 12.6]), 10) == [10, 20, 30, 40]


def test_a_double_gap_counts_the_missing_evaluation() -> None:
    points = np.cumsum([3.5, 3.0, 2.9, 3.1, 6.0, 3.0, 2.8])
    assert infer_rl_steps(points, 10) == [10, 20, 30, 40, 60, 70, 80]


def test_the_long_first_gap_is_no_missing_evaluation() -> None:
    points = np.cumsum([3.2, 1.8, 1.9, 1.8, 1.7])
    assert infer_rl_steps(points, 10) == [10, 20, 30, 40, 50]


def test_one_evaluation_is_enough() -> None:
    assert infer_rl_steps(np.array([2.0]), 5) == [5]
