"""Text that fits the terminal it is printed on: its width, and tables made narrower for it."""

import os
import shutil
import sys
from collections.abc import Sequence

from retu.core.text import cut_middle

GAP = 2
SHORTEST_NAME = 12


def find_width(most: int) -> int:
    """Columns for a text: those of the terminal or of `COLUMNS`, at most so many (0: no limit).

    A file or a pipe has no width: what is written there does not depend on where it was written.
    """
    if "COLUMNS" not in os.environ and not sys.stdout.isatty():
        return most
    columns = shutil.get_terminal_size((most, 0)).columns
    return min(most, columns) if most else columns


def narrow_table(
    rows: Sequence[Sequence[str]], width: int, spare: Sequence[str]
) -> tuple[list[list[str]], list[str]]:
    """A table that is no wider than `width`, if leaving out columns and cutting names can do it.

    Args:
        rows: the header, then rows of cells; the first column holds names.
        width: columns of the terminal.
        spare: headers of columns that may be left out, those that say least first.

    Returns:
        The rows with what is left, names cut in their middle; the headers left out.
    """
    columns = {header: [header, *cells] for header, *cells in zip(*rows, strict=True)}
    first = next(iter(columns))
    least = min(SHORTEST_NAME, max(map(len, columns[first])))
    left_out = []
    for header in spare:
        if header in columns and measure_rest(columns) + least > width:
            del columns[header]
            left_out.append(header)
    room = max(width - measure_rest(columns), least)
    columns[first] = [cut_middle(name, room) for name in columns[first]]
    return [list(row) for row in zip(*columns.values(), strict=True)], left_out


def measure_rest(columns: dict[str, list[str]]) -> int:
    """Width of all columns but the first, with the gaps before them."""
    _, *rest = columns.values()
    return sum(max(map(len, cells)) + GAP for cells in rest)


def note_left_out(left_out: Sequence[str]) -> list[str]:
    """A line on columns that are not shown; none where all are."""
    names = ", ".join(left_out)
    return [f"(left out at this width: {names}; --json has all)"] if left_out else []
