"""Numbers that pages quote, as docs/quoted_numbers.yaml lists them, compared with their files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
LISTED = ROOT / "docs" / "quoted_numbers.yaml"
MADE = "results/"
"""Files below it are made by a run."""


class QuotedColumn:
    """The values of a column, which are written one after the other."""

    def __init__(self, values: pd.Series) -> None:
        self.values = list(values)

    def __format__(self, spec: str) -> str:
        return " | ".join(format(value, spec) for value in self.values)


def list_quotations(made: bool) -> list[dict[str, Any]]:
    """The entries of the list whose files a run makes, or those of committed files."""
    entries: list[dict[str, Any]] = yaml.safe_load(LISTED.read_text(encoding="utf-8"))
    return [entry for entry in entries if entry["file"].startswith(MADE) == made]


def write_quotation(entry: Mapping[str, Any], folder: Path) -> str:
    """What should stand on the page by the file below `folder`."""
    path = folder / entry["file"]
    headed = path.read_text(encoding="utf-8").startswith("#")
    rows = pd.read_csv(path, comment="#" if headed else None)
    if "query" in entry:
        rows = rows.query(entry["query"], engine="python")
    if "distinct" in entry:
        rows = rows.drop_duplicates(entry["distinct"])
    if "tail" in entry:
        groups = rows.groupby(entry["tail"]["per"])
        rows = (
            groups.tail(entry["tail"]["rows"]).groupby(entry["tail"]["per"]).mean(numeric_only=True)
        )
    assert len(rows) == entry.get("count", len(rows)), f"{entry['text']}: {len(rows)} rows"
    assert len(rows), f"{entry['text']}: no row"
    columns = {name: QuotedColumn(rows[name]) for name in rows.columns}
    return str(entry["text"].format_map({**columns, "count": len(rows)}))


def is_quoted(entry: Mapping[str, Any], folder: Path) -> bool:
    """Whether a page says what its file says; line breaks and kinds of minus do not matter."""
    page = (ROOT / entry["page"]).read_text(encoding="utf-8")
    return fold(write_quotation(entry, folder)) in fold(page)


def fold(text: str) -> str:
    """Text with single blanks and plain minus signs."""
    return " ".join(text.replace("\u2212", "-").split())
