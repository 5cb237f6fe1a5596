"""Scores of checkpoints from graded answers, in percent.

A benchmark's score is the mean over its problems of the mean over a problem's samples. The
overall score weights benchmarks by their number of problems (paper appendix on evaluation), so
it is the mean over all problems, not over all samples: repeating AIME does not make it count more.
Benchmarks that are out of distribution have scores of their own and do not enter it (paper,
Figure 4: ARC-C and GPQA-Diamond are shown apart from the six).

An answer that the token limit cut is graded by what it holds. How many there are stands beside
every score, weighted as the score is: so much of it may be the limit's doing and not the model's.
"""

from collections.abc import Collection

import pandas as pd

from retu.core.errors import InputError

GRADE_COLUMNS = ("step", "benchmark", "problem_id", "sample", "correct", "parsed", "reason")
FINISHED = "finished"
"""Column of grades: whether the model ended the answer itself. Other people's may lack it."""
SCORE_COLUMNS = ("step", "benchmark", "n_problems", "n_samples", "score", "cut_share")
CUT_LIMIT = 0.05
"""From this share of cut answers on, a score comes with a warning."""
OVERALL = "overall"
OUT_OF_DISTRIBUTION = "out_of_distribution"
"""Column of curves: the row's benchmark does not enter the overall score. No column: all do."""


def score_checkpoints(
    grades: pd.DataFrame, source: str = "grades", left_out: Collection[str] = ()
) -> pd.DataFrame:
    """Score every benchmark at every step, and overall.

    Args:
        grades: one row per graded sample, columns `GRADE_COLUMNS` and, where known, `FINISHED`.
        source: how errors call the table.
        left_out: benchmarks that do not enter the overall score.

    Returns:
        Columns `SCORE_COLUMNS`, sorted by step and benchmark. `n_samples` counts all graded
        samples of the row (problems times samples a problem), `score` is in percent. `cut_share`
        is the share of answers that the token limit cut, weighted as in the score; NaN where
        unknown.

    Raises:
        InputError: a sample is missing, there twice or not graded 0 or 1, or no benchmark is left
            for the overall score.
    """
    check_grades(grades, source)
    groups = grades.assign(cut=flag_cut_generations(grades)).groupby(
        ["step", "benchmark", "problem_id"], sort=True
    )
    problems = groups.agg(
        mean=("correct", "mean"), size=("correct", "size"), cut=("cut", "mean")
    ).reset_index()
    benchmarks = average_problems(problems, ["step", "benchmark"])
    counted = problems[~problems["benchmark"].isin(list(left_out))]
    if counted.empty:
        raise InputError(f"{source}: all benchmarks are out of distribution; grade one that is not")
    overall = average_problems(counted, ["step"]).assign(benchmark=OVERALL)
    table = pd.concat([benchmarks, overall], ignore_index=True)[list(SCORE_COLUMNS)]
    return table.sort_values(["step", "benchmark"], kind="stable", ignore_index=True)


def average_problems(problems: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mean over problems in percent, with the counts behind it."""
    groups = problems.groupby(keys, sort=True)
    table = groups.agg(
        n_problems=("mean", "size"),
        n_samples=("size", "sum"),
        score=("mean", "mean"),
        cut_share=("cut", "mean"),
    )
    return table.assign(score=100.0 * table["score"]).reset_index()


def list_out_of_distribution(curves: pd.DataFrame) -> list[str]:
    """The benchmarks of a table of curves that do not enter its overall score."""
    if OUT_OF_DISTRIBUTION not in curves:
        return []
    flagged = curves[OUT_OF_DISTRIBUTION].eq(True)  # Empty cells of other tables are not.
    return sorted(curves.loc[flagged, "benchmark"].unique())


def drop_out_of_distribution(curves: pd.DataFrame) -> pd.DataFrame:
    """The rows of curves that the overall score is made of, and those of the score itself."""
    left_out = list_out_of_distribution(curves)
    return curves[~curves["benchmark"].isin(left_out)] if left_out else curves


def flag_cut_generations(grades: pd.DataFrame) -> pd.Series:
    """1 for an answer that the token limit cut, 0 for one that the model ended, NaN if unknown."""
    if FINISHED not in grades:
        return pd.Series(float("nan"), index=grades.index)
    return 1.0 - grades[FINISHED].astype("boolean").astype("Float64").astype(float)


def check_grades(grades: pd.DataFrame, source: str) -> None:
    """Make sure that every problem has the same samples at every step, each graded 0 or 1."""
    if (grades["benchmark"] == OVERALL).any():
        raise InputError(f"{source}: a benchmark is called {OVERALL!r}; rename it in the study")
    wrong = grades[~grades["correct"].isin([0, 1])]
    if not wrong.empty:
        raise InputError(f"{source}: {locate_first_row(wrong)} is not graded 0 or 1; grade again")
    keys = ["step", "benchmark", "problem_id", "sample"]
    twice = grades[grades.duplicated(keys)]
    if not twice.empty:
        raise InputError(
            f"{source}: {locate_first_row(twice)} is there twice; generate and grade again"
        )
    for name, rows in grades.groupby("benchmark", sort=True):
        expected = rows["step"].nunique() * rows["problem_id"].nunique() * rows["sample"].nunique()
        if len(rows) != expected:
            missing = expected - len(rows)
            hint = "every problem needs the same samples at every step; generate and grade again"
            raise InputError(
                f"{source}: benchmark {name} lacks {missing} of {expected} samples; {hint}"
            )
    steps = grades.groupby("benchmark")["step"].nunique()
    if steps.nunique() > 1:
        raise InputError(f"{source}: benchmark {steps.idxmin()} lacks some steps; generate again")


def locate_first_row(rows: pd.DataFrame) -> str:
    """Where in the table the first of `rows` is."""
    row = rows.iloc[0]
    step = f"step {row['step']}, " if "step" in rows else ""
    return f"{step}{row['benchmark']}, problem {row['problem_id']}, sample {row['sample']}"
