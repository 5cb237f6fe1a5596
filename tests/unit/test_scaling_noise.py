"""Sampling error of overall scores, and running medians."""

import numpy as np
import pandas as pd
import pytest

from retu.core.errors import InputError
from retu.scaling.sampling_noise import compute_score_error, estimate_overall_error
from retu.scaling.smoothing import compute_causal_median, compute_centred_median, find_smoothed_best

PROBLEMS, SAMPLES = np.array([300.0, 40.0, 10.0]), np.array([300.0, 40.0, 160.0])


def make_benchmark_rows(scores: np.ndarray) -> pd.DataFrame:
    """Rows of three benchmarks and overall at each RL step, shape (n, 3), in percent."""
    rows = [
        {"rl_step": 10 * i, "benchmark": f"b{j}", "score": score, "n_problems": p, "n_samples": s}
        for i, point in enumerate(scores)
        for j, (score, p, s) in enumerate(zip(point, PROBLEMS, SAMPLES, strict=True))
    ]
    overall = [
        {"rl_step": 10 * i, "benchmark": "overall", "score": point @ PROBLEMS / PROBLEMS.sum()}
        for i, point in enumerate(scores)
    ]
    counts = {"n_problems": PROBLEMS.sum(), "n_samples": SAMPLES.sum()}
    return pd.DataFrame([*rows, *({**row, **counts} for row in overall)])


def test_error_is_the_spread_of_simulated_evaluations() -> None:
    rng = np.random.default_rng(0)
    share = np.array([0.8, 0.5, 0.1])
    right = rng.binomial(SAMPLES.astype(int), share, size=(20_000, 3)) / SAMPLES
    overall = 100 * right @ PROBLEMS / PROBLEMS.sum()
    assert compute_score_error(100 * share, PROBLEMS, SAMPLES) == pytest.approx(
        overall.std(), rel=0.02
    )


def test_problems_of_unequal_difficulty_scatter_less() -> None:
    rng = np.random.default_rng(1)
    difficulty = rng.beta(0.4, 0.4, size=300)
    overall = 100 * rng.binomial(1, difficulty, size=(5_000, 300)).mean(axis=1)
    error = compute_score_error(
        np.array([100 * difficulty.mean()]), np.array([300.0]), np.array([300.0])
    )
    assert 0.4 < overall.std() / error < 0.8


def test_more_samples_make_a_smaller_error_but_none_makes_it_zero() -> None:
    one, many = (
        compute_score_error(np.array([50.0]), np.array([30.0]), np.array([n])) for n in (30, 480)
    )
    assert many == pytest.approx(one / 4, rel=0.02)
    for extreme in (0.0, 100.0):
        assert compute_score_error(np.array([extreme]), np.array([30.0]), np.array([30.0])) > 1


def test_rows_of_a_branch_give_one_error_a_step() -> None:
    scores = np.array([[80.0, 50.0, 10.0], [90.0, 60.0, 20.0]])
    shuffled = make_benchmark_rows(scores).sample(frac=1, random_state=0)
    error = estimate_overall_error(shuffled)
    assert list(error.index) == [0, 10]
    np.testing.assert_allclose(error, compute_score_error(scores, PROBLEMS, SAMPLES))


def test_overall_rows_alone_count_as_one_benchmark() -> None:
    rows = make_benchmark_rows(np.array([[80.0, 50.0, 10.0]]))
    overall = rows[rows["benchmark"] == "overall"]
    expected = compute_score_error(
        overall["score"].to_numpy(), np.array([PROBLEMS.sum()]), np.array([SAMPLES.sum()])
    )
    assert estimate_overall_error(overall).iloc[0] == pytest.approx(float(expected))


def test_bad_rows_are_refused() -> None:
    rows = make_benchmark_rows(np.array([[80.0, 50.0, 10.0], [90.0, 60.0, 20.0]]))
    with pytest.raises(InputError, match="missing or outside"):
        estimate_overall_error(rows.drop(index=1))
    with pytest.raises(InputError, match="appears twice"):
        estimate_overall_error(pd.concat([rows, rows.head(1)]))
    with pytest.raises(InputError, match="n_samples"):
        estimate_overall_error(rows.assign(n_samples=5))


def test_medians_look_where_they_say() -> None:
    score = np.array([1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0])
    np.testing.assert_array_equal(
        compute_centred_median(score), [2.0, 5.0, 3.0, 7.0, 4.0, 5.5, 4.0]
    )
    np.testing.assert_array_equal(compute_causal_median(score), [1.0, 5.0, 2.0, 5.0, 3.0, 7.0, 4.0])
    assert find_smoothed_best(score) == 7.0


def test_rows_are_smoothed_alone() -> None:
    scores = np.random.default_rng(2).normal(size=(4, 3, 20))
    together = compute_centred_median(scores)
    assert together.shape == scores.shape
    np.testing.assert_array_equal(together[2, 1], compute_centred_median(scores[2, 1]))
    np.testing.assert_array_equal(
        find_smoothed_best(scores)[2, 1], find_smoothed_best(scores[2, 1])
    )
    np.testing.assert_array_equal(compute_centred_median(np.array([3.0])), [3.0])


def test_smoothed_best_is_far_less_biased_than_the_raw_best() -> None:
    rng = np.random.default_rng(3)
    scores = 70 + rng.normal(0, 0.4, size=(2_000, 40))
    assert scores.max(axis=1).mean() - 70 > 0.8
    assert find_smoothed_best(scores).mean() - 70 < 0.45
