"""What another grader changes in the tables and figures of a study, cell by cell."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from retu.core.errors import InputError
from retu.core.tables import round_to_six_digits
from retu.evaluation.scores import OVERALL
from retu.lineage.graph.table_cells import read_text_rows
from retu.reporting.tidy_files import RUN_COLUMNS

NamedRows = Mapping[str, Mapping[str, str]]
TABLE_KEYS: Mapping[str, tuple[str, ...]] = {
    "curves.csv": (*RUN_COLUMNS, "rl_step", "benchmark"),
    "tables/table_4.csv": RUN_COLUMNS,
    "figures/figure_2.csv": RUN_COLUMNS[:-1],
    "figures/figure_8.csv": ("model", "dataset"),
}
"""Every table that is compared, by its path, and the columns that name a row of it."""
PATHS = ("source",)
EFFECT_COLUMNS = ("table", "row", "column", "before", "after", "change")
SCORES = ("score", "p_sft", "best_score", "best_smoothed", "end_score", "a_post")
"""Columns in percent: effects on them can be compared with each other."""


def find_effects(before: Path, after: Path) -> pd.DataFrame:
    """Every cell of the tables in `KEYS` that differs between two folders.

    Returns:
        `EFFECT_COLUMNS`: `row` names it as `retu lineage why TABLE#ROW/COLUMN` reads it, `before`
        and `after` are what the tables say, `change` their difference (six digits) where both are
        numbers. A row that only one folder has is a cell of the column `(row)`.

    Raises:
        InputError: a table is not there, or its rows cannot be told apart.
    """
    parts = [
        compare_tables(
            name, read_named_rows(before / name, keys), read_named_rows(after / name, keys)
        )
        for name, keys in TABLE_KEYS.items()
    ]
    return pd.concat(parts, ignore_index=True)


def read_named_rows(path: Path, keys: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Name of a row -> its other cells, as they are written."""
    rows = read_text_rows(path)
    missing = [key for key in keys if key not in rows[0]]
    if missing:
        raise InputError(f"{path}: lacks the columns {', '.join(missing)}; run its rule again")
    named = {}
    for row in rows:
        name = make_row_name({key: row[key] for key in keys})
        if name in named:
            raise InputError(f"{path}: has the row {name} twice; run its rule again")
        named[name] = {column: row[column] for column in row if column not in (*keys, *PATHS)}
    return named


def make_row_name(values: Mapping[str, str]) -> str:
    """The name of a row: its key columns that are not empty, in quotes where they have a comma."""
    parts = [f"{key}={value}" for key, value in values.items() if value]
    return ",".join(f'"{part}"' if "," in part else part for part in parts)


def compare_tables(name: str, before: NamedRows, after: NamedRows) -> pd.DataFrame:
    """The changed cells of one table, in the order of its rows and columns."""
    cells = [
        (name, row, column, then, after[row][column])
        for row, columns in before.items()
        if row in after
        for column, then in columns.items()
        if then != after[row][column]
    ]
    cells += [(name, row, "(row)", "there", "") for row in before if row not in after]
    cells += [(name, row, "(row)", "", "there") for row in after if row not in before]
    changed = [(*cell, subtract_cells(cell[-2], cell[-1])) for cell in cells]
    return pd.DataFrame(changed, columns=list(EFFECT_COLUMNS))


def subtract_cells(before: str, after: str) -> float | None:
    """Difference of two cells, None unless both are numbers."""
    try:
        return round_to_six_digits(float(after) - float(before))
    except ValueError:
        return None


def select_largest_effects(changed: pd.DataFrame, each: int) -> pd.DataFrame:
    """The `each` largest effects on scores and ceilings in every table, largest first.

    Scores of single benchmarks are left out: the smallest one would always lead.
    """
    single = changed["row"].str.contains("benchmark=") & ~changed["row"].str.endswith(OVERALL)
    scores = changed[changed["column"].isin(SCORES) & ~single].dropna(subset="change")
    order = scores["change"].astype(float).abs().sort_values(ascending=False, kind="stable").index
    largest = scores.loc[order].groupby("table", sort=False).head(each)
    rank = {name: place for place, name in enumerate(TABLE_KEYS)}
    return largest.sort_values("table", key=lambda names: names.map(rank), kind="stable")
