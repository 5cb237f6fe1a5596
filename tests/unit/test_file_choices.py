"""Multiple choices of a user's files: how they are shown, and one line for every mistake."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from files_fixtures import write_lines

from retu.config.files_study import FileRows
from retu.core.errors import InputError
from retu.data.file_records import FileCounts
from retu.data.file_sets import make_record_reader, store_file_set, tabulate_file_benchmark
from retu.data.source_rows import SourceRow
from retu.data.stored_sets import write_dataset
from retu.grading.extraction import find_last_boxes
from retu.planning.jobs import FileSetJob, RowsJob

SUFFIX = " Box it."
ROWS: list[dict[str, Any]] = [
    {"question": "Which is hot?", "choices": ["ice", "fire", "snow"], "gold": "B"},
    {"question": "Which is hot?", "choices": ["rain", "hail", "lava"], "gold": "(C)"},
    {"question": "Which is wet?", "choices": ["rain", "fire"], "gold": "A."},
]


def make_job(file: Path) -> RowsJob:
    """Reads the options of a file."""
    return RowsJob(rows=FileRows(file=str(file)), suffix=SUFFIX, options="choices")


def tabulate_rows(rows: list[dict[str, Any]], folder: Path) -> pd.DataFrame:
    """The benchmark that a file of such rows gives."""
    file = write_lines([dict(row) for row in rows], folder / "choices.jsonl")
    return tabulate_file_benchmark("mine", make_job(file), file, find_last_boxes)[0]


def test_options_stand_below_the_question(tmp_path: Path) -> None:
    table = tabulate_rows(ROWS, tmp_path)
    assert table["gold"].tolist() == ["B", "C", "A"]
    assert table["options"].tolist() == [row["choices"] for row in ROWS]
    assert table["prompt"][0] == "Which is hot?\n\nA. ice\nB. fire\nC. snow Box it."
    assert table["problem_id"].is_unique


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gold": "C"}, r"row 2: its gold answer is 'C', and its options are A to B; write the"),
        ({"gold": "rain"}, r"row 2: its gold answer is 'rain', and its options are A to B"),
        ({"choices": "rain"}, r"row 2: choices is no list of options"),
        ({"choices": ["rain", "rain"]}, r"row 2: has 2 options, 1 of them different"),
        ({"choices": ["rain", None]}, r"row 2: choices is empty"),
    ],
)
def test_rows_that_are_no_multiple_choice(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        tabulate_rows([*ROWS[:2], ROWS[2] | change], tmp_path)


def test_two_files_with_other_orders_are_refused(tmp_path: Path) -> None:
    turned = {**ROWS[0], "choices": ["fire", "ice", "snow"], "gold": "A"}
    rows = [SourceRow("a.jsonl: row 0", ROWS[0]), SourceRow("b.jsonl: row 7", turned)]
    reader = make_record_reader(
        make_job(tmp_path / "a.jsonl"), lambda: rows, "mine", find_last_boxes, responses=False
    )
    with pytest.raises(InputError, match=r"b\.jsonl: row 7: has the options of a\.jsonl: row 0 in"):
        list(reader.read_records(rows, FileCounts()))


def test_training_on_the_bare_question_is_found(tmp_path: Path) -> None:
    benchmarks = tmp_path / "benchmarks.parquet"
    write_dataset(tabulate_rows(ROWS, tmp_path), benchmarks)
    seen = {"question": ROWS[0]["question"], "response": "\\boxed{fire}"}
    file = write_lines([seen], tmp_path / "train.jsonl")
    job = FileSetJob(rows=FileRows(file=str(file)), suffix=SUFFIX, name="Experts", use="sft")
    with pytest.raises(InputError, match="its problem is in the benchmarks set, too"):
        store_file_set(job, file, [benchmarks], find_last_boxes, tmp_path / "set.parquet")
