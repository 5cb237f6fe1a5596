"""Data sets on disk: Parquet written and read with `datasets`, each with a manifest."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workflow_scripts.atomic import replace_atomically
from workflow_scripts.errors import InputError
from workflow_scripts.manifest import check_manifest, write_manifest
from workflow_scripts.tables_io import read_table

if TYPE_CHECKING:
    from datasets import Dataset


def manifest_path(path: Path) -> Path:
    """The manifest beside a data file: `pool.parquet` -> `pool.manifest.json`."""
    return path.with_suffix(".manifest.json")


def write_dataset(frame: pd.DataFrame, path: Path, **facts: object) -> None:
    """Store a frame as Parquet with its manifest (hash, rows, columns and `facts`)."""
    from datasets import Dataset

    dataset = Dataset.from_pandas(frame, preserve_index=False)
    replace_atomically(path, dataset.to_parquet)
    columns = [str(column) for column in frame.columns]
    write_manifest(manifest_path(path), path, rows=len(frame), columns=columns, **facts)


def read_frame(path: Path, columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a stored data set as a frame, checked against its manifest."""
    frame = read_table(path, columns)
    check_manifest(manifest_path(path), path)
    return frame


def read_dataset(path: Path, columns: tuple[str, ...]) -> "Dataset":
    """Read a stored data set with `datasets`, checked against its manifest, only `columns`."""
    from datasets import Dataset

    frame = read_frame(path, columns)
    if frame[list(columns)].isna().to_numpy().any():
        raise InputError(f"{path}: has empty cells; every row needs {', '.join(columns)}")
    return Dataset.from_pandas(frame[list(columns)], preserve_index=False)
