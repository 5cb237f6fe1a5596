"""The form into which every reader brings its tool's log."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

NAN = math.nan


@dataclass(frozen=True)
class LogEntry:
    """What a tool wrote in one go: numbers by key, at what may be x."""

    source: str  # the file or run folder, as messages name it
    place: str  # where in it: "row 12"; may be empty
    run: str  # what tells runs apart: a name, or an id with its name in `ToolLog.run_names`
    values: Mapping[str, float]  # by the tool's own keys; NaN is missing
    axes: Mapping[str, float]  # by name: "step", or a column's
    evaluation_set: str | None = None  # None: it is in the keys, or not told
    n_problems: Mapping[str, float] = field(default_factory=dict)  # by key; "" for all keys
    n_samples: float = NAN
    errors: Mapping[str, float] = field(default_factory=dict)  # standard errors by key
    part: int = 0  # grows where a run was resumed, if the tool tells


@dataclass(frozen=True)
class ToolLog:
    """All that the files of one format held, in the order in which it was written.

    Attributes:
        entries: of all runs.
        notes: what the user should know about how it was read.
        run_names: the names of runs that are told apart by ids.
        is_table: rows of a table, whose order says nothing about time.
    """

    entries: list[LogEntry]
    notes: list[str] = field(default_factory=list)
    run_names: Mapping[str, str] = field(default_factory=dict)
    is_table: bool = False


def parse_number(value: object) -> float | None:
    """A number that JSON or text may hold, `NaN` and `Infinity` as words included; else None.

    Infinite values are missing ones, as NaN is. True and False are no numbers.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else NAN


def pick_numbers(logged: Mapping[str, object], *without: str) -> dict[str, float]:
    """The numbers of a mapping by their keys, `without` some."""
    return {
        key: number
        for key, value in logged.items()
        if key not in without and (number := parse_number(value)) is not None
    }
