"""Tables of points that people write themselves: columns known by their names, or by flags."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retu.core.errors import InputError
from retu.core.near_words import suggest_near
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import NAN, LogEntry, ToolLog
from retu.logs.log_files import LogFile
from retu.logs.metric_keys import find_role, is_score
from retu.logs.table_files import (
    find_delimiter,
    is_date,
    is_empty,
    is_number_column,
    parse_column,
    read_cells,
    refuse_grouped_thousands,
)

# The curves of a study of ours.
STUDY_GROUP = ("model", "dataset", "sft_step", "paradigm", "recipe", "seed")
STUDY_COLUMNS = {"dataset", "sft_step", "paradigm", "x_rl_eflops", "benchmark", "score"}
PURE_SFT = "Pure SFT"
TABLE_SUFFIXES = (".csv", ".tsv", ".tab")


def is_csv(file: LogFile) -> bool:
    """Whether a file is a table of text."""
    if file.is_json or not file.first_line:
        return False
    if file.path.suffix in TABLE_SUFFIXES:
        return True
    # Any text has commas: of those in a folder only what is called a table is one.
    return file.is_given and find_delimiter(file.first_line) is not None


def is_parquet(file: LogFile) -> bool:
    """Whether a file is a Parquet table."""
    return file.head.startswith(b"PAR1") or file.path.suffix == ".parquet"


def is_json_lines(file: LogFile) -> bool:
    """Whether a file holds a JSON object a line."""
    return file.path.suffix in (".jsonl", ".ndjson") and file.is_json


@dataclass(frozen=True)
class TableColumns:
    """What the columns of a table are."""

    axes: list[str]
    scores: list[str]
    group: list[str]
    roles: dict[str, str]  # evaluation_set, n_problems, n_samples, error -> column
    left_out: list[str]


def read_curve_tables(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The rows of tables, those of several files one after the other.

    Raises:
        InputError: a table that cannot be read or understood; names file, row and remedy.
    """
    names = {str(file.path): file.path.stem for file in files}
    log = ToolLog([], run_names=names, is_table=True)
    for file in files:
        table = read_cells(file.path)
        is_study = set(table.columns) >= STUDY_COLUMNS
        if is_study:
            table = count_answers_per_problem(table[table["paradigm"] != PURE_SFT])
            log.notes.append(f"{file.path}: curves of a study; points of SFT alone left out")
        columns = sort_study_columns(table) if is_study else sort_columns(file.path, table, choice)
        log.entries.extend(list_rows(file.path, table, columns))
        if columns.left_out:
            log.notes.append(f"{file.path}: left out: {', '.join(columns.left_out)}")
    return log


def count_answers_per_problem(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a study's curves, whose `n_samples` counts the answers to all problems."""
    if not {"n_problems", "n_samples"} <= set(table.columns):
        return table
    problems, answers = (
        pd.to_numeric(table[f"n_{name}"], errors="coerce") for name in ("problems", "samples")
    )
    return table.assign(n_samples=(answers / problems).map("{:.12g}".format))


def sort_study_columns(table: pd.DataFrame) -> TableColumns:
    """What the columns of `results/STUDY/curves.csv` are: every RL branch is a curve."""
    group = [name for name in STUDY_GROUP if name in table]
    counts = {name: name for name in ("n_problems", "n_samples") if name in table}
    return TableColumns(
        ["x_rl_eflops"], ["score"], group, {"evaluation_set": "benchmark", **counts}, []
    )


def sort_columns(path: Path, table: pd.DataFrame, choice: LogChoice) -> TableColumns:
    """Tell by names and flags what each column is.

    Raises:
        InputError: a flag names a column that is not there, or text may tell curves apart.
    """
    for flag, name in [("--x", choice.x), *(("--group", name) for name in choice.group)]:
        if name is not None and name not in table:
            near = suggest_near(name, map(str, table.columns))
            raise InputError(f"{path}: {flag} {name}: no such column; {near}")
    roles = {name: find_role("columns", name) for name in table.columns}
    group = list(choice.group) or [name for name, role in roles.items() if role == "curve"]
    named = {
        role: name
        for name, role in roles.items()
        if role not in (None, "curve") and name not in (*group, choice.metric, choice.x)
    }
    taken = {*group, *named.values()}
    numeric = [n for n in table.columns if n not in taken and is_number_column(table[n])]
    axes = find_axes(numeric, choice)
    check_axes(path, table, [n for n in table.columns if n not in taken], axes, choice)
    scores = [n for n in numeric if n not in axes and find_role("axes", n) is None]
    rest = [n for n in table.columns if n not in (*taken, *numeric)]
    # Without x or score it is no table of curves: then that is what is wrong with it.
    has_scores = any(is_score(n) or n == choice.metric for n in scores)
    if not choice.group and axes and has_scores:
        check_text(path, table, rest)
    return TableColumns(axes, scores, group, {str(k): v for k, v in named.items()}, rest)


def find_axes(names: Sequence[str], choice: LogChoice) -> list[str]:
    """The columns that may be x; those that count calls or rows only if there is no other."""
    known = {n: find_role("axes", n) for n in names if n != choice.metric}
    axes = [n for n, role in known.items() if n == choice.x or role is not None]
    return [n for n in axes if n == choice.x or known[n] not in ("log call", "row")] or axes


def check_axes(
    path: Path, table: pd.DataFrame, names: Sequence[str], axes: Sequence[str], choice: LogChoice
) -> None:
    """Refuse a column that is to be x and holds no numbers, such as dates.

    Raises:
        InputError: the first such cell, with its row.
    """
    if choice.x is None and not axes:
        numeric = [n for n in names if is_number_column(table[n])]
        dates = [n for n in names if table[n].map(is_date).any()] if len(numeric) < 2 else []
        wanted = [*(n for n in names if find_role("axes", n) is not None), *dates]
    else:
        wanted = [n for n in names if n == choice.x and n not in axes]
    for name in wanted:
        parse_column(path, table[name])
    for name in axes:
        if find_role("axes", name) in ("step", "tokens"):
            refuse_grouped_thousands(path, table[name])


def check_text(path: Path, table: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse columns of text that may tell curves apart, as long as nobody says whether they do.

    Text that differs from row to row says something about rows, not about curves.
    """
    for name in names:
        cells = table[name].map(str)
        if 1 < cells.nunique() < len(cells):
            raise InputError(
                f"{path}: the column {name} ({', '.join(sorted(set(cells))[:3])} ...) may tell"
                " curves apart; name the columns that do by --group"
            )


def list_rows(path: Path, table: pd.DataFrame, columns: TableColumns) -> list[LogEntry]:
    """A table's rows as entries."""
    counts = ("n_problems", "n_samples", "error")
    numeric = [
        *columns.axes,
        *columns.scores,
        *(columns.roles[r] for r in counts if r in columns.roles),
    ]
    numbers = {name: parse_column(path, table[name]) for name in numeric}
    sets = table[columns.roles["evaluation_set"]] if "evaluation_set" in columns.roles else None
    runs = name_rows(path, table, columns.group) if columns.group else None
    empty = [NAN] * len(table)
    n_problems, n_samples, error = (numbers.get(columns.roles.get(r, ""), empty) for r in counts)
    return [
        LogEntry(
            source=str(path),
            place=f"row {row}",
            run=str(path) if runs is None else runs.iloc[i],
            values={name: numbers[name][i] for name in columns.scores},
            axes={name: numbers[name][i] for name in columns.axes},
            evaluation_set="" if sets is None else str(sets.iloc[i]),
            n_problems={"": n_problems[i]},
            n_samples=n_samples[i],
            errors=dict.fromkeys(columns.scores, error[i]),
        )
        for i, row in enumerate(table.index)
    ]


def name_rows(path: Path, table: pd.DataFrame, group: Sequence[str]) -> "pd.Series[str]":
    """The name of the curve of each row.

    Raises:
        InputError: a cell of a column that tells curves apart is empty; with its row.
    """
    if not set(table.columns) >= STUDY_COLUMNS:
        for name in group:
            empty = table.index[table[name].map(is_empty)]
            if len(empty):
                raise InputError(f"{path}: row {empty[0]}: {name} is empty; name the curve")
    return table[list(group)].map(str).agg("/".join, axis=1)
