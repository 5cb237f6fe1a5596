"""Reading what the rules before wrote, for the judgement of sentences on a training study."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from retu.audit.study_claims.judge_study import StudyTables
from retu.audit.study_claims.pooled_draws import DRAWN_COLUMNS
from retu.audit.study_claims.study_evidence import BRANCH_COLUMNS
from retu.core.run_paths import locate_runs
from retu.core.tables import read_table
from retu.reporting.tidy_files import (
    FIT_COLUMNS,
    REPORT_CURVE_COLUMNS,
    SUBPHASE_COLUMNS,
    fill_text_cells,
)


def read_study_tables(
    curves: Path, subphases: Path, fits: Path, draws: Path, stats: Path, grades: Sequence[Path]
) -> StudyTables:
    """Read the tables of a study.

    Raises:
        InputError: a missing file or column, or grades of another folder.
    """
    return StudyTables(
        curves=fill_text_cells(read_table(curves, REPORT_CURVE_COLUMNS)),
        subphases=fill_text_cells(read_table(subphases, SUBPHASE_COLUMNS)),
        fits=fill_text_cells(read_table(fits, FIT_COLUMNS)),
        draws=fill_text_cells(
            read_table(draws, ("model", *BRANCH_COLUMNS, "seed", "draw", *DRAWN_COLUMNS))
        ),
        stats=read_table(stats, ("dataset", "rows")),
        counts=count_right_samples(grades),
    )


def count_right_samples(grades: Sequence[Path]) -> dict[tuple[str, str, int], pd.DataFrame]:
    """Right samples of every problem by model, data set and step, of the first seed of a run."""
    found: dict[tuple[str, str, int], pd.DataFrame] = {}
    _, runs = locate_runs(list(grades))
    for path, run in zip(grades, runs, strict=True):
        graded = read_table(path, ("step", "benchmark", "problem_id", "correct"))
        sums = graded.groupby(["step", "benchmark", "problem_id"])["correct"].agg(["size", "sum"])
        for step, rows in sums.reset_index().groupby("step"):
            found.setdefault((run.model, run.dataset, int(str(step))), rows)
    return found
