"""What a user's file holds: which column is what, its records, and whether they end in `####`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from retu.config.files_study import Columns
from retu.core.errors import InputError
from retu.data.column_names import MARK, get_turns, has_column, is_filled, look_up
from retu.data.file_records import FileCounts, RecordReader
from retu.data.row_layout import BOX, HASHES, RowLayout, find_layout
from retu.data.source_rows import read_source_rows
from retu.data.text_records import TextRecord
from retu.grading.extraction import find_last_boxes

LOOKED_AT = 20
"""Rows by which it is told which column holds what."""


@dataclass(frozen=True)
class FileFacts:
    """What the rows of a file are: how they are read, how many, and whether they end in ####."""

    layout: RowLayout
    records: list[TextRecord]
    box_answers: bool
    system: str | None
    counts: FileCounts


def read_file_facts(
    path: str,
    responses: bool,
    system: str | None,
    columns: Columns,
    unanswered: Literal["error", "leave_out"] = "error",
) -> FileFacts:
    """Read a file once, as the study will.

    Args:
        path: the file.
        responses: whether its worked answers are wanted.
        system: the study's system turn; None: that of the first row.
        columns: named by the user.
        unanswered: what to do about a row without a final answer.

    Raises:
        InputError: it cannot be read, it cannot be told which column holds what, or no row is left.
    """
    rows = read_source_rows(Path(path))
    first = list(islice(rows, LOOKED_AT))
    values = [row.values for row in first]
    layout = find_layout(values, columns, path, responses)
    found = find_system_turn(values[0], layout)
    reader = RecordReader(layout, find_last_boxes, unanswered, system=system or found)
    texts = [(reader.read_record(row) or {}).get("trajectory", "") for row in first]
    marked = all(MARK in text and not find_last_boxes(text) for text in texts)
    reader = replace(reader, box_answers=marked)
    counts = FileCounts()
    records = [record for _, record in reader.read_records(chain(first, rows), counts)]
    if not records:
        raise InputError(f"{path}: has no row with a final answer; name the column that holds it")
    return FileFacts(layout, records, marked, found, counts)


def choose_named_columns(columns: Columns, path: str) -> Columns:
    """Those of the named columns that a file has."""
    first = [row.values for row in islice(read_source_rows(Path(path)), LOOKED_AT)]
    named = columns.model_dump(exclude_none=True)
    return Columns(
        **{
            key: name
            for key, name in named.items()
            if has_column(first, name) or (key == "gold" and name in (BOX, HASHES))
        }
    )


def find_system_turn(row: Mapping[str, Any], layout: RowLayout) -> str | None:
    """The system turn of a row, from its chat or a column; None without one."""
    turns = get_turns(row, layout.prompt)
    if turns and turns[0][0] == "system":
        return turns[0][1] or None
    told = look_up(row, layout.system) if layout.system else None
    return str(told).strip() if is_filled(told) else None
