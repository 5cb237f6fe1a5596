"""Rows and files as the hub has them, made by tests."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from retu.data.source_rows import SourceRow


def make_source_rows(values: Sequence[dict[str, Any]]) -> Iterator[SourceRow]:
    """Rows with their places."""
    return (SourceRow(f"made: row {i}", row) for i, row in enumerate(values))


def write_hub_rows(path: Path, values: list[dict[str, Any]]) -> None:
    """Write rows in the format of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(values)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in values), encoding="utf-8")
