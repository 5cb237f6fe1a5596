"""What each run of a study cost, against sums by hand."""

from pathlib import Path

import pandas as pd
import pytest
from reporting_fixtures import MadeParameters, write_study

from retu.core.errors import InputError
from retu.core.markdown import MISSING
from retu.reporting.run_costs import format_run_costs, measure_run_costs
from retu.reporting.tidy_files import PURE_SFT, RUN_COLUMNS, read_curves

NAN = float("nan")
COLUMNS = (
    *("model", "dataset", "sft_step", "paradigm", "recipe", "seed", "rl_step"),
    *("x_sft_eflops", "x_rl_eflops", "n_samples"),
)
SFT = [
    ("tiny", "Small", 0, PURE_SFT, "", 0, 0, 0.0, 0.0, 100),
    ("tiny", "Small", 40, PURE_SFT, "", 0, 0, 1.0, 0.0, 100),
    ("tiny", "Small", 80, PURE_SFT, "", 0, 0, 2.0, 0.0, 100),
]
RL = [
    ("tiny", "Small", 40, "SFT-then-RL", "grpo", 0, 0, 1.0, 0.0, 100),
    ("tiny", "Small", 40, "SFT-then-RL", "grpo", 0, 5, 1.0, 3.0, 100),
    ("tiny", "Small", 40, "SFT-then-RL", "grpo", 0, 10, 1.0, 6.0, 120),
]
PURE_RL = [
    ("tiny", "none", 0, "Pure RL", "grpo", 0, 0, 0.0, 0.0, 100),
    ("tiny", "none", 0, "Pure RL", "grpo", 0, 10, 0.0, 12.0, 100),
]


def make_curves(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Overall rows of curves.csv with the columns that costs are read from."""
    return pd.DataFrame(rows, columns=list(COLUMNS))


def measure(*rows: tuple[object, ...]) -> pd.DataFrame:
    """The costs without the columns that name the run."""
    return measure_run_costs(make_curves(*rows)).drop(columns=list(RUN_COLUMNS))


def show(*rows: tuple[object, ...]) -> dict[str, list[str]]:
    """The table for people by its headers."""
    table = format_run_costs(measure_run_costs(make_curves(*rows)))
    return {name: [row[i] for row in table.rows] for i, name in enumerate(table.headers)}


def test_a_run_costs_its_own_training_and_the_answers_on_its_way() -> None:
    costs = measure_run_costs(make_curves(*SFT, *RL, *PURE_RL))
    assert costs["paradigm"].tolist() == [PURE_SFT, "SFT-then-RL", "Pure RL"]
    assert costs["sft_step"].tolist() == [0, 40, 0]
    own = costs[["steps", "eflops", "evaluations", "answers"]].to_numpy().tolist()
    # The start of a branch (rl_step 0) was paid for by its SFT run.
    assert own == [[80, 2.0, 3, 300], [10, 6.0, 2, 220], [10, 12.0, 1, 100]]


def test_the_table_has_the_share_of_each_run_in_the_whole() -> None:
    shown = show(*SFT, *RL, *PURE_RL)
    assert shown["Share (%)"] == ["10.0", "30.0", "60.0"]
    assert shown["Compute (EFLOPs)"] == ["2.00", "6.00", "12.0"]
    assert shown["Data set"] == ["Small", "Small", MISSING]
    assert shown["Answers graded"] == ["300", "220", "100"]
    assert {"Model", "Recipe", "Seed"}.isdisjoint(shown), "one of each, but for SFT without recipe"


@pytest.mark.parametrize(
    ("place", "other", "header", "cells"),
    [
        (0, "small", "Model", ["tiny", "small", "tiny", "small"]),
        (4, "dapo", "Recipe", [MISSING, "dapo", "grpo", "dapo"]),
        (5, 1, "Seed", ["0", "1", "0", "1"]),
    ],
)
def test_runs_that_differ_in_one_thing_are_rows_of_their_own(
    place: int, other: object, header: str, cells: list[str]
) -> None:
    twins = [(*row[:place], other, *row[place + 1 :]) for row in (*SFT, *RL)]
    shown = show(*SFT, *RL, *twins)
    assert shown[header] == cells
    assert shown["Share (%)"] == ["12.5", "12.5", "37.5", "37.5"]


def test_a_study_without_rl_or_without_sft_has_the_other() -> None:
    assert measure(*SFT).to_numpy().tolist() == [[80, 2.0, 3, 300]]
    assert measure(*PURE_RL).to_numpy().tolist() == [[10, 12.0, 1, 100]]
    assert measure(RL[0]).empty, "a branch that has not been trained yet"
    assert format_run_costs(measure_run_costs(make_curves())).rows == ()


def test_without_any_compute_no_run_has_a_share() -> None:
    """A branch that was evaluated at its start only, in a study of a base model."""
    assert show(SFT[0])["Share (%)"] == ["0.0"]
    assert show(SFT[0])["Compute (EFLOPs)"] == ["0"]


def test_where_the_compute_of_a_run_is_not_known_neither_is_the_whole() -> None:
    """An imported run whose trainer counted no tokens."""
    unknown = [(*row[:7], NAN, *row[8:]) for row in SFT]
    shown = show(*unknown, *RL)
    assert shown["Compute (EFLOPs)"] == [MISSING, "6.00"]
    assert shown["Share (%)"] == [MISSING, MISSING]
    assert shown["Steps"] == ["80", "10"]


def test_small_studies_have_a_small_unit() -> None:
    shown = show(("tiny", "Small", 40, PURE_SFT, "", 0, 0, 2.5e-9, 0.0, 12345))
    assert shown["Compute (GFLOPs)"] == ["2.50"]
    assert shown["Answers graded"] == ["12,345"]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named_where_curves_are_read(column: str, tmp_path: Path) -> None:
    write_study(tmp_path, MadeParameters())
    table = pd.read_csv(tmp_path / "curves.csv")
    table.drop(columns=column).to_csv(tmp_path / "curves.csv", index=False)
    with pytest.raises(InputError, match=rf"curves\.csv: lacks the columns {column}; "):
        read_curves(tmp_path / "curves.csv")
