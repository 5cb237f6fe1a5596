"""Tables as text: number formats and Markdown, shared by files, terminal and HTML page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from retu.core.rounding import round_score

MISSING = "\N{EN DASH}"


@dataclass(frozen=True)
class TextTable:
    """A table ready to print: headers, rows of cells, and which columns align right."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...]

    def format_markdown(self) -> str:
        """A GitHub-style Markdown table, ending with a line break."""
        rule = ["---:" if right else "---" for right in self.right]
        lines = [self.headers, rule, *self.rows]
        return "".join(f"| {' | '.join(escape_cell(cell) for cell in line)} |\n" for line in lines)


def align_columns(lines: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Lines of cells as columns two blanks apart; `right` says which of them are flush right."""
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def make_table(columns: Sequence[tuple[str, bool, Sequence[str]]]) -> TextTable:
    """Build a table from (header, align right, cells) columns of equal length."""
    headers = tuple(header for header, _, _ in columns)
    right = tuple(aligned for _, aligned, _ in columns)
    rows = tuple(zip(*(cells for _, _, cells in columns), strict=True))
    return TextTable(headers, rows, right)


def escape_cell(cell: str) -> str:
    """Keep a cell inside its cell: no column separators, no line breaks."""
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("\r", "").replace("\n", " ")


def format_number(value: float, digits: int = 1) -> str:
    """A number with fixed decimals, a real minus sign, and a dash when there is none."""
    if not math.isfinite(value):
        return MISSING
    return f"{round_score(value, digits):.{digits}f}".replace("-", "\N{MINUS SIGN}")


def format_significant(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits, for quantities spanning orders of magnitude."""
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 <= exponent < 6:
        return format_number(value, max(digits - 1 - exponent, 0))
    return f"{value:.{digits - 1}e}".replace("-", "\N{MINUS SIGN}")


def format_integer(value: float) -> str:
    """A whole number with commas between thousands, a dash when there is none."""
    return f"{round(value):,}" if math.isfinite(value) else MISSING


def format_interval(low: float, high: float, digits: int = 1) -> str:
    """An interval `[low, high]`, a dash when an end is missing."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    return f"[{format_number(low, digits)}, {format_number(high, digits)}]"


def format_signed(value: float, digits: int = 1) -> str:
    """A number that always shows its sign."""
    text = format_number(value, digits)
    return text if value < 0 or text == MISSING else f"+{text}"
