"""Data sets on disk: Parquet written and read with `datasets`, each with a manifest."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from retu.core.atomic_files import replace_atomically
from retu.core.errors import InputError, advise_making, advise_making_again
from retu.core.manifest import check_manifest, write_manifest
from retu.core.tables import read_table

if TYPE_CHECKING:
    from datasets import Dataset


def get_manifest_path(path: Path) -> Path:
    """The manifest beside a data file: `pool.parquet` -> `pool.manifest.json`."""
    return path.with_suffix(".manifest.json")


def write_dataset(frame: pd.DataFrame, path: Path, **facts: object) -> None:
    """Store a frame as Parquet with its manifest (hash, rows, columns and `facts`)."""
    from datasets import Dataset

    dataset = Dataset.from_pandas(frame, preserve_index=False)
    replace_atomically(path, dataset.to_parquet)
    columns = [str(column) for column in frame.columns]
    write_manifest(get_manifest_path(path), path, rows=len(frame), columns=columns, **facts)


def read_frame(path: Path, columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a stored data set as a frame, checked against its manifest."""
    frame = read_table(path, columns)
    check_manifest(get_manifest_path(path), path)
    return frame


def read_dataset(path: Path, columns: tuple[str, ...]) -> "Dataset":
    """Read a stored data set with `datasets`, checked against its manifest, only `columns`."""
    from datasets import Dataset

    check_stored(path, columns)
    # The others may be most of the file.
    frame = pd.read_parquet(path, columns=list(columns))
    if frame.isna().to_numpy().any():
        raise InputError(describe_empty_cells(path, columns))
    return Dataset.from_pandas(frame, preserve_index=False)


def map_dataset(path: Path, columns: tuple[str, ...], cache: Path) -> "Dataset":
    """Read as `read_dataset`, but from disk when rows are needed: sets may be larger than memory.

    Args:
        path: the Parquet file.
        columns: those that are wanted.
        cache: folder for the files that the rows are read from.

    Raises:
        InputError: missing, changed, unreadable or empty file, missing column or empty cells.
    """
    from datasets import Dataset

    check_stored(path, columns)
    dataset = Dataset.from_parquet(str(path), columns=list(columns), cache_dir=str(cache))
    if any(dataset.data.column(name).null_count for name in columns):
        raise InputError(describe_empty_cells(path, columns))
    return dataset


def check_stored(path: Path, columns: tuple[str, ...]) -> None:
    """The checks of `read_frame`, without reading the rows."""
    import pyarrow.parquet

    if not path.exists():
        raise InputError(f"{path}: no such table; {advise_making(path)}")
    try:
        facts = pyarrow.parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not readable ({reason}); {advise_making_again(path)}") from error
    if not facts.metadata.num_rows:
        raise InputError(f"{path}: has no rows; {advise_making_again(path)}")
    missing = [column for column in columns if column not in facts.schema_arrow.names]
    if missing:
        lacks = f"lacks the columns {', '.join(missing)}"
        raise InputError(f"{path}: {lacks}; {advise_making_again(path)}")
    check_manifest(get_manifest_path(path), path)


def describe_empty_cells(path: Path, columns: tuple[str, ...]) -> str:
    """What is said of a data set with empty cells."""
    return f"{path}: has empty cells; every row needs {', '.join(columns)}"
