"""Reading and writing the tables between rules: checked on the way in, atomic on the way out."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from retu.core.atomic_files import replace_atomically
from retu.core.errors import InputError, advise_making, advise_making_again


def read_table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV or Parquet table that must have rows and `columns`.

    Raises:
        InputError: missing, unreadable or empty file, or a missing column; names file and remedy.
    """
    if not path.exists():
        raise InputError(f"{path}: no such table; {advise_making(path)}")
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not readable ({reason}); {advise_making_again(path)}") from error
    if frame.empty:
        raise InputError(f"{path}: has no rows; {advise_making_again(path)}")
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        lacks = f"lacks the columns {', '.join(missing)}"
        raise InputError(f"{path}: {lacks}; {advise_making_again(path)}")
    return frame


def read_facts(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV of facts kept with the project, leaving out the `#` lines that tell its source.

    Raises:
        InputError: missing, unreadable or empty file, or a missing column.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # Only whole lines are comments: a `#` inside a cell belongs to it.
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        frame = pd.read_csv(io.StringIO("\n".join(lines)))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not readable ({reason}); restore it from git") from error
    missing = [column for column in columns if column not in frame.columns]
    if missing or frame.empty:
        what = f"lacks the columns {', '.join(missing)}" if missing else "has no rows"
        raise InputError(f"{path}: {what}; restore it from git")
    return frame


def round_to_six_digits(value: float) -> float:
    """Six significant digits, far below evaluation noise: equal inputs give equal bytes.

    Significant digits, not decimals: C_mid of a small model is far below one EFLOP.
    """
    return float(f"{value:.6g}")


def shorten_floats(table: pd.DataFrame, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """The table with six significant digits in `columns`, or in all that hold floats."""
    names = table.select_dtypes("float").columns if columns is None else columns
    return table.assign(**{str(name): table[name].map(round_to_six_digits) for name in names})


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a CSV atomically; floats keep every digit, so equal numbers give equal bytes."""
    replace_atomically(path, lambda p: frame.to_csv(p, index=False, lineterminator="\n"))


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a Parquet file atomically."""
    replace_atomically(path, lambda p: frame.to_parquet(p, index=False))
