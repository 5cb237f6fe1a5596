"""Rows of other people's files: Parquet, JSON, JSON lines or CSV, each with its place.

A row knows where it came from, so that whatever is wrong with it can be shown with it.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from retu.core.errors import InputError

SHOWN_CHARACTERS = 160
READ_BATCH = 1024
LONGEST_CELL = 1 << 30
"""Characters of a cell of a CSV file; Python's own limit is shorter than a long trajectory."""
CORRECT = "correct the row, or name another column or revision"
DAMAGED = "\ufffd"
"""What a decoder puts where bytes were no text."""


@dataclass(frozen=True)
class SourceRow:
    """A row and its place (`FILE: row 3`, counted from 0)."""

    where: str
    values: Mapping[str, Any]

    def refuse(self, what: str, remedy: str) -> NoReturn:
        """InputError that shows the row.

        Raises:
            InputError: always.
        """
        text = json.dumps(dict(self.values), ensure_ascii=False, default=str)
        shown = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."
        raise InputError(f"{self.where}: {what}; {remedy}; the row is {shown}")

    def get_value(self, column: str) -> Any:
        """A cell; InputError that lists the columns when there is no such one."""
        if column not in self.values:
            have = ", ".join(self.values)
            self.refuse(f"has no column {column}", f"name the right one, there are {have}")
        return self.values[column]

    def get_text(self, column: str) -> str:
        """A cell that holds a text or a number; InputError when it is empty or damaged."""
        return self.convert_to_text(self.get_value(column), column)

    def convert_to_text(self, value: object, column: str) -> str:
        """A value of a cell as text without blanks around it; integers stay integers."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None:
            self.refuse(f"{column} is empty", CORRECT)
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value:
            self.refuse(f"{column} is {type(value).__name__}, not a text", CORRECT)
        text = str(value).strip()
        if not text:
            self.refuse(f"{column} is empty", CORRECT)
        if DAMAGED in text or "\x00" in text:
            self.refuse(f"{column} holds damaged characters", CORRECT)
        return text

    def get_mapping(self, column: str) -> Mapping[str, Any]:
        """A cell that holds a struct, or its JSON as a text."""
        value = self._decode_json(column)
        if not isinstance(value, Mapping):
            self.refuse(f"{column} is no struct", "a struct or its JSON is needed")
        return value

    def get_chat(self, column: str) -> list[Mapping[str, Any]]:
        """A cell that holds a chat as a list of turns, or its JSON as a text."""
        value = self._decode_json(column)
        turns = (
            [turn for turn in value if isinstance(turn, Mapping)] if isinstance(value, list) else []
        )
        if not turns or len(turns) != len(value):
            self.refuse(f"{column} is no chat", "a list of turns or its JSON is needed")
        return turns

    def get_question(self, column: str) -> str:
        """The text of a chat of one user turn, the only form that all stages agree on."""
        turns = self.get_chat(column)
        roles = [turn.get("role") for turn in turns]
        if roles != ["user"]:
            self.refuse(
                f"{column} has the turns {roles}",
                "a single user turn is needed, for SFT, RL and evaluation render no other",
            )
        return self.convert_to_text(turns[0].get("content"), f"{column}.content")

    def get_nested_text(self, column: str, key: str) -> str:
        """A text inside a struct: `reward_model.ground_truth`."""
        inner = self.get_mapping(column)
        if key not in inner:
            self.refuse(f"{column} has no {key}", f"it has {', '.join(inner) or 'nothing'}")
        return self.convert_to_text(inner[key], f"{column}.{key}")

    def _decode_json(self, column: str) -> Any:
        """A cell, decoded if it is JSON in a text."""
        value = self.get_value(column)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            self.refuse(f"{column} is a text, but not JSON", "a struct or its JSON is needed")


def read_source_rows(path: Path, label: str = "") -> Iterator[SourceRow]:
    """Rows of a file in its order, read a batch at a time where the format allows.

    Args:
        path: the file; its ending says what it is.
        label: how messages call it, for a file whose local name says little.

    Raises:
        InputError: no such file, another type, damaged, wrong encoding, or without rows.
    """
    readers = {
        ".parquet": read_parquet_rows,
        ".jsonl": read_json_lines,
        ".json": read_json_list,
        ".csv": read_csv_rows,
    }
    name = label or str(path)
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{name}: is no {', '.join(readers)} file; name one")
    count = 0
    try:
        for count, values in enumerate(reader(path), start=1):
            if not isinstance(values, Mapping):
                raise InputError(f"{name}: row {count - 1}: is no object; check the file")
            yield SourceRow(f"{name}: row {count - 1}", values)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: row {count}: is not UTF-8 ({error.reason}); save it as UTF-8"
        ) from error
    except (OSError, ValueError, RecursionError, csv.Error, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{name}: row {count}: not readable ({reason}); mend it or fetch it anew"
        ) from error
    if not count:
        raise InputError(f"{name}: has no rows; check the file")


def read_parquet_rows(path: Path) -> Iterator[Any]:
    """Rows of a Parquet file; only a batch of them is in memory."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=READ_BATCH):
            yield from batch.to_pylist()


def read_json_lines(path: Path) -> Iterator[Any]:
    """Rows of JSON lines, empty lines left out."""
    # Decoded line by line, so that a wrong byte is told with its row.
    with path.open("rb") as handle:
        yield from (json.loads(line.decode("utf-8-sig")) for line in handle if line.strip())


def read_json_list(path: Path) -> Iterator[Any]:
    """Rows of a JSON file that holds one list, or JSON lines under that name."""
    with path.open("rb") as handle:
        starts = [handle.readline().decode("utf-8-sig").strip()[:1] for _ in range(2)]
    if starts == ["{", "{"]:
        yield from read_json_lines(path)
        return
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(content, list):
        raise ValueError("not a list of rows")
    yield from content


def read_csv_rows(path: Path) -> Iterator[Any]:
    """Rows of a CSV file; a cell may hold lines, and a trajectory of any length."""
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle, strict=True)
        names = list(reader.fieldnames or ())
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"two columns are named {twice[0]!r}")
        for row in reader:
            if None in row:
                raise ValueError("has more cells than the first line names")
            yield row
