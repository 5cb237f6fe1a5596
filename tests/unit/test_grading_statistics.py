"""Scores with intervals: estimators, clustering, resolution, and what is refused."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from retu.core.arrays import FloatArray
from retu.core.errors import InputError
from retu.evaluation.intervals import compute_wilson_interval, draw_means, find_interval
from retu.evaluation.scores import OVERALL, score_checkpoints
from retu.evaluation.statistics import (
    STATISTICS_COLUMNS,
    UNWEIGHTED,
    compute_pass_at_k,
    compute_statistics,
    score_problems,
)

Draw = Callable[[np.random.Generator, tuple[int, int]], FloatArray]


def make_sampled_grades(correct: dict[str, list[list[int]]]) -> pd.DataFrame:
    """Grades from benchmark -> problem -> samples."""
    rows = [
        {"benchmark": name, "problem_id": f"{number:04}", "sample": sample, "correct": value}
        for name, problems in correct.items()
        for number, samples in enumerate(problems)
        for sample, value in enumerate(samples)
    ]
    return pd.DataFrame(rows)


def test_pass_at_k_is_the_share_of_draws_with_a_correct_sample() -> None:
    samples = [1, 0, 0, 1, 0]
    for k in range(1, 6):
        draws = list(itertools.combinations(samples, k))
        assert compute_pass_at_k(2, 5, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert compute_pass_at_k(0, 5, 5) == 0.0
    for k in (0, 6):
        with pytest.raises(InputError, match=f"pass@{k}: a problem has 5 samples"):
            compute_pass_at_k(2, 5, k)


def test_wilson_agrees_with_a_worked_example() -> None:
    """8 of 10 at 95%: 0.490 to 0.943 (Wilson 1927)."""
    assert compute_wilson_interval(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert compute_wilson_interval(0.0, 10)[0] == 0.0
    assert compute_wilson_interval(1.0, 10)[1] == 1.0


def test_scores_are_those_of_the_curves_and_weights_are_told() -> None:
    grades = make_sampled_grades({"easy": [[1], [1], [0]], "aime": [[1, 0, 0, 0]]})
    table = compute_statistics(grades, ks=[1]).set_index("benchmark")
    assert list(compute_statistics(grades).columns) == list(STATISTICS_COLUMNS)
    curves = score_checkpoints(grades.assign(step=0)).set_index("benchmark")["score"]
    for name, score in curves.items():
        assert table.loc[str(name), "score"] == pytest.approx(score)
    assert table.loc[UNWEIGHTED, "score"] == pytest.approx((200 / 3 + 25) / 2)
    assert table["pass@1"].to_list() == pytest.approx(table["score"].to_list())
    assert table["n_problems"].to_dict() == {"aime": 1, "easy": 3, OVERALL: 4, UNWEIGHTED: 4}
    assert table.loc[OVERALL, "samples_a_problem"] == 1


def compute_interval(correct: dict[str, list[list[int]]], name: str = "a") -> tuple[float, float]:
    """The interval of a benchmark or a mean, percent."""
    table = compute_statistics(make_sampled_grades(correct)).set_index("benchmark")
    return float(table["low"][name]), float(table["high"][name])


def assert_rises(table: dict[str, list[list[int]]], ks: Sequence[int] = ()) -> None:
    """Turn every wrong sample right, one at a time: no end of any interval goes down."""
    before = compute_statistics(make_sampled_grades(table), ks)
    ends = [name for name in before.columns if name.endswith(("low", "high"))]
    for name, problems in table.items():
        for number, samples in enumerate(problems):
            if 0 in samples:
                turned = [list(row) for row in problems]
                turned[number][samples.index(0)] = 1
                after = compute_statistics(make_sampled_grades({**table, name: turned}), ks)
                assert ((after[ends] - before[ends]) >= -1e-9).all(axis=None), (table, number)


@pytest.mark.parametrize("correct", [0, 1, 8, 10])
def test_one_sample_a_problem_gives_the_exact_interval(correct: int) -> None:
    """Clopper and Pearson's, by its formula; drawn, so exact to a hundredth of the half-width."""
    found = compute_interval({"a": [[1]] * correct + [[0]] * (10 - correct)})
    low = beta.ppf(0.025, correct, 11 - correct) if correct else 0.0
    high = beta.ppf(0.975, correct + 1, 10 - correct) if correct < 10 else 1.0
    assert found == pytest.approx((100 * low, 100 * high), abs=0.3)


def test_drawn_bounds_agree_with_the_exact_distribution() -> None:
    """P(sum of c_i E_i > 0) of exponentials E_i, by a recursion that draws nothing.

    The last of the positive terms exceeds the last of the negative ones with the chance
    c / (c + d); what is left of it is exponential again.
    """

    def exceeds(terms: FloatArray) -> float:
        up, down = terms[terms > 0], -terms[terms <= 0]
        chance = np.ones(len(up) + 1)
        chance[0] = 0.0
        for loss in down:
            for i, gain in enumerate(up, start=1):
                chance[i] = (gain * chance[i] + loss * chance[i - 1]) / (gain + loss)
        return float(chance[-1])

    problems = [[1, 0, 0, 0]] * 7 + [[1, 1, 1, 0]] * 9 + [[1] * 4] * 4 + [[0] * 4] * 3
    means = np.array([np.mean(samples) for samples in problems])
    low, high = compute_interval({"a": problems})
    assert exceeds(np.append(means, 0.0) - low / 100) == pytest.approx(0.975, abs=0.003)
    assert exceeds(np.append(means, 1.0) - high / 100) == pytest.approx(0.025, abs=0.003)


def test_samples_of_one_problem_do_not_narrow_the_interval() -> None:
    """Sixteen equal samples say no more than one; independent ones say much more."""
    problems = [[1]] * 20 + [[0]] * 5
    once = compute_interval({"a": problems})
    assert compute_interval({"a": [p * 16 for p in problems]}) == pytest.approx(once)
    rng = np.random.default_rng(0)
    free = compute_interval({"a": [rng.integers(0, 2, 16).tolist() for _ in range(25)]})
    assert free[1] - free[0] < 0.5 * (once[1] - once[0])


def test_samples_say_no_more_than_if_they_were_independent() -> None:
    """Also where problems resemble each other more than chance allows."""
    for problems in ([[1, 0]] * 400, [[1] * 15 + [0]] * 300, [[1]] * 500, [[0, 0]] * 50):
        low, high = compute_interval({"a": problems})
        n = sum(map(len, problems))
        share = sum(map(sum, problems)) / n
        least, most = compute_wilson_interval(share, n)
        assert low <= 100 * least + 1e-9
        assert high >= 100 * most - 1e-9
    # Of 30 + 10 samples in two benchmarks that count alike, those of the second weigh more.
    low, high = compute_interval({"a": [[1, 0, 1]] * 10, "b": [[1, 0]] * 5}, UNWEIGHTED)
    assert high - low >= 100 * np.ptp(compute_wilson_interval(7 / 12, 1 / (0.25 / 30 + 0.25 / 10)))


def test_one_sample_moves_an_interval_little() -> None:
    """All right, or all problems alike: nothing special happens there."""
    for before, after in (
        ([[1] * 16] * 25, [[1] * 16] * 24 + [[1] * 15 + [0]]),
        ([[1, 0] * 8] * 25, [[1, 0] * 8] * 24 + [[1, 0] * 7 + [1, 1]]),
        ([[0]] * 25, [[0]] * 24 + [[1]]),
    ):
        moved = np.subtract(compute_interval({"a": before}), compute_interval({"a": after}))
        step = 100 / sum(map(len, before))
        assert np.abs(moved).max() <= 2 * step, (before, moved)


def test_a_sample_turned_right_never_lowers_an_interval() -> None:
    """Random tables, all turns of one sample; avg@k, pass@k and both means over benchmarks."""
    rng = np.random.default_rng(11)
    shapes = [(0.2, 0.2), (3.0, 0.3), (0.3, 3.0), (5.0, 5.0)]
    for a, b in [*shapes, *shapes]:
        samples = int(rng.choice([1, 2, 4]))
        chances = rng.beta(a, b, 7)
        drawn = (rng.random((7, samples)) < chances[:, None]).astype(int).tolist()
        cut = int(rng.integers(1, 6))
        assert_rises({"a": drawn[:cut], "b": drawn[cut:]}, ks=[samples])
    assert_rises({"a": [[1, 0, 0], [1], [0, 0, 1, 1, 0], [0, 0]]})


def test_intervals_cover_the_mean_of_the_population() -> None:
    """95% intervals hold it in 92% of all draws or more, from 2 problems on, however they differ.

    The interval that took the standard error of problems as it is covers 60 to 85% here.
    """
    populations: dict[str, Draw] = {
        "u": lambda rng, shape: rng.beta(0.3, 0.3, shape),
        "alike": lambda rng, shape: rng.beta(200.0, 200.0, shape),
        "all": lambda rng, shape: (rng.random(shape) < 0.9).astype(float),
        "hopeless": lambda rng, shape: np.where(rng.random(shape) < 0.06, 0.0, 0.9),
    }
    truths = {"u": 0.5, "alike": 0.5, "all": 0.9, "hopeless": 0.94 * 0.9}
    rng = np.random.default_rng(3)
    for problems, samples in ((2, 16), (3, 4), (5, 16), (25, 16)):
        for name, draw in populations.items():
            values = rng.binomial(samples, draw(rng, (problems, 200))) / samples
            tables, times = np.unique(np.sort(values, axis=0), axis=1, return_counts=True)
            means = draw_means(tables)
            ends = [
                find_interval(means, i, share, problems * samples, 0.95)
                for i, share in enumerate(tables.mean(axis=0).tolist())
            ]
            holds = [low <= truths[name] <= high for low, high in ends]
            assert np.average(holds, weights=times) >= 0.92, (problems, samples, name)


def test_resolution_is_the_step_of_a_score() -> None:
    grades = make_sampled_grades({"a": [[1]] * 4, "b": [[1, 0]] * 5, "c": [[1, 0], [1, 0, 0]]})
    steps = compute_statistics(grades).set_index("benchmark")["resolution"]
    assert steps.to_dict() == pytest.approx(
        {"a": 25.0, "b": 10.0, "c": 100 / 12, OVERALL: 100 / 66, UNWEIGHTED: 100 / 180}
    )


def test_single_problems() -> None:
    table = score_problems(make_sampled_grades({"a": [[1, 0, 0], [0, 0, 0]]}), ks=[2])
    assert table["score"].tolist() == pytest.approx([100 / 3, 0])
    assert table["pass@2"].tolist() == pytest.approx([200 / 3, 0])
    assert table["n_correct"].tolist() == [1, 0]


def test_missing_double_and_impossible_samples_are_refused() -> None:
    grades = make_sampled_grades({"a": [[1, 0], [1]]})
    with pytest.raises(InputError, match=r"g: 1 of 2 problems .* fewer than 2 .* 0001 \(1\)"):
        compute_statistics(grades, ks=[1, 2], source="g")
    with pytest.raises(InputError, match="a, problem 0000, sample 0 is there twice"):
        compute_statistics(pd.concat([grades, grades.iloc[[0]]]))
    with pytest.raises(InputError, match="not graded 0 or 1"):
        compute_statistics(grades.assign(correct=2))
    for name in (OVERALL, UNWEIGHTED):
        with pytest.raises(InputError, match="rename it"):
            compute_statistics(grades.assign(benchmark=name))
