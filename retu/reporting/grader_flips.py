"""Answers whose verdict another grader changes."""

from pathlib import Path

import pandas as pd

from retu.core.errors import InputError
from retu.core.run_paths import locate_runs
from retu.core.tables import read_table
from retu.evaluation.scores import GRADE_COLUMNS

SAMPLE = ["step", "benchmark", "problem_id", "sample"]
ANSWER_COLUMNS = (*SAMPLE, "gold", "generation")
WRONG_TO_CORRECT, CORRECT_TO_WRONG = "wrong to correct", "correct to wrong"
DIRECTIONS = (WRONG_TO_CORRECT, CORRECT_TO_WRONG)
FLIP_COLUMNS = (
    *("run", *SAMPLE, "direction", "gold"),
    *("parsed_before", "parsed_after", "reason_before", "reason_after", "generation"),
)
FLIP_COUNT_COLUMNS = ("benchmark", "n_answers", *DIRECTIONS)


def find_flips(
    generations: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame, run: str
) -> pd.DataFrame:
    """The answers of a run that two graders judge differently.

    Args:
        generations: stored answers: `SAMPLE`, gold, generation.
        before: their grades (`GRADE_COLUMNS`).
        after: their grades by the other grader.
        run: path of the run below the study's results.

    Returns:
        Columns `FLIP_COLUMNS`, in the order of `generations`.

    Raises:
        InputError: an answer is there twice, or not graded by both.
    """
    verdicts = ["correct", "parsed", "reason"]
    table = generations[[*SAMPLE, "gold", "generation"]]
    for grades, suffix in ((before, "_before"), (after, "_after")):
        named = grades[[*SAMPLE, *verdicts]].rename(columns={n: n + suffix for n in verdicts})
        try:
            table = table.merge(named, on=SAMPLE, how="left", validate="1:1")
        except pd.errors.MergeError as error:
            raise InputError(
                f"{run}: an answer is there twice; generate and grade again"
            ) from error
        if len(grades) != len(table) or table["correct" + suffix].isna().any():
            raise InputError(f"{run}: its grades are not those of its generations; grade again")
    changed = table[table["correct_before"] != table["correct_after"]]
    gained = changed["correct_after"] == 1
    direction = gained.map({True: WRONG_TO_CORRECT, False: CORRECT_TO_WRONG})
    return changed.assign(run=run, direction=direction)[list(FLIP_COLUMNS)]


def count_flips(answers: pd.Series, flips: pd.DataFrame) -> pd.DataFrame:
    """How many answers flipped in each direction.

    Args:
        answers: number of answers by benchmark.
        flips: as `find_flips` gives them.

    Returns:
        `COUNT_COLUMNS`, one row a benchmark and a last one, `all`.
    """
    found = flips.groupby(["benchmark", "direction"]).size()
    rows = [
        {"benchmark": name, "n_answers": int(n)}
        | {way: int(found.get((name, way), 0)) for way in DIRECTIONS}
        for name, n in answers.items()
    ]
    table = pd.DataFrame(rows, columns=list(FLIP_COUNT_COLUMNS))
    total = table.drop(columns="benchmark").sum().to_dict()
    return pd.concat([table, pd.DataFrame([{"benchmark": "all", **total}])], ignore_index=True)


def pick_examples(flips: pd.DataFrame, each: int) -> pd.DataFrame:
    """The first `each` flips of either direction; equal answers to equal gold count once."""
    distinct = flips.drop_duplicates(["direction", "gold", "generation"])
    return distinct.groupby("direction", sort=False).head(each)


def find_study_flips(
    generations: list[Path], before: list[Path], after: list[Path]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The flips of all runs (`FLIP_COLUMNS`) and how many there are (`FLIP_COUNT_COLUMNS`).

    Args:
        generations: the stored answers of every run.
        before: their grades, in the same order.
        after: their grades by the other grader.

    Raises:
        InputError: a table is missing or wrong, or grades are not those of the answers.
    """
    _, runs = locate_runs(generations)
    parts, answers = [], []
    for run, answered, *graded in zip(runs, generations, before, after, strict=True):
        rows = read_table(answered, ANSWER_COLUMNS)
        one, other = (read_table(path, GRADE_COLUMNS) for path in graded)
        parts.append(find_flips(rows, one, other, run.path))
        answers.append(rows["benchmark"].value_counts())
    flips = pd.concat(parts, ignore_index=True)
    return flips, count_flips(pd.concat(answers).groupby(level=0).sum(), flips)
