"""Scores with intervals: estimators, clustering, resolution, and what is refused."""

import itertools

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.errors import InputError
from workflow_scripts.evaluation.scores import OVERALL, score_table
from workflow_scripts.evaluation.statistics import (
    STATISTICS_COLUMNS,
    UNWEIGHTED,
    pass_at_k,
    problem_table,
    statistics_table,
    wilson,
)


def make_grades(correct: dict[str, list[list[int]]]) -> pd.DataFrame:
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
        assert pass_at_k(2, 5, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_at_k(0, 5, 5) == 0.0
    for k in (0, 6):
        with pytest.raises(InputError, match=f"pass@{k}: a problem has 5 samples"):
            pass_at_k(2, 5, k)


def test_wilson_agrees_with_a_worked_example() -> None:
    """8 of 10 at 95%: 0.490 to 0.943 (Wilson 1927)."""
    assert wilson(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0.0, 10)[0] == 0.0
    assert wilson(1.0, 10)[1] == 1.0


def test_scores_are_those_of_the_curves_and_weights_are_told() -> None:
    grades = make_grades({"easy": [[1], [1], [0]], "aime": [[1, 0, 0, 0]]})
    table = statistics_table(grades, ks=[1]).set_index("benchmark")
    assert list(statistics_table(grades).columns) == list(STATISTICS_COLUMNS)
    curves = score_table(grades.assign(step=0)).set_index("benchmark")["score"]
    for name, score in curves.items():
        assert table.loc[str(name), "score"] == pytest.approx(score)
    assert table.loc[UNWEIGHTED, "score"] == pytest.approx((200 / 3 + 25) / 2)
    assert table["pass@1"].to_list() == pytest.approx(table["score"].to_list())
    assert table["n_problems"].to_dict() == {"aime": 1, "easy": 3, OVERALL: 4, UNWEIGHTED: 4}
    assert table.loc[OVERALL, "samples_a_problem"] == 1


def test_one_sample_a_problem_gives_wilsons_interval() -> None:
    grades = make_grades({"a": [[1]] * 8 + [[0]] * 2})
    row = statistics_table(grades).iloc[0]
    assert (row["low"], row["high"]) == pytest.approx([100 * x for x in wilson(0.8, 10)])


def test_samples_of_one_problem_do_not_narrow_the_interval() -> None:
    """Sixteen equal samples say no more than one; independent ones say much more."""
    problems = [[1]] * 8 + [[0]] * 2
    once = statistics_table(make_grades({"a": problems})).iloc[0]
    copies = statistics_table(make_grades({"a": [p * 16 for p in problems]})).iloc[0]
    assert (copies["low"], copies["high"]) == pytest.approx((once["low"], once["high"]))
    rng = np.random.default_rng(0)
    free = [rng.integers(0, 2, 16).tolist() for _ in range(10)]
    row = statistics_table(make_grades({"a": free})).iloc[0]
    assert row["high"] - row["low"] < 0.6 * (once["high"] - once["low"])


def test_intervals_cover_the_truth() -> None:
    """Problems of random difficulty, four samples each: 95% intervals hold the mean."""
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(200):
        chances = rng.beta(1.0, 2.0, 60)  # mean 1/3
        samples = (rng.random((60, 4)) < chances[:, None]).astype(int).tolist()
        row = statistics_table(make_grades({"a": samples})).iloc[0]
        hits.append(row["low"] <= 100 / 3 <= row["high"])
    assert 0.90 <= np.mean(hits) <= 0.99


def test_resolution_is_the_step_of_a_score() -> None:
    grades = make_grades({"a": [[1]] * 4, "b": [[1, 0]] * 5, "c": [[1, 0], [1, 0, 0]]})
    steps = statistics_table(grades).set_index("benchmark")["resolution"]
    assert steps.to_dict() == pytest.approx(
        {"a": 25.0, "b": 10.0, "c": 100 / 12, OVERALL: 100 / 66, UNWEIGHTED: 100 / 180}
    )


def test_single_problems() -> None:
    table = problem_table(make_grades({"a": [[1, 0, 0], [0, 0, 0]]}), ks=[2])
    assert table["score"].tolist() == pytest.approx([100 / 3, 0])
    assert table["pass@2"].tolist() == pytest.approx([200 / 3, 0])
    assert table["n_correct"].tolist() == [1, 0]


def test_missing_double_and_impossible_samples_are_refused() -> None:
    grades = make_grades({"a": [[1, 0], [1]]})
    with pytest.raises(InputError, match=r"g: 1 of 2 problems .* fewer than 2 .* 0001 \(1\)"):
        statistics_table(grades, ks=[1, 2], source="g")
    with pytest.raises(InputError, match="a, problem 0000, sample 0 is there twice"):
        statistics_table(pd.concat([grades, grades.iloc[[0]]]))
    with pytest.raises(InputError, match="not graded 0 or 1"):
        statistics_table(grades.assign(correct=2))
    for name in (OVERALL, UNWEIGHTED):
        with pytest.raises(InputError, match="rename it"):
            statistics_table(grades.assign(benchmark=name))
