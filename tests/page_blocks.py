"""The command blocks of a Markdown page, what is said about running them, and what they show.

A block of commands has a mark above it:

    <!-- run: PLACE -->                     run in that place, a checkout in some state
    <!-- run: PLACE, status 1 -->           the last command ends with that status
    <!-- run: PLACE, with lab = smoke -->   words replaced first, for what is too long for a test
    <!-- ran: smoke -->                     it is what the tests' shared run has done
    <!-- not run: REASON -->

A block of `text` after it shows its output: each of its lines must come in the output, in this
order; `...` stands for anything, and a line of it alone for lines left out. Where `numbers vary`
is marked above it, any number stands for any other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

MARKED = re.compile(
    r"(?:^<!-- (?P<mark>(?:not run|run|ran|numbers vary)[^\n]*?) -->\n)?"
    r"^(?:```(?P<language>\w+)\n)(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"[-+\u2212]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
NO_MARK = "no mark says whether this block is run"


@dataclass
class PageBlock:
    """One block of commands."""

    page: str
    commands: str
    """As it is run: words of `with` are replaced."""
    place: str = ""
    reason: str = ""
    """Why it is not run; empty where it is."""
    status: int = 0
    was_run: bool = False
    shown: list[str] = field(default_factory=list)
    numbers_vary: bool = False


def read_blocks(path: Path, root: Path) -> list[PageBlock]:
    """The blocks of commands of a page, in order, with the output that is shown of each."""
    page = path.relative_to(root).as_posix()
    blocks: list[PageBlock] = []
    for found in MARKED.finditer(path.read_text(encoding="utf-8")):
        mark, language = found["mark"] or "", found["language"]
        if language == "bash":
            blocks.append(read_mark(PageBlock(page, found["text"]), mark))
        elif language == "text" and blocks:
            blocks[-1].shown = found["text"].splitlines()
            blocks[-1].numbers_vary = mark == "numbers vary"
    return blocks


def read_mark(block: PageBlock, mark: str) -> PageBlock:
    """A block with what its mark says of it."""
    kind, _, rest = mark.partition(": ")
    if kind == "not run":
        block.reason = rest
    elif kind in ("run", "ran"):
        block.place, *options = rest.split(", ")
        block.was_run = kind == "ran"
        for option in options:
            word, _, value = option.partition(" ")
            if word == "status":
                block.status = int(value)
            else:
                old, _, new = value.partition(" = ")
                block.commands = block.commands.replace(old, new)
    else:
        block.reason = NO_MARK
    return block


def find_missing_lines(shown: Sequence[str], output: str, numbers_vary: bool) -> list[str]:
    """The lines shown that do not come in the output, after those before them."""
    said = [fold_line(line, numbers_vary) for line in output.splitlines()]
    missing = []
    for line in shown:
        wanted = [re.escape(part) for part in fold_line(line, numbers_vary).split("...")]
        pattern = re.compile(".*".join(wanted))
        here = next((i for i, other in enumerate(said) if pattern.fullmatch(other)), None)
        if line.strip() == "...":
            continue
        if here is None:
            missing.append(line)
        else:
            said = said[here + 1 :]
    return missing


def fold_line(line: str, numbers_vary: bool) -> str:
    """A line with single blanks and, where numbers vary, a sign for each number."""
    text = " ".join(line.split())
    return NUMBER.sub("N", text) if numbers_vary else text
