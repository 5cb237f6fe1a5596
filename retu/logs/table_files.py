"""Tables of text, Parquet and JSON lines, read as cells with the row that each stands in."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from retu.core.errors import InputError
from retu.core.text import format_quantity
from retu.logs.log_entries import parse_number
from retu.logs.log_files import load_json_lines, read_text

DELIMITERS = ("\t", ";", ",")
DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+")
POINT_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
PERCENT = re.compile(r"-?\d+([.,]\d+)?\s*%")
DATE = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}([ T].*)?")
# Spreadsheets write so what separates cells.
SEPARATOR_LINE = re.compile(r"sep=(.)\s*?\r?\n")


def find_delimiter(first_line: str) -> str | None:
    """What separates the names of a header; None if nothing does."""
    counts = {mark: first_line.count(mark) for mark in DELIMITERS}
    best = max(DELIMITERS, key=lambda mark: counts[mark])
    return best if counts[best] else None


def read_cells(path: Path) -> pd.DataFrame:
    """A table as it is: the index is the row in the file, the header being row 1.

    Raises:
        InputError: it cannot be read, has no header, no rows, or rows of other lengths.
    """
    if path.suffix == ".parquet":
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: no whole Parquet file ({reason}); write it again") from error
        table = table.reset_index() if table.index.names != [None] else table
        table.index = pd.RangeIndex(2, len(table) + 2)
    elif path.suffix in (".jsonl", ".ndjson", ".json"):
        lines = dict(load_json_lines(path))
        table = pd.DataFrame(list(lines.values()), index=pd.Index(list(lines)))
    else:
        table = read_text_cells(path)
    table.columns = table.columns.map(str)
    if table.empty:
        raise InputError(f"{path}: has a header and no rows; give the points of at least one curve")
    return table


def read_text_cells(path: Path) -> pd.DataFrame:
    """The cells of a CSV, all text; empty ones are ""."""
    text = read_text(path, "row")
    said = SEPARATOR_LINE.match(text)
    # The line end stays, so that rows keep their numbers.
    text = "\n" + text[said.end() :] if said else text
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = said[1] if said else find_delimiter(first) or ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: dict[int, list[str]] = {}
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows[reader.line_num] = [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InputError(f"{path}: row {reader.line_num}: no CSV ({error}); correct it") from error
    numbers = list(rows)
    header = rows.pop(numbers[0])
    check_header(path, header)
    for number, cells in rows.items():
        check_row(path, number, cells, header, is_last=number == numbers[-1])
    return pd.DataFrame(list(rows.values()), columns=header, index=pd.Index(list(rows)))


def check_header(path: Path, header: Sequence[str]) -> None:
    """Refuse a first row of numbers, and names that stand twice."""
    if any(parse_number(cell) is not None for cell in header):
        raise InputError(
            f"{path}: row 1 holds numbers ({', '.join(header[:4])}) and no names; add a header such"
            " as curve,x,score,n_problems"
        )
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise InputError(
            f"{path}: the column {twice[0]!r} is there twice (two runs of one name?); rename one"
        )


def check_row(
    path: Path, number: int, cells: Sequence[str], header: Sequence[str], is_last: bool
) -> None:
    """Refuse a row that has not the number of cells of the header."""
    if len(cells) == len(header):
        return
    reason = "a decimal comma, or a comma in a name? write 12.5, and quote names"
    if len(cells) < len(header):
        reason = "cut off? complete" if is_last else "complete"
        reason += " or remove the row"
    raise InputError(
        f"{path}: row {number} has {format_quantity(len(cells), 'cell')} and the header"
        f" {len(header)}: {reason}"
    )


def is_number_column(cells: pd.Series) -> bool:
    """Whether most cells that are not empty are numbers."""
    filled = [cell for cell in cells if not is_empty(cell)]
    return bool(filled) and 2 * sum(is_numeral(cell) for cell in filled) > len(filled)


def is_numeral(cell: object) -> bool:
    """Whether a cell is a number, also with a decimal comma, thousands apart or a percent sign."""
    marked = (DECIMAL_COMMA, THOUSANDS, PERCENT)
    return parse_number(cell) is not None or any(form.fullmatch(str(cell)) for form in marked)


def is_date(cell: object) -> bool:
    """Whether a cell is a date, with or without a time."""
    return DATE.fullmatch(str(cell)) is not None


def is_empty(cell: object) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or (isinstance(cell, str) and cell.strip() in ("", "NA", "N/A", "null"))


def parse_column(path: Path, cells: pd.Series) -> list[float]:
    """The numbers of a column; NaN for empty cells.

    Raises:
        InputError: a cell is no plain number; with its row.
    """
    numbers = []
    for row, cell in cells.items():
        plain = cell.item() if hasattr(cell, "item") else cell
        number = float("nan") if is_empty(plain) else parse_number(plain)
        if number is None:
            raise InputError(f"{path}: row {row}: {cells.name} is {explain_cell(str(plain))}")
        numbers.append(number)
    return numbers


def refuse_grouped_thousands(path: Path, cells: pd.Series) -> None:
    """Refuse counts such as 0, 2.000, 4.000, which are thousands where a comma marks decimals.

    Who writes three decimals writes 0.000, too.

    Raises:
        InputError: the first such count, with its row.
    """
    counted = {row: str(cell) for row, cell in cells.items() if not is_empty(cell)}
    grouped = {row: cell for row, cell in counted.items() if cell != "0"}
    if len(grouped) < len(counted) and all(map(POINT_THOUSANDS.fullmatch, grouped.values())):
        for row, cell in grouped.items():
            raise InputError(
                f"{path}: row {row}: {cells.name} is {cell!r}: could be {cell.replace('.', '')} or"
                f" {float(cell):g}; write it without a separator"
            )


def explain_cell(cell: str) -> str:
    """A cell that is no plain number, and what to write instead."""
    if THOUSANDS.fullmatch(cell):
        readings = cell.replace(",", "")
        if cell.count(",") == 1:
            readings += f" or {float(cell.replace(',', '.'))}"
        return f"{cell!r}: could be {readings}; write it without a separator"
    if PERCENT.fullmatch(cell):
        return f"{cell!r}; write it without the percent sign"
    if DECIMAL_COMMA.fullmatch(cell):
        return f"{cell!r}; write decimals with a point"
    if is_date(cell):
        return f"{cell!r}, a date; give steps, tokens or hours"
    return f"{cell!r}; write a number or leave it empty"
