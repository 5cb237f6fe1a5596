"""The table of registered hypotheses: on the page, and in hypotheses.md with more decimals."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from retu.core.errors import InputError
from retu.core.markdown import MISSING, TextTable
from retu.reporting.hypotheses_table import (
    SHOWN_COLUMNS,
    get_alpha,
    list_effect_columns,
    read_hypotheses,
    tabulate_hypotheses,
)

NAN = float("nan")
ROWS = pd.DataFrame(
    [
        ("H1", "RL helps", "supports", 4.256, 1.04, 7.06, "points", 0.00012, 3.0),
        ("H2", "a | b <i>", "cannot be asked", NAN, NAN, NAN, "rank correlation", NAN, NAN),
    ],
    columns=list(SHOWN_COLUMNS),
)


def read_rows(table: TextTable) -> list[dict[str, str]]:
    """The cells of each row by header."""
    return [dict(zip(table.headers, row, strict=True)) for row in table.rows]


def test_a_hypothesis_is_a_row_and_what_could_not_be_asked_is_dashes() -> None:
    asked, open_ = read_rows(tabulate_hypotheses(ROWS, 0.05, "**{}**"))
    assert asked == {
        "The paper's claim": "H1: RL helps",
        "This model": "**supports**",
        "Effect": "4.3",
        "95% interval": "[1.0, 7.1]",
        "Unit": "points",
        "p (Holm)": "1.2e\N{MINUS SIGN}04",
        "Replicates needed": "3",
    }
    assert open_["The paper's claim"] == "H2: a | b <i>"
    told = ("Effect", "95% interval", "p (Holm)", "Replicates needed")
    assert {open_[name] for name in told} == {MISSING}
    assert tabulate_hypotheses(ROWS.iloc[:0], 0.05).rows == ()


@pytest.mark.parametrize(
    ("alpha", "header"), [(0.05, "95% interval"), (0.1, "90% interval"), (0.005, "99.5% interval")]
)
def test_the_interval_has_the_level_of_the_study(alpha: float, header: str) -> None:
    assert tabulate_hypotheses(ROWS, alpha).headers[3] == header
    assert list_effect_columns(ROWS, alpha, 2)[1][0] == header


def test_decimals_are_those_asked_for() -> None:
    effect, interval, *_ = list_effect_columns(ROWS, 0.05, 2)
    assert effect[2] == ["4.26", MISSING]
    assert interval[2] == ["[1.04, 7.06]", MISSING]


@pytest.mark.parametrize(
    ("study", "alpha"),
    [
        ({"resolved": {"hypotheses": {"alpha": 0.1}}}, 0.1),
        ({"resolved": {"hypotheses": None}}, 0.05),
        ({"resolved": {}}, 0.05),
        ({}, 0.05),
    ],
)
def test_the_level_is_that_of_the_study(study: dict[str, Any], alpha: float) -> None:
    assert get_alpha(study) == alpha


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hypotheses.csv"
    ROWS.drop(columns=["low", "seeds_needed"]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"hypotheses\.csv: lacks the columns low, seeds_needed"):
        read_hypotheses(path)
