"""Sets of a user's rows, stored in the columns of the workflow: for SFT, validation, RL, a pool."""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from retu.core.atomic_files import replace_atomically
from retu.core.errors import InputError
from retu.core.manifest import write_manifest
from retu.data.benchmark_sets import BENCHMARK_COLUMNS, read_repository_rows
from retu.data.file_records import BoxFinder, FileCounts, RecordReader
from retu.data.hub.hub_files import locate_hub
from retu.data.hub.hub_lock import Repository
from retu.data.row_layout import RowLayout, find_layout
from retu.data.set_rules import hash_prompt
from retu.data.source_rows import SourceRow, read_source_rows
from retu.data.split_checks import add_bare_questions
from retu.data.stored_sets import get_manifest_path, read_frame
from retu.data.text_records import TOKENIZE_BATCH, TextRecord, split_into_blocks
from retu.planning.jobs import FileSetJob, RowsJob

LOOKED_AT = 20
"""Rows by which it is told which column holds what."""
RowReader = Callable[[], Iterable[SourceRow]]
Records = Iterator[tuple[SourceRow, TextRecord]]
OVERLAP_REMEDY = "take it out of one of them, or set data.overlap: leave_out"


def open_rows(job: RowsJob, file: Path | None) -> RowReader:
    """Reads the rows of a file or of a hub's data set, as often as it is called.

    Raises:
        InputError: when rows are read that are not there, not readable, or of another type.
    """
    if file is not None:
        return lambda: islice(read_source_rows(file), job.rows.limit)
    rows = job.rows
    if rows.repository is None or job.lock is None:
        raise InputError("job: is told neither a file nor a data set; let Snakemake run the job")
    repository = Repository(
        name=rows.repository, kind="dataset", revision=rows.revision, patterns=tuple(rows.patterns)
    )
    places = locate_hub(job.lock)
    return lambda: islice(read_repository_rows(repository, places), rows.limit)


def make_record_reader(
    job: RowsJob, read: RowReader, where: str, find_boxes: BoxFinder, responses: bool
) -> RecordReader:
    """The reader of a job's rows; what the study does not say is told by the first of them."""
    first = [row.values for row in islice(read(), LOOKED_AT)]
    layout = find_layout(first, job.rows.columns, where, responses)
    return RecordReader(
        layout,
        find_boxes,
        job.rows.unanswered,
        job.box_answers,
        job.system,
        job.suffix,
        job.options,
    )


def store_file_set(
    job: FileSetJob, file: Path | None, judged: Collection[Path], find_boxes: BoxFinder, out: Path
) -> tuple[FileCounts, RowLayout]:
    """Store a set with its manifest.

    Args:
        job: what is read, and what for.
        file: the file; None for a hub's data set.
        judged: stored sets of which it must have no problem.
        find_boxes: finds the boxed answer of a text.
        out: the Parquet file to write: problem_id, prompt, gold, source and, depending on the use,
            trajectory or expert.

    Returns:
        What became of the rows, and which column held what.

    Raises:
        InputError: a row is not of the form or overlaps, or no row is left.
    """
    where = str(file or job.rows.repository)
    read = open_rows(job, file)
    reader = make_record_reader(job, read, where, find_boxes, job.use != "prompts")
    counts = FileCounts()
    records = drop_judged(reader.read_records(read(), counts), job, read_judged(judged), counts)
    if job.use != "sft":
        records = drop_repeated(records, counts)
    kept: Iterator[TextRecord] = (record for _, record in records)
    if job.hold_out is not None:
        kept = iter(choose_held_out(kept, job.hold_out, where))
    rows = number_repeated(shape_record(record, job) for record in kept)
    facts = {"columns_read": reader.layout.describe()}
    write_records(rows, out, f"{where}: has no row left for {job.name}{counts.describe()}", facts)
    return counts, reader.layout


def read_judged(paths: Collection[Path]) -> dict[str, str]:
    """`hash_prompt` of the problems that must not be trained on -> the set that they are in."""
    return {
        hash_prompt(prompt): path.stem
        for path in paths
        for prompt in add_bare_questions(read_frame(path, ("prompt",)))["prompt"]
    }


def drop_judged(
    records: Records, job: FileSetJob, judged: Mapping[str, str], counts: FileCounts
) -> Records:
    """Records that are in no set that training is judged on.

    Raises:
        InputError: one is, and the study does not ask to leave it out.
    """
    for row, record in records:
        owner = judged.get(record["problem_id"])
        if owner is None:
            yield row, record
            continue
        if job.overlap == "error" and owner not in job.held_out:
            row.refuse(f"its problem is in the {owner} set, too", OVERLAP_REMEDY)
        counts.judged[owner] += 1


def drop_repeated(records: Records, counts: FileCounts) -> Records:
    """The first record of every problem."""
    seen: set[str] = set()
    for row, record in records:
        if record["problem_id"] in seen:
            counts.repeated += 1
            continue
        seen.add(record["problem_id"])
        yield row, record


def choose_held_out(records: Iterable[TextRecord], count: int, where: str) -> list[TextRecord]:
    """So many records of different problems, by a hash of them, in the order of their file.

    Raises:
        InputError: it has no more than that.
    """
    found = {record["problem_id"]: record for record in records}
    if len(found) <= count:
        raise InputError(
            f"{where}: has {len(found)} problems, of which {count} are to be held out; hold out"
            " fewer"
        )
    chosen = set(heapq.nsmallest(count, found, key=lambda name: sha256(name.encode()).digest()))
    return [record for name, record in found.items() if name in chosen]


def shape_record(record: TextRecord, job: FileSetJob) -> TextRecord:
    """A record in the columns of what it is for."""
    kept = {name: record[name] for name in ("problem_id", "prompt", "gold")} | {"source": job.name}
    if job.use == "prompts":
        return kept
    return kept | {"expert" if job.use == "mixed" else "trajectory": record["trajectory"]}


def number_repeated(records: Iterable[TextRecord]) -> Iterator[TextRecord]:
    """Records with a number behind the id of a problem that came before."""
    seen: dict[str, int] = {}
    for record in records:
        identity = record["problem_id"]
        seen[identity] = seen.get(identity, 0) + 1
        again = f"-{seen[identity]}" if seen[identity] > 1 else ""
        yield {**record, "problem_id": identity + again}


def write_records(
    records: Iterator[TextRecord], out: Path, empty: str, facts: Mapping[str, object]
) -> None:
    """Write records as Parquet, a batch at a time, then their manifest.

    Raises:
        InputError: `empty`, when there are none.
    """
    count = 0

    def write(path: Path) -> None:
        nonlocal count
        writer: pq.ParquetWriter | None = None
        try:
            for batch in split_into_blocks(records, TOKENIZE_BATCH):
                table = pa.Table.from_pylist(batch)
                writer = writer or pq.ParquetWriter(path, table.schema)
                writer.write_table(table)
                count += len(batch)
        finally:
            if writer is not None:
                writer.close()
        if not count:
            raise InputError(f"{empty}; check the file")

    replace_atomically(out, write)
    columns = pq.read_schema(out).names
    write_manifest(
        get_manifest_path(out), out, rows=count, columns=columns, mean_prompt_tokens=None, **facts
    )


def tabulate_file_benchmark(
    name: str,
    job: RowsJob,
    file: Path | None,
    find_boxes: BoxFinder,
    hold_out: int | None = None,
) -> tuple[pd.DataFrame, FileCounts, RowLayout]:
    """The problems of a benchmark: all of its file, or so many as are held out of it.

    Returns:
        `BENCHMARK_COLUMNS`, what became of the rows, and which column held what.

    Raises:
        InputError: a row is not of the form, or there is none.
    """
    read = open_rows(job, file)
    where = str(file or job.rows.repository)
    reader = make_record_reader(job, read, where, find_boxes, responses=False)
    counts = FileCounts()
    kept, options = [], {}
    for row, record in drop_repeated(reader.read_records(read(), counts), counts):
        kept.append(record)
        options[record["problem_id"]] = reader.read_options(row) if job.options else None
    if hold_out is not None:
        kept = choose_held_out(kept, hold_out, where)
    rows = [(name, r["problem_id"], r["prompt"], r["gold"], options[r["problem_id"]]) for r in kept]
    if not rows:
        raise InputError(f"{where}: has no problem for benchmark {name}; check the file")
    return pd.DataFrame(rows, columns=list(BENCHMARK_COLUMNS)), counts, reader.layout
