"""MLflow's runs: its SQLite database, or the older store of files."""

import math
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from retu.core.errors import InputError
from retu.core.yaml_files import read_yaml
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import NAN, LogEntry, ToolLog, parse_number
from retu.logs.log_files import LogFile, decode_text

SQLITE = b"SQLite format 3\0"
# The largest float stands for infinity.
LARGEST = 1.79e308
METRIC_LINE = re.compile(r"\d+ \S+ -?\d+( .*)?")
QUERY = """
    select m.run_uuid, r.name, m.key, m.value, m.is_nan, m.step, m.timestamp
    from metrics m join runs r on r.run_uuid = m.run_uuid
    where r.lifecycle_stage = 'active'
"""


@dataclass(frozen=True)
class MetricRow:
    """A number as MLflow stores it."""

    run: str
    name: str
    key: str
    value: float
    step: int
    timestamp: int
    source: str


def is_database(file: LogFile) -> bool:
    """Whether a file is MLflow's database, or a file of a metric in its older store."""
    if file.head.startswith(SQLITE):
        return True
    return find_run_folder(file.path) is not None and bool(METRIC_LINE.fullmatch(file.first_line))


def find_run_folder(path: Path) -> Path | None:
    """The folder RUN of `RUN/metrics/NAME`, NAME possibly with folders; None for other files."""
    folders = [p.parent for p in path.parents if p.name == "metrics"]
    return next((f for f in folders if (f / "meta.yaml").is_file()), None)


def read_mlflow(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The metrics of all runs that are not deleted, in the order of their times.

    Raises:
        InputError: a database that is not MLflow's or cannot be read, or a line that is no metric.
    """
    rows: list[MetricRow] = []
    for file in files:
        is_file = file.head.startswith(SQLITE)
        rows.extend(query_metrics(file.path) if is_file else load_metric_file(file.path))
    rows.sort(key=lambda row: row.timestamp)
    steps: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        steps.setdefault((row.run, row.key), []).append(row.step)
    stepless = {k for k, known in steps.items() if len(known) > 1 and set(known) == {0}}
    return ToolLog(list(list_entries(rows, stepless)), run_names={r.run: r.name for r in rows})


def query_metrics(path: Path) -> list[MetricRow]:
    """The metrics of a database, which is opened for reading only."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.text_factory = decode_text
            found = database.execute(QUERY).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: no database of MLflow that can be read ({error}); give mlflow.db or mlruns/"
        ) from error
    return [
        MetricRow(run, name or run, key, NAN if is_nan else value, step, timestamp, str(path))
        for run, name, key, value, is_nan, step, timestamp in found
    ]


def load_metric_file(path: Path) -> Iterator[MetricRow]:
    """The lines `time value step` of a metric in the store of files."""
    folder = find_run_folder(path)
    assert folder is not None
    try:
        about = read_yaml(folder / "meta.yaml")
    except (UnicodeDecodeError, InputError) as error:
        raise InputError(f"{folder / 'meta.yaml'}: no valid YAML; copy the run again") from error
    if about.get("lifecycle_stage") == "deleted":
        return
    key = path.relative_to(folder / "metrics").as_posix()
    name = str(about.get("run_name") or folder.name)
    for number, line in enumerate(decode_text(path.read_bytes()).splitlines(), start=1):
        if not METRIC_LINE.fullmatch(line):
            raise InputError(f"{path}: line {number}: no `time value step`; correct or remove it")
        time, value, step = line.split()[:3]
        parsed = parse_number(value)
        value_or_nan = NAN if parsed is None else parsed
        yield MetricRow(folder.name, name, key, value_or_nan, int(step), int(time), str(folder))


def list_entries(rows: Sequence[MetricRow], stepless: set[tuple[str, str]]) -> Iterator[LogEntry]:
    """Rows as entries; which were logged in one call is not told.

    Args:
        rows: in the order of their times.
        stepless: run and key of metrics that were logged without steps: x counts their rows.
    """
    written: dict[tuple[str, str], tuple[int, int]] = {}  # the last step, and how often it was
    numbers: dict[tuple[str, str], int] = {}
    for row in rows:
        key = row.run, row.key
        last, part = written.get(key, (row.step - 1, 0))
        part += row.step <= last
        written[key] = row.step, part
        number = numbers[key] = numbers.get(key, 0) + 1
        is_stepless = key in stepless
        yield LogEntry(
            source=row.source,
            place=f"row {number}" if is_stepless else f"step {row.step}",
            run=row.run,
            values={row.key: row.value if abs(row.value) < LARGEST else math.nan},
            axes={"row": float(number)} if is_stepless else {"step": float(row.step)},
            part=0 if is_stepless else part,
        )
