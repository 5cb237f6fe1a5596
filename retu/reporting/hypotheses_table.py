"""Hypotheses that were registered before the runs, with their verdicts, as a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from retu.core.markdown import (
    MISSING,
    TextTable,
    format_integer,
    format_interval,
    format_number,
    format_significant,
    make_table,
)
from retu.core.tables import read_table

SHOWN_COLUMNS = (
    *("id", "hypothesis", "verdict", "effect", "low", "high", "unit", "p_adjusted"),
    "seeds_needed",
)

USUAL_ALPHA = 0.05
"""Where study.json does not say `hypotheses.alpha`."""


def get_alpha(study: Mapping[str, Any]) -> float:
    """The chance of a wrong verdict that a study allows, from its study.json."""
    settings = study.get("resolved", {}).get("hypotheses") or {}
    return float(settings.get("alpha", USUAL_ALPHA))


def read_hypotheses(path: Path) -> pd.DataFrame:
    """Read hypotheses.csv."""
    return read_table(path, SHOWN_COLUMNS)


def tabulate_hypotheses(table: pd.DataFrame, alpha: float, verdict: str = "{}") -> TextTable:
    """Every hypothesis, its verdict, effect, interval, adjusted p value and replicates needed.

    Args:
        table: hypotheses.csv.
        alpha: the study's `hypotheses.alpha`, 1 minus the level of the intervals.
        verdict: how a verdict is written, for example `**{}**`.
    """
    names = zip(table["id"], table["hypothesis"], strict=True)
    needed = [MISSING if pd.isna(n) else format_integer(int(n)) for n in table["seeds_needed"]]
    return make_table(
        [
            ("The paper's claim", False, [f"{name}: {told}" for name, told in names]),
            ("This model", False, [verdict.format(found) for found in table["verdict"]]),
            *list_effect_columns(table, alpha, 1),
            ("Replicates needed", True, needed),
        ]
    )


def list_effect_columns(
    table: pd.DataFrame, alpha: float, digits: int
) -> list[tuple[str, bool, list[str]]]:
    """Effect, interval, unit and p value of every hypothesis; a dash where none could be asked.

    Args:
        table: hypotheses.csv.
        alpha: 1 minus the level of the intervals.
        digits: decimals of effects.
    """
    ends = zip(table["low"], table["high"], strict=True)
    intervals = [format_interval(low, high, digits) for low, high in ends]
    return [
        ("Effect", True, [format_number(float(v), digits) for v in table["effect"]]),
        (f"{100 * (1 - alpha):g}% interval", True, intervals),
        ("Unit", False, list(table["unit"])),
        ("p (Holm)", True, [format_significant(float(v), 2) for v in table["p_adjusted"]]),
    ]
