"""A cell of a table, named `OUTPUT#ROW/COLUMN`: which row it is, its value, what stands beside it.

ROW is a number from 1, values that tell one row from all others (`LabEasy,140`), or pairs
(`dataset=LabEasy,sft_step=140`); values with a comma stand in double quotes.
"""

import csv
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retu.core.errors import InputError
from retu.core.near_words import ask_meant, suggest_near
from retu.core.text import join_names

TextRow = Mapping[str, str]
# What a row of any table is about, where it has these columns.
FACT_COLUMNS = ("model", "dataset", "sft_step", "paradigm", "recipe", "seed", "protocol")
BOUND_COLUMNS = ("low", "high", "profile_low", "profile_high")
# Intervals whose columns are not called like the value.
BOUND_COLUMNS_OF = {
    "ours": ("low", "high"),
    "value": ("low", "high"),
    "pearson": ("fisher_low", "fisher_high", "boot_low", "boot_high"),
}
# In tables with one column per protocol, the interval columns belong to this protocol.
BOUNDED_PROTOCOL = "robust"
COUNTS = (
    *("seed", "n_seeds", "n_points", "n_fit", "n_problems", "n_samples", "n", "n_datasets"),
    *("n_branches", "n_recipes", "rows", "attempts", "collapsed"),
)
JUDGEMENTS = ("verdict", "at_bound", "reason")
MAX_SHOWN_ROWS = 5


@dataclass(frozen=True)
class Cell:
    """A cell: `row` counts from 1, `values` is its whole row."""

    path: str
    row: int
    column: str
    values: TextRow

    @property
    def value(self) -> str:
        """What the table says; empty where it says nothing."""
        return self.values[self.column]

    @property
    def facts(self) -> dict[str, str]:
        """What the row is about."""
        return {name: self.values[name] for name in FACT_COLUMNS if self.values.get(name)}

    @property
    def interval(self) -> dict[str, str]:
        """The columns that bound the value."""
        column = self.column.removesuffix(f"_{BOUNDED_PROTOCOL}")
        stems = dict.fromkeys([column, column.removesuffix("_score")])
        names = [f"{stem}_{bound}" for stem in stems for bound in BOUND_COLUMNS]
        return self.select_filled([*names, *BOUND_COLUMNS_OF.get(self.column, ())])

    @property
    def details(self) -> dict[str, str]:
        """Seeds, counts and judgements in the row."""
        protocol = self.column.rpartition("_")[2]
        judged = [f"{name}{end}" for name in JUDGEMENTS for end in ("", f"_{protocol}")]
        return self.select_filled([*COUNTS, *judged])

    def select_filled(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the columns that the row has a value for."""
        return {n: self.values[n] for n in names if n != self.column and self.values.get(n)}


def split_cell(given: str) -> tuple[str, str, str] | None:
    """Path, row and column of `OUTPUT#ROW/COLUMN`; None for an output without a cell.

    Raises:
        InputError: row or column is missing.
    """
    path, mark, cell = given.partition("#")
    if not mark:
        return None
    row, _, column = cell.rpartition("/")
    if not row or not column:
        raise InputError(f"{given}: name a cell as {path}#ROW/COLUMN, such as {path}#1/a_post")
    return path, row, column


def read_text_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV table as text.

    Raises:
        InputError: it is no CSV table, is not there, or has no rows.
    """
    if path.suffix != ".csv":
        raise InputError(f"{path}: is no CSV table; name a cell of a .csv file")
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(handle)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); what to do:"
            f" {shlex.join(['retu', 'lineage', 'verify', str(path)])}"
        ) from error
    if not rows:
        raise InputError(f"{path}: has no rows; run its rule again")
    return rows


def find_cell(root: Path, path: str, row: str, column: str) -> Cell:
    """The cell that a row and a column name; InputError with near names when there is none."""
    rows = read_text_rows(root / path)
    if column not in rows[0]:
        raise InputError(f"{path}: has no column {column!r}; {suggest_near(column, rows[0])}")
    found = find_row(rows, row, path)
    return Cell(path, found, column, rows[found - 1])


def find_row(rows: Sequence[TextRow], given: str, path: str) -> int:
    """The number of the row that is meant, from 1.

    Raises:
        InputError: no row, or several.
    """
    if given.isdecimal():
        if 1 <= int(given) <= len(rows):
            return int(given)
        named = ", ".join(find_identifying_columns(rows)[:MAX_SHOWN_ROWS])
        raise InputError(
            f"{path}: has rows 1 to {len(rows)}, not {given}; name a row by values of {named}"
        )
    parts = next(csv.reader([given], skipinitialspace=True))
    wanted = [parse_pair(part, rows[0], path) for part in parts]
    for columns in (find_identifying_columns(rows), list(rows[0])):
        found = [
            number
            for number, row in enumerate(rows, 1)
            if all(has_cell_value(row, part, columns) for part in wanted)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"{path}: {len(found)} rows are {given}; choose {describe_candidates(rows, found)}"
            )
    raise InputError(f"{path}: no row is {given}; {suggest_rows(rows, wanted)}")


def parse_pair(part: str, columns: TextRow, path: str) -> tuple[str, str]:
    """Column and value of `column=value`; a value alone has no column.

    Raises:
        InputError: there is no such column.
    """
    name, equals, value = part.partition("=")
    if not equals:
        return "", part.strip()
    if name.strip() not in columns:
        raise InputError(f"{path}: has no column {name!r}; {suggest_near(name, columns)}")
    return name.strip(), value.strip()


def find_identifying_columns(rows: Sequence[TextRow]) -> list[str]:
    """The columns that tell rows apart: the facts, and those that hold words."""
    return [
        n
        for n in rows[0]
        if n in FACT_COLUMNS or any(row[n] and parse_number(row[n]) is None for row in rows)
    ]


def has_cell_value(row: TextRow, wanted: tuple[str, str], columns: Sequence[str]) -> bool:
    """Whether a row has a value, in its column if one was named."""
    name, value = wanted
    return any(is_same_value(row[column], value) for column in ([name] if name else columns))


def is_same_value(one: str, other: str) -> bool:
    """Whether two cells say the same: as text, or as numbers (`20` is `20.0`)."""
    if one == other:
        return True
    first = parse_number(one)
    return first is not None and first == parse_number(other)


def parse_number(text: str) -> float | None:
    """The number in a cell, None if it holds none."""
    try:
        return float(text)
    except ValueError:
        return None


def describe_candidates(rows: Sequence[TextRow], found: Sequence[int]) -> str:
    """The rows among which one must be chosen, by the columns in which they differ."""
    differ = [c for c in find_identifying_columns(rows) if len({rows[n - 1][c] for n in found}) > 1]
    named = [f"row {n} ({describe_row(rows[n - 1], differ)})" for n in found]
    return join_names(named, MAX_SHOWN_ROWS)


def describe_row(row: TextRow, columns: Sequence[str]) -> str:
    """A row in words."""
    return " ".join(f"{name}={row[name]}" for name in columns if row[name]) or "(empty)"


def suggest_rows(rows: Sequence[TextRow], wanted: Sequence[tuple[str, str]]) -> str:
    """What may have been meant: similar values, or the rows in which most of it is true."""
    columns = find_identifying_columns(rows)
    for name, value in wanted:
        known = {row[column] for row in rows for column in ([name] if name else columns)}
        if not any(is_same_value(value, other) for other in known):
            near = ask_meant(value, known)
            every = describe_candidates(rows, range(1, len(rows) + 1))
            return near or f"{value} is in none of {every}"
    scores = [sum(has_cell_value(row, part, columns) for part in wanted) for row in rows]
    best = [n for n, score in enumerate(scores, 1) if score == max(scores)]
    return "nearest: " + describe_candidates(rows, best)


def format_cell(cell: Cell) -> Iterator[str]:
    """The cell in lines: value, row, interval, counts."""
    yield f"{cell.path}#{cell.row}/{cell.column} = {cell.value or '(empty)'}"
    about = {"row": cell.facts, "interval": cell.interval, "besides": cell.details}
    for name, values in about.items():
        told = ", ".join(f"{key} {value}" for key, value in values.items())
        start = f"{cell.row}: " if name == "row" else ""
        if told or start:
            yield f"{name:<12} {start}{told}".rstrip(" :")
