"""Rows of stored data sets that may be larger than memory: some columns, some rows, in any order.

Columns are read alone, and rows are drawn by their place, so that a pool of a million trajectories
costs no more memory than its identifiers.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retu.core.atomic_files import replace_atomically
from retu.data.text_records import (
    PROMPT_TOKENS,
    RESPONSE_TOKENS,
    TOKENIZE_BATCH,
    StoredRow,
    split_into_blocks,
)

RowIndices = NDArray[np.int64]


def has_columns(path: Path, *columns: str) -> bool:
    """Whether a stored data set has all of these columns."""
    return set(columns) <= set(pq.read_schema(path).names)


def read_columns(path: Path, *columns: str) -> pd.DataFrame:
    """Some columns of a stored data set."""
    frame: pd.DataFrame = pq.read_table(path, columns=list(columns)).to_pandas()
    return frame


def read_stored_rows(
    path: Path, columns: Sequence[str], wanted: Callable[[str], bool] | None = None
) -> Iterator[StoredRow]:
    """Rows of a stored data set, a batch at a time.

    Args:
        path: the Parquet file.
        columns: those that are read.
        wanted: says by a row's prompt whether it is; the others are skipped unread.
    """
    for batch in iterate_record_batches(path, columns):
        if wanted is not None:
            prompts = batch.column("prompt").to_pylist()
            batch = batch.take([place for place, text in enumerate(prompts) if wanted(text)])
        yield from batch.to_pylist()


def iterate_record_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """Record batches of a Parquet file."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(TOKENIZE_BATCH, columns=columns)


def write_selected_rows(source: Path, places: RowIndices, added: pd.DataFrame, out: Path) -> None:
    """Write the rows at the given places of a Parquet file, in that order, with columns added.

    They are set aside on the disk of `out`, uncompressed, and read back by their place there: it
    takes room for the rows on disk, but not in memory.

    Args:
        source: the Parquet file.
        places: of the rows wanted, from 0, each once.
        added: columns behind those of the source; one row a place.
        out: the Parquet file to write.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}.") as folder:
        aside = Path(folder) / "rows.arrow"
        ordered = np.sort(places)
        ends = copy_rows_to_arrow(source, ordered, aside)
        with pa.memory_map(str(aside)) as mapped:
            kept = pa.ipc.open_file(mapped)
            table = pa.Table.from_pandas(added, preserve_index=False)
            schema = pa.schema([*kept.schema, *table.schema])

            def get_row(place: int) -> Any:
                position = int(np.searchsorted(ordered, place))
                batch = int(np.searchsorted(ends, position, side="right"))
                start = int(ends[batch - 1]) if batch else 0
                return kept.get_batch(batch).slice(position - start, 1)

            def write(path: Path) -> None:
                with pq.ParquetWriter(path, schema.remove_metadata()) as writer:
                    for block in split_into_blocks(range(len(places)), TOKENIZE_BATCH):
                        rows = pa.Table.from_batches([get_row(int(places[i])) for i in block])
                        beside = table.slice(block[0], len(block))
                        columns = [*rows.combine_chunks().columns, *beside.columns]
                        writer.write_table(
                            pa.table(columns, schema=schema).replace_schema_metadata()
                        )

            replace_atomically(out, write)


def copy_rows_to_arrow(source: Path, ordered: RowIndices, aside: Path) -> RowIndices:
    """Copy rows of a Parquet file, in its order, to an Arrow file; the end of each batch there."""
    counts: list[int] = []
    start = 0
    schema = pq.read_schema(source).remove_metadata()
    with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in iterate_record_batches(source):
            low, high = np.searchsorted(ordered, [start, start + batch.num_rows])
            if high > low:
                chosen = batch.take(pa.array(ordered[low:high] - start))
                writer.write_batch(chosen.replace_schema_metadata())
                counts.append(int(high - low))
            start += batch.num_rows
    return np.cumsum(np.asarray(counts, dtype=np.int64))


def compute_mean_lengths(path: Path) -> dict[str, float]:
    """Facts for the manifest of a data set whose rows carry their lengths in tokens."""
    if not has_columns(path, PROMPT_TOKENS, RESPONSE_TOKENS):
        return {}
    means = read_columns(path, PROMPT_TOKENS, RESPONSE_TOKENS).mean().round(1)
    return {
        "mean_prompt_tokens": float(means[PROMPT_TOKENS]),
        "mean_trajectory_tokens": float(means[RESPONSE_TOKENS]),
    }
