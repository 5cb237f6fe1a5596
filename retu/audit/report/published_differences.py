"""Published minus ours, of both numbers as they are shown: what a reader of the table would find.

Ours is that of the paper's own protocol, and that of `robust`.
"""

import pandas as pd

from retu.audit.report.compared_values import PAPER, PUBLISHED, ROBUST
from retu.core.markdown import format_signed
from retu.core.rounding import round_scores

SUBTRACTED = {"pl_rl": "PL_rl", "a_post": "A_post"}
SHOWN_DECIMALS = 1
DIFFERENCE_COLUMNS = tuple(
    f"{column}_published_minus_{name}" for name in (PAPER, ROBUST) for column in SUBTRACTED
)


def add_differences(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `DIFFERENCE_COLUMNS`, points; NaN where nothing is published or fitted.

    Args:
        table: columns `COLUMN_published` and `COLUMN_PROTOCOL`, points or percent.
    """
    added = {
        f"{column}_published_minus_{name}": subtract_shown(table, column, name)
        for name in (PAPER, ROBUST)
        for column in SUBTRACTED
    }
    return table.assign(**added)


def subtract_shown(table: pd.DataFrame, column: str, protocol: str) -> pd.Series:
    """Published minus ours, each rounded to the decimals that are shown."""
    sides = (table[f"{column}_{which}"] for which in (PUBLISHED, protocol))
    published, ours = (round_scores(side, SHOWN_DECIMALS) for side in sides)
    return pd.Series(round_scores(published - ours, SHOWN_DECIMALS), index=table.index)


def list_difference_columns(table: pd.DataFrame, column: str) -> list[tuple[str, bool, list[str]]]:
    """The columns of a text table."""
    return [
        (
            f"{SUBTRACTED[column]} published \N{MINUS SIGN} {name}",
            True,
            [format_signed(v) for v in table[f"{column}_published_minus_{name}"]],
        )
        for name in (PAPER, ROBUST)
    ]
