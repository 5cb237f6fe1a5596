"""The sensitivity tables for people."""

from typing import Any

import numpy as np
import pandas as pd

from retu.core.markdown import MISSING, TextTable, format_number, make_table
from retu.reporting.fit_sensitivity import MEASURE_TITLES
from retu.reporting.tidy_files import SFT_THEN_RL


def tabulate_sensitivity(summary: pd.DataFrame) -> TextTable:
    """The summary for people."""
    lows, highs = summary["pearson_min"], summary["pearson_max"]
    spans = [format_span(low, high, 2) for low, high in zip(lows, highs, strict=True)]
    return make_table(
        [
            ("Measure", False, [MEASURE_TITLES[name] for name in summary["measure"]]),
            ("Recipes", False, [describe_recipes(*row) for row in list_group_names(summary)]),
            ("Number", True, [str(count) for count in summary["n_recipes"]]),
            (
                "Exact order",
                True,
                [format_percent(share) for share in summary["share_exact_order"]],
            ),
            (
                "Lowest loss on top",
                True,
                [format_percent(share) for share in summary["share_lowest_loss_on_top"]],
            ),
            ("r, median", True, [format_number(value, 2) for value in summary["pearson_median"]]),
            ("r, range", True, spans),
        ]
    )


def list_group_names(summary: pd.DataFrame) -> list[tuple[str, str]]:
    """Axis and value of each row of the summary, empty cells as empty text."""
    values = summary["value"].fillna("").astype(str)
    return list(zip(summary["axis"], values, strict=True))


def describe_recipes(axis: str, value: str) -> str:
    """Which recipes a row of the summary stands for."""
    return f"{axis}: {value}" if value else axis


def tabulate_branch_ranges(table: pd.DataFrame) -> TextTable:
    """The branches for people: the first set of benchmarks in full, ranges of others."""
    sets = [str(name) for name in table["benchmarks"].drop_duplicates()]
    first = table[table["benchmarks"] == sets[0]]
    columns = [
        ("Data set", False, [name_branch(row) for row in first.to_dict("records")]),
        ("SFT step", True, [f"{step:,}" for step in first["sft_step"]]),
        ("A_post, median", True, [format_number(value) for value in first["a_post_median"]]),
        ("lowest", True, [format_number(value) for value in first["a_post_min"]]),
        ("highest", True, [format_number(value) for value in first["a_post_max"]]),
    ]
    ranks = zip(first["rank_best"], first["rank_worst"], first["n_branches"], strict=True)
    columns += [
        ("range", True, [format_number(value) for value in first["a_post_range"]]),
        ("rank in its data set", True, [format_rank_range(*row) for row in ranks]),
    ]
    for name in sets[1:]:
        ranges = table.loc[table["benchmarks"] == name, "a_post_range"]
        columns.append((f"range {name}", True, [format_number(value) for value in ranges]))
    return make_table(columns)


def name_branch(row: dict[Any, Any]) -> str:
    """Data set of a branch, or its paradigm when it has none."""
    return str(row["dataset"] if row["paradigm"] == SFT_THEN_RL else row["paradigm"])


def format_rank_range(best: Any, worst: Any, count: int) -> str:
    """`1 to 3 of 5`."""
    if pd.isna(best):
        return MISSING
    return f"{best} of {count}" if best == worst else f"{best} to {worst} of {count}"


def format_span(low: float, high: float, digits: int = 1) -> str:
    """`low to high`."""
    return f"{format_number(low, digits)} to {format_number(high, digits)}"


def format_percent(share: float) -> str:
    """A share in percent."""
    return f"{format_number(100 * share, 0)}%" if np.isfinite(share) else MISSING
