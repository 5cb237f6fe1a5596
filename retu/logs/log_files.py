"""Files of logs below the given paths, and what they begin with."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from retu.core.errors import InputError

HEAD_BYTES = 65536
ANSWER_MADE_BY = "retu fit"
ANSWER_TABLE, ANSWER_JSON, ANSWER_POINTS, ANSWER_PAGE = ANSWER_FILES = (
    *("fits.csv", "fits.json", "points.csv", "fit.html"),
)
"""What `retu fit` writes; the JSON says at its beginning who made it."""
# Weights and the like: never a log, and large.
SKIPPED = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".npz", ".npy", ".png", ".svg")


@dataclass(frozen=True)
class LogFile:
    """A file that may be a log."""

    path: Path
    is_given: bool  # named by the user, not found in a folder

    @cached_property
    def head(self) -> bytes:
        """The first bytes, read once."""
        try:
            with self.path.open("rb") as file:
                return file.read(HEAD_BYTES)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from error

    @cached_property
    def first_line(self) -> str:
        """The first line of a text; empty for anything else."""
        if b"\0" in self.head and not is_wide_text(self.head):
            return ""
        return decode_text(self.head).lstrip().partition("\n")[0].strip()

    @property
    def is_json(self) -> bool:
        """Whether it begins as one JSON document does."""
        return self.first_line[:1] in ("{", "[")

    def holds(self, *keys: str) -> bool:
        """Whether all these JSON keys stand near its beginning."""
        return self.is_json and all(f'"{key}"'.encode() in self.head for key in keys)


def list_log_files(paths: Sequence[Path]) -> list[LogFile]:
    """The files at and below `paths`, each once, numbers in names in their order.

    Links to folders are not followed: they point to runs that are there anyway. Earlier answers of
    `retu fit` in folders are no curves.

    Raises:
        InputError: no path, one that is not there, an empty file, or nothing but an answer.
    """
    if not paths:
        raise InputError("no file of curves given; name a log, a table or a folder of them")
    found: dict[Path, LogFile] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; correct the path")
        files = walk_folder(path) if path.is_dir() else [path]
        for file in files:
            found.setdefault(file.resolve(), LogFile(file, not path.is_dir()))
    for log in found.values():
        if log.is_given and not log.head.strip():
            raise InputError(f"{log.path}: is empty; give the log of a run that wrote something")
    kept = [log for log in found.values() if log.is_given or not is_answer(log.path)]
    if found and not kept:
        raise InputError(f"{paths[0]}: holds only an answer of retu fit; give the curves")
    return kept


def is_answer(path: Path) -> bool:
    """Whether a file is one of those that `retu fit --out` leaves in a folder."""
    made = path.with_name(ANSWER_JSON)
    if path.name not in ANSWER_FILES or not made.is_file():
        return False
    with made.open("rb") as file:
        return f'"made_by": "{ANSWER_MADE_BY}"'.encode() in file.read(100)


def walk_folder(folder: Path) -> Iterator[Path]:
    """The files of a folder, hidden folders left out, `checkpoint-20` before `checkpoint-100`."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted((f for f in folders if not f.startswith(".")), key=split_numbers)
        for name in sorted(names, key=split_numbers):
            path = Path(here, name)
            if path.suffix not in SKIPPED and path.is_file():
                yield path


def split_numbers(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names by the numbers in them."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]


def is_wide_text(content: bytes) -> bool:
    """Whether a text is UTF-16 by its mark, as spreadsheets and PowerShell write it."""
    return content.startswith((b"\xff\xfe", b"\xfe\xff"))


def decode_text(content: bytes) -> str:
    """Text in UTF-8, or in UTF-16 with its mark."""
    return content.decode("utf-16" if is_wide_text(content) else "utf-8-sig", errors="replace")


def read_text(path: Path, place: str = "line") -> str:
    """The text of a file, as `decode_text` reads it; a last character may be cut off.

    Raises:
        InputError: it is not UTF-8; with its line, called `place`. Names that are told apart by
            the characters that cannot be read would become one.
    """
    content = path.read_bytes()
    try:
        content.removeprefix(b"\xef\xbb\xbf").decode("utf-16" if is_wide_text(content) else "utf-8")
    except UnicodeDecodeError as error:
        if not (error.end == len(error.object) and "end of data" in error.reason):
            line = error.object[: error.start].count(b"\n") + 1
            raise InputError(f"{path}: {place} {line}: is not UTF-8; save it as UTF-8") from error
    return decode_text(content)


def load_json(path: Path) -> Any:
    """Read a JSON document; bare `NaN` and `Infinity` are read, too.

    Raises:
        InputError: it is cut off or no JSON, with the line.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: line {error.lineno}: no valid JSON ({error.msg}): cut off while it was"
            " written or copied? give a whole one"
        ) from error
    except (OSError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def describe_files(files: Sequence[LogFile]) -> str:
    """One file by its path, several by their common folder; event files' names hold hosts."""
    if len(files) == 1 and ".tfevents." not in files[0].path.name:
        return str(files[0].path)
    return f"{os.path.commonpath([file.path.parent for file in files]) or '.'}"


def load_json_lines(path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    """Line number and mapping of every line; a last line that was not finished is left out.

    Raises:
        InputError: a line before the last is no JSON mapping.
    """
    lines = read_text(path).splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines) and not line.endswith("\n") and number > 1:
                return
            raise InputError(
                f"{path}: line {number}: no valid JSON ({error.msg}); correct or remove the line"
            ) from error
        if not isinstance(content, dict):
            raise InputError(
                f"{path}: line {number}: no mapping of names to values; give one JSON object a line"
            )
        yield number, content
