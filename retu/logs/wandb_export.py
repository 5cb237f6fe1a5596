"""The table that W&B's web pages export: a column of x, and three columns for each run."""

from collections.abc import Sequence
from itertools import compress

import pandas as pd

from retu.core.errors import InputError
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import LogEntry, ToolLog
from retu.logs.log_files import LogFile
from retu.logs.metric_keys import find_role
from retu.logs.table_files import is_empty, parse_column, read_cells

SEPARATOR = " - "
BOUNDS = ("__MIN", "__MAX")
# The pages' own x counts log calls.
WEB_STEP = "Step"


def is_wandb_export(file: LogFile) -> bool:
    """Whether a file is a table with columns `RUN - METRIC` and their bounds."""
    line = file.first_line
    return not file.is_json and SEPARATOR in line and all(bound in line for bound in BOUNDS)


def read_wandb_exports(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The columns of all runs; empty cells are no points.

    Raises:
        InputError: a table that cannot be read, or columns of another form.
    """
    log = ToolLog([])
    for file in files:
        table = read_cells(file.path)
        x_name = str(table.columns[0])
        x = parse_column(file.path, table[x_name])
        axis = "log call" if x_name == WEB_STEP else x_name
        names = [n for n in map(str, table.columns[1:]) if not n.endswith(BOUNDS)]
        binned = 0
        for name in names:
            run, separator, metric = name.rpartition(SEPARATOR)
            if not separator:
                raise InputError(
                    f"{file.path}: row 1: the column {name!r} is not RUN - METRIC; remove it"
                )
            if find_role("axes", metric) is None or choice.metric == metric:
                values = parse_column(file.path, table[name])
                binned += count_binned(file, table, name, values)
                filled = ~table[name].map(is_empty).to_numpy()
                log.entries.extend(
                    LogEntry(str(file.path), f"row {row}", run, {metric: value}, {axis: at})
                    for row, at, value in zip(
                        table.index[filled],
                        compress(x, filled),
                        compress(values, filled),
                        strict=True,
                    )
                )
        if binned:
            log.notes.append(
                f"{file.path}: {binned} values are means of several (__MIN and __MAX differ): W&B"
                " thinned the curve; export it in full"
            )
    return log


def count_binned(file: LogFile, table: pd.DataFrame, name: str, values: Sequence[float]) -> int:
    """How many values of a column stand for several."""
    low, high = (
        parse_column(file.path, table[name + bound]) if name + bound in table else values
        for bound in BOUNDS
    )
    return sum(a != b for a, b in zip(low, high, strict=True) if a == a and b == b)
