r"""Tables as LaTeX, for papers: `\input{table_4.tex}` needs the packages booktabs and graphicx."""

import re
from dataclasses import replace

from retu.core.markdown import MISSING, TextTable

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    MISSING: "--",
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    "\N{GREEK SMALL LETTER EPSILON}": r"\ensuremath{\epsilon}",
    "\N{GREEK SMALL LETTER DELTA}": r"\ensuremath{\delta}",
    "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
    "\N{RIGHTWARDS ARROW}": r"\ensuremath{\to}",
    "\N{PLUS-MINUS SIGN}": r"\ensuremath{\pm}",
}
PAGE_CHARACTERS = 90
"""So wide a table fits on a page of one column in small print; a wider one is scaled to it."""
PAGE_ROWS = 45
"""So many rows fit on a page."""
SYMBOL = re.compile(r"\b(A|P|PL|C|x)_(post|sft|rl|mid)\b")
"""Quantities of the paper: A_post, P_sft, PL_rl, C_mid, x_sft, x_rl."""


def format_latex(table: TextTable, caption: str) -> str:
    """`table*` environments with caption and booktabs rules, ending with a line break.

    A table of more than `PAGE_ROWS` rows goes on in further ones, each of which fits on a page.

    Args:
        table: cells as text.
        caption: what the table shows; escaped like a cell.
    """
    starts = range(0, max(len(table.rows), 1), PAGE_ROWS)
    parts = [replace(table, rows=table.rows[start : start + PAGE_ROWS]) for start in starts]
    wide = measure_width(table) > PAGE_CHARACTERS
    captions = [caption, *[f"{caption} (continued)"] * (len(parts) - 1)]
    pages = (format_page(part, text, wide) for part, text in zip(parts, captions, strict=True))
    return "\n".join(pages)


def format_page(table: TextTable, caption: str, wide: bool) -> str:
    """One `table*` environment; a wide table is scaled to the page."""
    columns = "".join("r" if right else "l" for right in table.right)
    lines = [
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape_latex(caption)}}}",
        *([r"\resizebox{\textwidth}{!}{%"] if wide else [r"\footnotesize"]),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        join_cells(table.headers),
        r"\midrule",
        *(join_cells(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}" + ("}" if wide else ""),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def measure_width(table: TextTable) -> int:
    """Characters of the widest line, with the room between columns."""
    cells = zip(table.headers, *table.rows, strict=True)
    return sum(max(map(len, column)) + 2 for column in cells)


def join_cells(cells: tuple[str, ...]) -> str:
    """One row; a bracket that opens it must not be read as an option of the row break before."""
    row = " & ".join(escape_latex(cell) for cell in cells)
    return (f"{{}}{row}" if row.startswith("[") else row) + r" \\"


def escape_latex(text: str) -> str:
    """Text that LaTeX sets as it is; the paper's quantities are set as symbols."""
    parts, end = [], 0
    for found in SYMBOL.finditer(text):
        parts.append(escape_characters(text[end : found.start()]))
        parts.append(rf"\ensuremath{{{found[1]}_{{\mathrm{{{found[2]}}}}}}}")
        end = found.end()
    return "".join([*parts, escape_characters(text[end:])])


def escape_characters(text: str) -> str:
    """Every character that LaTeX would act on, or that its fonts lack, replaced."""
    return "".join(SPECIAL.get(character, character) for character in text)
