"""Collapses in words: the table of a report and the sentences beside it."""

from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from retu.core.errors import InputError, advise_making_again
from retu.core.markdown import TextTable, format_number, format_significant, make_table
from retu.reporting.collapse_histories import COLLAPSE_COLUMNS, NONE_MOVED, QUANTITIES

NO_COLLAPSE = "No branch collapsed."
ARROW = "\N{RIGHTWARDS ARROW}"


def read_collapses(path: Path) -> pd.DataFrame:
    """Read collapses.csv, which has no rows where no branch collapsed.

    Raises:
        InputError: missing, unreadable, or a column is missing; names file and remedy.
    """
    try:
        # `none` is a data set and a finding, and no missing value.
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not readable ({reason}); {advise_making_again(path)}") from error
    missing = [column for column in COLLAPSE_COLUMNS if column not in frame.columns]
    if missing:
        lacks = f"lacks the columns {', '.join(missing)}"
        raise InputError(f"{path}: {lacks}; {advise_making_again(path)}")
    return frame


def describe_collapses(table: pd.DataFrame) -> str:
    """How many branches collapsed and what moved first in how many, in a sentence or two."""
    if table.empty:
        return NO_COLLAPSE
    count = len(table)
    collapsed = f"{count} {'branch' if count == 1 else 'branches'} collapsed."
    moved = Counter(str(name) for name in table["moved_first"])
    listed = ", ".join(f"{name} in {times}" for name, times in moved.most_common())
    return f"{collapsed} What moved first: {listed}."


def format_collapses(table: pd.DataFrame) -> TextTable:
    """collapses.csv for people: means before and after, what moved first and at which step."""
    rows: list[dict[Hashable, Any]] = table.to_dict("records")
    columns: list[tuple[str, bool, list[str]]] = [
        ("Model", False, [str(row["model"]) for row in rows]),
        ("Data set", False, [str(row["dataset"]) for row in rows]),
        ("SFT step", True, [f"{row['sft_step']}" for row in rows]),
        ("Paradigm", False, [str(row["paradigm"]) for row in rows]),
        ("Recipe", False, [str(row["recipe"]) for row in rows]),
        ("Seed", True, [f"{row['seed']}" for row in rows]),
        ("Collapse (RL step)", True, [f"{row['collapse_step']}" for row in rows]),
        ("Score", True, [format_scores(row) for row in rows]),
    ]
    for made in QUANTITIES:
        title = made.label[0].upper() + made.label[1:]
        columns.append((title, True, [format_means(row, made.name) for row in rows]))
    return make_table([*columns, ("Moved first", False, [name_first_move(row) for row in rows])])


def format_scores(row: Mapping[Hashable, Any]) -> str:
    """Before and at the end, percent."""
    return f"{format_number(row['score_before'])} {ARROW} {format_number(row['score_end'])}"


def format_means(row: Mapping[Hashable, Any], name: str) -> str:
    """Before and after, three digits."""
    before, after = (format_significant(row[f"{name}_{part}"]) for part in ("before", "after"))
    return f"{before} {ARROW} {after}"


def name_first_move(row: Mapping[Hashable, Any]) -> str:
    """The quantities that moved first, and the step."""
    if row["moved_first"] == NONE_MOVED:
        return NONE_MOVED
    return f"{row['moved_first']} (step {int(row['moved_first_step'])})"
