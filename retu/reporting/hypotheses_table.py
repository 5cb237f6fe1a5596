"""Hypotheses that were registered before the runs, with their verdicts, as a table."""

from pathlib import Path

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


def read_hypotheses(path: Path) -> pd.DataFrame:
    """Read hypotheses.csv."""
    return read_table(path, SHOWN_COLUMNS)


def tabulate_hypotheses(table: pd.DataFrame, verdict: str = "{}") -> TextTable:
    """Every hypothesis, its verdict, effect, interval and adjusted p value.

    Args:
        table: hypotheses.csv.
        verdict: how a verdict is written, for example `**{}**`.
    """
    ends = zip(table["low"], table["high"], strict=True)
    names = zip(table["id"], table["hypothesis"], strict=True)
    needed = [MISSING if pd.isna(n) else format_integer(int(n)) for n in table["seeds_needed"]]
    return make_table(
        [
            ("The paper's claim", False, [f"{name}: {told}" for name, told in names]),
            ("This model", False, [verdict.format(found) for found in table["verdict"]]),
            ("Effect", True, [format_number(float(v), 1) for v in table["effect"]]),
            ("95% interval", True, [format_interval(low, high, 1) for low, high in ends]),
            ("Unit", False, list(table["unit"])),
            ("p (Holm)", True, [format_significant(float(v), 2) for v in table["p_adjusted"]]),
            ("Replicates needed", True, needed),
        ]
    )
