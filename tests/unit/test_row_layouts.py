"""Layouts that data sets are published in: what is read of rows made up in each, or what is said.

The cases are lines of tests/golden/row_layouts/layouts.jsonl: rows of a layout, whether worked
answers are wanted, what the study names, and either the expected problems, worked answers and final
answers or a part of the message.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retu.config.files_study import Columns
from retu.core.errors import InputError
from retu.data.file_records import FileCounts, RecordReader
from retu.data.row_layout import find_layout
from retu.data.source_rows import read_source_rows
from retu.grading.extraction import find_last_boxes

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "row_layouts" / "layouts.jsonl"
CASES: list[dict[str, Any]] = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]


def read_case(case: dict[str, Any], path: Path) -> list[dict[str, str | None]]:
    """What is read of the rows of a case from a file."""
    rows = list(read_source_rows(path))
    columns = Columns(**case.get("columns", {}))
    layout = find_layout([row.values for row in rows], columns, "rows", case["responses"])
    reader = RecordReader(layout, find_last_boxes, system=case.get("system"))
    return [
        {
            "prompt": record["prompt"],
            "response": record.get("trajectory"),
            "gold": record["gold"],
        }
        for _, record in reader.read_records(rows, FileCounts())
    ]


def write_json_lines(rows: list[dict[str, Any]], folder: Path) -> Path:
    """JSON lines."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(rows: list[dict[str, Any]], folder: Path) -> Path:
    """Parquet, in which every row has all columns and keys."""
    path = folder / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("write", [write_json_lines, write_parquet], ids=["jsonl", "parquet"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["layout"])
def test_a_layout_is_read_or_refused(case: dict[str, Any], write: Any, tmp_path: Path) -> None:
    path = write(case["rows"], tmp_path)
    if "expected" in case:
        assert read_case(case, path) == case["expected"]
        return
    with pytest.raises(InputError) as refused:
        read_case(case, path)
    assert case["refused"] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_layout_has_two_rows_and_one_outcome() -> None:
    assert len({case["layout"] for case in CASES}) == len(CASES) >= 40
    assert all(len(case["rows"]) == 2 for case in CASES)
    assert all(("expected" in case) != ("refused" in case) for case in CASES)
