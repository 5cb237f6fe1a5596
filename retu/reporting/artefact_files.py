"""The files of a table: its numbers, and it for people as Markdown and LaTeX."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd

from retu.core.atomic_files import write_text
from retu.core.latex import format_latex
from retu.core.markdown import TextTable
from retu.core.tables import write_csv


class TableFiles(Protocol):
    """Where a table goes: options of its script."""

    out_csv: Path
    out_md: Path
    out_tex: Path


def write_text_table(
    table: pd.DataFrame,
    shown: TextTable,
    title: str,
    files: TableFiles,
    notes: Sequence[str] = (),
) -> None:
    """Write a table three times: all digits as CSV, for people as Markdown and as LaTeX.

    Args:
        table: all digits.
        shown: the table for people.
        title: what it shows: the caption of the LaTeX table.
        files: where it goes.
        notes: sentences below the Markdown table, and in the caption.
    """
    write_csv(table, files.out_csv)
    below = "".join(f"\n{line}\n" for line in notes)
    write_text(files.out_md, shown.format_markdown() + below)
    write_text(files.out_tex, format_latex(shown, " ".join([title, *notes])))


def write_text_tables(
    table: pd.DataFrame, shown: Mapping[str, TextTable], files: TableFiles
) -> None:
    """Write a table that people see in parts: `shown` has them by their titles."""
    write_csv(table, files.out_csv)
    parts = [f"## {title}\n\n{part.format_markdown()}" for title, part in shown.items()]
    write_text(files.out_md, "\n".join(parts))
    latex = [format_latex(part, f"{title}.") for title, part in shown.items()]
    write_text(files.out_tex, "\n".join(latex))
