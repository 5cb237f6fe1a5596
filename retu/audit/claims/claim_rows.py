"""Reading the claims tables: CSV with comment lines, cells as printed, rows with their line."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retu.core.errors import InputError


@dataclass(frozen=True)
class LedgerRow:
    """One row of a claims table: its cells as text and where it stands."""

    cells: dict[str, str]
    where: str


def read_ledger_rows(path: Path, columns: Sequence[str]) -> list[LedgerRow]:
    """The rows of a CSV; lines that start with `#` are comments, `columns` must be there.

    Raises:
        InputError: no such file, a column missing, a row that is too short or too long, no row.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such claims table; restore it from the project")
    lines = list(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    kept = [(n, line) for n, line in lines if line.strip() and not line.startswith("#")]
    parsed = list(csv.reader([line for _, line in kept]))
    header = parsed[0] if parsed else []
    missing = [column for column in columns if column not in header]
    if missing or len(parsed) < 2:
        what = f"lacks the columns {', '.join(missing)}" if missing else "has no rows"
        raise InputError(f"{path}: {what}; a claims table has a header and a row a claim")
    rows = []
    for (number, _), cells in list(zip(kept, parsed, strict=True))[1:]:
        where = f"{path}, line {number}"
        if len(cells) != len(header):
            raise InputError(f"{where}: {len(cells)} cells under {len(header)} columns; mend it")
        rows.append(LedgerRow({k: v.strip() for k, v in zip(header, cells, strict=True)}, where))
    return rows
