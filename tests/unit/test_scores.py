"""Scores: means over problems, weights, and what is refused."""

import pandas as pd
import pytest

from retu.core.errors import InputError
from retu.evaluation.scores import (
    OVERALL,
    drop_out_of_distribution,
    list_out_of_distribution,
    score_checkpoints,
)


def make_step_grades(correct: dict[str, list[list[int]]], step: int = 0) -> pd.DataFrame:
    """Grades of one step from benchmark -> problem -> samples."""
    rows = [
        {"step": step, "benchmark": name, "problem_id": f"{name}-{number}", "sample": sample}
        | {"correct": value, "parsed": "", "reason": ""}
        for name, problems in correct.items()
        for number, samples in enumerate(problems)
        for sample, value in enumerate(samples)
    ]
    return pd.DataFrame(rows)


def test_overall_weights_problems_not_samples() -> None:
    grades = make_step_grades({"easy": [[1], [1], [0]], "aime": [[1, 0, 0, 0]]})
    table = score_checkpoints(grades).set_index("benchmark")
    assert table.loc["easy", "score"] == pytest.approx(200 / 3)
    assert table.loc["aime", "score"] == pytest.approx(25.0)
    assert table.loc[OVERALL, "score"] == pytest.approx(100 * (3 * 2 / 3 + 1 * 0.25) / 4)
    assert table["n_problems"].to_dict() == {"aime": 1, "easy": 3, OVERALL: 4}
    assert table["n_samples"].to_dict() == {"aime": 4, "easy": 3, OVERALL: 7}


def test_overall_of_the_published_base_model() -> None:
    """Paper: benchmark scores and sizes of the base model give 46.71 overall."""
    sizes = {"gsm8k": 1317, "olympiad_bench": 291, "math": 237, "minerva": 262}
    right = {"gsm8k": 893, "olympiad_bench": 37, "math": 55, "minerva": 21}
    correct = {name: [[int(n < right[name])] for n in range(sizes[name])] for name in sizes}
    aime = {"aime": 18, "aime25": 7}  # right answers among 25 problems x 16 samples
    for name, total in aime.items():
        correct[name] = [[int(16 * p + s < total) for s in range(16)] for p in range(25)]
    table = score_checkpoints(make_step_grades(correct)).set_index("benchmark")["score"].round(2)
    assert table.to_dict() == {
        "aime": 4.5,
        "aime25": 1.75,
        "gsm8k": 67.81,
        "math": 23.21,
        "minerva": 8.02,
        "olympiad_bench": 12.71,
        OVERALL: 46.71,
    }


def test_steps_are_sorted_whatever_the_order_of_rows() -> None:
    steps = [make_step_grades({"a": [[1, 0], [1, 1]]}, step) for step in (20, 3, 0)]
    grades = pd.concat(steps, ignore_index=True)
    table = score_checkpoints(grades)
    assert table["step"].tolist() == [0, 0, 3, 3, 20, 20]
    shuffled = grades.sample(frac=1.0, random_state=1)
    pd.testing.assert_frame_equal(score_checkpoints(shuffled), table)


def test_missing_duplicate_and_impossible_grades_are_refused() -> None:
    grades = make_step_grades({"a": [[1, 0], [1, 1]], "b": [[1]]})
    with pytest.raises(InputError, match=r"g\.parquet: benchmark a lacks 1 of 4 samples"):
        score_checkpoints(grades.drop(index=1), "g.parquet")
    with pytest.raises(InputError, match="step 0, a, problem a-0, sample 1 is there twice"):
        score_checkpoints(pd.concat([grades, grades.iloc[[1]]]))
    for value in (2.0, float("nan")):
        with pytest.raises(InputError, match="not graded 0 or 1"):
            score_checkpoints(grades.assign(correct=[value, 0, 1, 1, 1]))
    with pytest.raises(InputError, match="rename it"):
        score_checkpoints(grades.assign(benchmark=OVERALL))


def test_cut_answers_stand_beside_the_score_with_its_weights() -> None:
    grades = make_step_grades({"easy": [[1], [1], [0]], "aime": [[1, 0, 0, 0]]})
    cut = [0, 0, 1, 1, 1, 0, 0]
    table = score_checkpoints(grades.assign(finished=[not value for value in cut]))
    shares = table.set_index("benchmark")["cut_share"]
    assert shares.to_dict() == pytest.approx({"easy": 1 / 3, "aime": 0.5, OVERALL: 1.5 / 4})
    unknown = [score_checkpoints(grades), score_checkpoints(grades.assign(finished=None))]
    assert all(table["cut_share"].isna().all() for table in unknown)
    for table in unknown:
        pd.testing.assert_series_equal(table["score"], score_checkpoints(grades)["score"])


def test_benchmarks_out_of_distribution_are_scored_apart() -> None:
    inside = make_step_grades({"easy": [[1], [1], [0]], "aime": [[1, 0]]})
    outside = make_step_grades({"options": [[0], [0], [0], [1]]})
    both = pd.concat([inside, outside], ignore_index=True).assign(
        finished=[True] * len(inside) + [False] * len(outside)
    )
    table = score_checkpoints(both, left_out=["options"])
    assert table.set_index("benchmark").loc["options", "score"] == 25.0
    alone = score_checkpoints(inside.assign(finished=True))
    rest = table[table["benchmark"] != "options"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, alone)
    assert score_checkpoints(both).set_index("benchmark").loc[OVERALL, "cut_share"] == 0.5
    with pytest.raises(InputError, match="all benchmarks are out of distribution"):
        score_checkpoints(outside, left_out=["options"])


def test_curves_without_the_column_have_no_benchmark_apart() -> None:
    curves = pd.DataFrame({"benchmark": ["a", "b", OVERALL], "score": [1.0, 2.0, 1.0]})
    assert list_out_of_distribution(curves) == []
    assert drop_out_of_distribution(curves) is curves
    marked = curves.assign(out_of_distribution=[False, True, float("nan")])
    assert list_out_of_distribution(marked) == ["b"]
    assert list(drop_out_of_distribution(marked)["benchmark"]) == ["a", OVERALL]


def test_a_benchmark_missing_at_one_step_is_refused() -> None:
    first = make_step_grades({"a": [[1]], "b": [[1]]}, 0)
    second = make_step_grades({"a": [[1]]}, 5)
    with pytest.raises(InputError, match="benchmark b lacks some steps"):
        score_checkpoints(pd.concat([first, second]))
