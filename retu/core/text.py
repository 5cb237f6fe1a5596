"""Words that all questions share: so many jobs, the first of a list, a path that is too long."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

CUT_MARK = "…"


def squash_text(text: str) -> str:
    """Lower case without blanks, hyphens and other signs."""
    return re.sub(r"[\W_]+", "", text.lower())


def format_quantity(count: int, noun: str = "job") -> str:
    """A number of things: `1 job`, `3 jobs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def format_rest(count: int, shown: int) -> str:
    """What follows the first `shown` of a list of `count`: ` and 2 more`; empty if that is all."""
    return f" and {count - shown} more" if count > shown else ""


def join_names(names: Sequence[str], most: int) -> str:
    """The first names, at most so many, and how many more there are."""
    return ", ".join(names[:most]) + format_rest(len(names), most)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines; nothing, not even an empty line, where there are none."""
    for line in lines:
        print(line)


def cut_middle(path: str, width: int) -> str:
    """A path cut in its middle, where it says least: its end names the file, its start the kind."""
    if len(path) <= width:
        return path
    end = (width - 1) * 2 // 3
    return path[: width - 1 - end] + CUT_MARK + path[-end:]


def cut_end(line: str, width: int) -> str:
    """A line cut at its end; a width of 0 is no limit."""
    return line if not width or len(line) <= width else line[: width - 1] + CUT_MARK


def escape_hidden(text: str) -> str:
    """A text in which control and other invisible characters are written out (`\\x1b`).

    Names come from archives and file systems: a terminal must not interpret control characters in
    them, and a line break in a name must not look like the end of a message.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class EscapedStream:
    """A text stream whose control characters are written out, line ends excepted."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text with its line ends as they are."""
        self.stream.write("\n".join(escape_hidden(line) for line in text.split("\n")))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's own."""
        return getattr(self.stream, name)
