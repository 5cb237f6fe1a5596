"""Trimming against brute force, and the fixed points it can end in."""

from itertools import combinations

import numpy as np
import pytest

from retu.config.protocols import load_protocols
from retu.scaling.best_curve import compute_residuals, fit_problem, fit_weights
from retu.scaling.branch import ListedSettings, make_branch
from retu.scaling.engine import solve_rows
from retu.scaling.fit_rows import Bounds, CurveRows
from retu.scaling.law import BoolArray, FloatArray, compute_gain
from retu.scaling.problem import FitProblem, make_problem
from retu.scaling.trimmed_fixed_points import find_fixed_points
from retu.scaling.trimming import compute_modified_z, concentrate_points, drop_outliers

X = np.concatenate([[0.0], np.geomspace(1.0, 50.0, 10)])
LISTED = ListedSettings(tau=2.5, lts_share=0.75)
PAPER = load_protocols()["paper"]


def make_spoiled_scores(seed: int) -> FloatArray:
    """Scores of a law with two outliers."""
    rng = np.random.default_rng(seed)
    score = 70 + compute_gain(X, epsilon=0, pl_rl=8, c_mid=8, b=1.5) + rng.normal(0, 0.3, X.size)
    score[[3, 8]] += [3.0, -4.0]
    return score


def make_trimmed_problem(seed: int) -> FitProblem:
    """The trimmed problem of such scores."""
    return make_problem(make_branch(X, make_spoiled_scores(seed)), PAPER, LISTED)


def compute_trimmed_sse(problem: FitProblem, keep: BoolArray) -> FloatArray:
    """Sum of squares of the kept points of each set, fitted alone."""
    residual = compute_residuals(problem, fit_weights(problem, keep.astype(float)))
    total: FloatArray = np.where(keep, residual**2, 0.0).sum(axis=1)
    return total


@pytest.mark.parametrize("seed", range(4))
def test_fixed_points_hold_the_global_optimum_of_small_samples(seed: int) -> None:
    problem = make_trimmed_problem(seed)
    count = int(X.size * LISTED.lts_share)
    sets = np.zeros((len(list(combinations(range(X.size), count))), X.size), dtype=np.bool_)
    for row, chosen in zip(sets, combinations(range(X.size), count), strict=True):
        row[list(chosen)] = True
    best = compute_trimmed_sse(problem, sets).min()
    found = find_fixed_points(problem, LISTED, np.random.default_rng(0))
    assert found.sse[0] == pytest.approx(best, rel=1e-4)
    assert (np.diff(found.sse) >= 0).all()


def test_every_end_is_a_fixed_point() -> None:
    problem = make_trimmed_problem(1)
    weight = fit_problem(problem, LISTED).weight
    count = int(X.size * LISTED.lts_share)

    def fit_residuals(keep: BoolArray) -> FloatArray:
        return compute_residuals(problem, fit_weights(problem, keep.astype(float)))

    keep = concentrate_points(fit_residuals, (weight > 0)[None], count, steps=50)
    assert (concentrate_points(fit_residuals, keep, count, steps=1) == keep).all()
    assert keep.sum() == count


def test_concentration_never_raises_the_trimmed_sum() -> None:
    problem = make_trimmed_problem(2)
    count = int(X.size * LISTED.lts_share)

    def fit_residuals(keep: BoolArray) -> FloatArray:
        return compute_residuals(problem, fit_weights(problem, keep.astype(float)))

    keep = np.arange(X.size)[None] < count
    before = np.inf
    for _ in range(6):
        keep = concentrate_points(fit_residuals, keep, count, steps=1)
        after = float(compute_trimmed_sse(problem, keep)[0])
        # The cap follows the kept points, so a step may give back a little where it binds.
        assert after <= before * (1 + 1e-6)
        before = after


def test_outliers_are_dropped_worst_first_and_at_most_three() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, (1, 30))
    values[0, [4, 9, 14, 19]] = [30.0, -25.0, 20.0, 15.0]

    def compute_residuals(keep: BoolArray) -> FloatArray:
        mean = np.where(keep, values, 0).sum(axis=1, keepdims=True) / keep.sum(axis=1)
        return np.asarray(values - mean)

    keep = drop_outliers(compute_residuals, np.ones((1, 30), dtype=np.bool_), 4.0)
    assert sorted(np.flatnonzero(~keep[0])) == [4, 9, 14]
    assert drop_outliers(compute_residuals, np.ones((1, 30), dtype=np.bool_), 1e3).all()


def test_modified_z_of_known_numbers() -> None:
    residual = np.array([[1.0, 2.0, 3.0, 4.0, 100.0]])
    every = np.ones_like(residual, dtype=np.bool_)
    assert compute_modified_z(residual, every)[0] == pytest.approx(
        [0.6745 * d for d in (2.0, 1.0, 0.0, 1.0, 97.0)]
    )


def test_a_start_near_the_optimum_gives_the_optimum() -> None:
    score = make_spoiled_scores(0) - 70
    rows = CurveRows(X, score[None], np.ones((1, X.size)), np.array([20.0]))
    best = solve_rows(rows, Bounds())
    near = np.log([[best.c_mid[0] * 1.3, best.b[0] * 0.8]])
    assert solve_rows(rows, Bounds(), near).sse[0] == pytest.approx(best.sse[0], rel=1e-9)
