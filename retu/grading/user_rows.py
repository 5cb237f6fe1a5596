"""Reading a user's file of generations, a batch at a time: id, gold and generation in every row."""

import codecs
import csv
import json
import math
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd

from retu.core.errors import InputError
from retu.core.near_words import explain_missing_names
from retu.evaluation.scores import FINISHED

REQUIRED_KEYS = ("id", "gold", "generation")
ONLY = "all"
SEPARATORS = {".csv": ",", ".tsv": "\t"}
LONGEST_LINE = 32 * 2**20
"""Bytes of a line: what is read at once stays small whatever the size of the file."""
BATCH_SAMPLES, BATCH_CHARACTERS = 4096, 4 * 2**20
SAMPLE_COLUMNS = ["benchmark", "problem_id", "sample", "gold", "generation"]
Sample = tuple[str, str, str, str, bool | None]
BINARY = {".parquet": "pandas.read_parquet", ".feather": "pandas.read_feather"}


@contextmanager
def open_generations(path: Path) -> Iterator["GenerationFile"]:
    """A file that can be read more than once; what comes through a pipe is copied to a disk first.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            stored = path
            if path.exists() and not path.is_file():
                stored = Path(folder) / (path.name or "rows")
                with path.open("rb") as pipe, stored.open("wb") as copy:
                    shutil.copyfileobj(pipe, copy)
            yield GenerationFile(path, stored)
    except OSError as error:
        if error.filename is None or os.fspath(error.filename) != os.fspath(path):
            raise
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


class GenerationFile:
    """A file of rows: JSON lines, or a table whose name ends in .csv or .tsv.

    A row holds `id`, `gold` and `generation`: a text, null (an empty answer), or a list of them.
    Rows with the same id are samples of one problem; `benchmark` is optional. Samples are numbered
    from 0 in the order of the file. `finished` is optional too: true where the model ended the text
    itself, false where the token limit did; a list for a list of texts.
    """

    def __init__(self, name: Path, stored: Path | None = None) -> None:
        """Read `stored` (default: the file itself), and call it `name` in messages."""
        self.name, self.stored = name, stored or name
        self.has_ends = False

    def check_rows(self) -> dict[tuple[str, str], tuple[str, int]]:
        """Read all of it once, keeping no answer.

        Returns:
            (benchmark, id) -> gold answer and number of samples.

        Raises:
            InputError: no such file, not UTF-8, not JSON, a line that is too long, a key that is
                missing, repeated or of another type, a number that is none, one id with several
                gold answers, only some rows with `finished`, or a file without rows.
        """
        problems: dict[tuple[str, str], tuple[str, int]] = {}
        lacking: dict[bool, str] = {}
        for benchmark, name, gold, _, end in self.read_samples():
            lacking.setdefault(end is None, name)
            known, count = problems.get((benchmark, name), (gold, 0))
            if known != gold:
                raise InputError(
                    f"{self.name}: id {name!r} has several gold answers; give problems unique ids"
                )
            problems[benchmark, name] = (known, count + 1)
        if not problems:
            raise InputError(
                f"{self.name}: has no rows; expected lines with {', '.join(REQUIRED_KEYS)}"
            )
        if len(lacking) == 2:
            raise InputError(
                f"{self.name}: id {lacking[True]!r} lacks finished, which other lines have; give it"
                " to all or to none"
            )
        self.has_ends = False in lacking
        return problems

    def read_batches(self) -> Iterator[pd.DataFrame]:
        """Its samples in order, so many or so much text at a time, after `check`.

        Columns `COLUMNS`, and `finished` if the file has it.

        Raises:
            InputError: as `check`.
        """
        counts: dict[tuple[str, str], int] = {}
        columns = [*SAMPLE_COLUMNS, FINISHED] if self.has_ends else SAMPLE_COLUMNS
        batch: list[tuple[Any, ...]] = []
        characters = 0
        for benchmark, name, gold, generation, end in self.read_samples():
            number = counts[benchmark, name] = counts.get((benchmark, name), -1) + 1
            known = (end,) if self.has_ends else ()
            batch.append((benchmark, name, number, gold, generation, *known))
            characters += len(generation)
            if len(batch) == BATCH_SAMPLES or characters > BATCH_CHARACTERS:
                yield pd.DataFrame(batch, columns=columns)
                batch, characters = [], 0
        if batch:
            yield pd.DataFrame(batch, columns=columns)

    def read_samples(self) -> Iterator[Sample]:
        """Benchmark, id, gold answer, generation and `finished` of every sample."""
        suffix = self.name.suffix.lower()
        if suffix in BINARY:
            raise InputError(
                f'{self.name}: is no text; convert it: python -c "import pandas;'
                f" {BINARY[suffix]}('{self.name}').to_json('{self.name.with_suffix('.jsonl')}',"
                " orient='records', lines=True)\""
            )
        with self.stored.open("rb") as handle:
            table = suffix in SEPARATORS
            rows = (
                self.read_table_rows(handle, SEPARATORS[suffix])
                if table
                else self.read_json_rows(handle)
            )
            for number, content in rows:
                yield from split_samples(content, f"{self.name}:{number}")

    def read_json_rows(self, handle: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Numbered JSON objects of a file, empty lines left out."""
        number = 0
        # Lines end with \n alone: JSON allows other line ends inside a string.
        while raw := handle.readline(LONGEST_LINE + 1):
            number += 1
            where = f"{self.name}:{number}"
            if len(raw) > LONGEST_LINE:
                raise InputError(
                    f"{where}: has more than {LONGEST_LINE >> 20} MiB; write the samples of a"
                    " problem as lines of their own, with the same id"
                )
            if number == 1:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            try:
                line = raw.decode()
            except UnicodeDecodeError as error:
                raise InputError(f"{where}: not UTF-8; save the file as UTF-8") from error
            if line.strip():
                yield number, parse_line(line, where)

    def read_table_rows(
        self, handle: IO[bytes], separator: str
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Numbered rows of a table whose first line names the columns."""
        csv.field_size_limit(LONGEST_LINE)
        lines = codecs.getreader("utf-8-sig")(handle)
        reader = csv.DictReader(lines, delimiter=separator, strict=True)
        try:
            missing = [name for name in REQUIRED_KEYS if name not in (reader.fieldnames or ())]
            if missing:
                given = [name for name in reader.fieldnames or () if name not in REQUIRED_KEYS]
                meant = explain_missing_names(missing, given)
                sign = {",": "commas", "\t": "tabs"}[separator]
                raise InputError(
                    f"{self.name}:1: lacks the column {', '.join(missing)}; the first line names"
                    f" the columns, separated by {sign}: {separator.join(REQUIRED_KEYS)}"
                    + (f"; {meant}" if meant else "")
                )
            for row in reader:
                if None in row or None in row.values():
                    raise InputError(
                        f"{self.name}:{reader.line_num}: has another number of fields than the"
                        " first line; put texts into double quotes"
                    )
                yield reader.line_num, {key: text for key, text in row.items() if key}
        except UnicodeDecodeError as error:
            where = f"{self.name}:{reader.line_num + 1}"
            raise InputError(f"{where}: not UTF-8; save the file as UTF-8") from error
        except csv.Error as error:
            raise InputError(f"{self.name}:{reader.line_num}: not CSV ({error})") from error


def parse_line(line: str, where: str) -> dict[str, Any]:
    """The object of a line, with all keys that are needed."""
    try:
        content = json.loads(line, object_pairs_hook=refuse_repeated_keys)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); {suggest_form(line, where)}") from error
    if isinstance(content, list) and content and isinstance(content[0], dict):
        raise InputError(f"{where}: not a JSON object; {suggest_form(line, where)}")
    if not isinstance(content, dict):
        raise InputError(f"{where}: not a JSON object; expected {', '.join(REQUIRED_KEYS)}")
    missing = [key for key in REQUIRED_KEYS if key not in content]
    if missing:
        meant = explain_missing_names(missing, (key for key in content if key not in REQUIRED_KEYS))
        has = f"a row has {', '.join(REQUIRED_KEYS)}"
        raise InputError(f"{where}: lacks {', '.join(missing)}; {meant or has}")
    return content


def refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError if a key is there twice, of which JSON would take the last."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} is there twice")
    return content


def suggest_form(line: str, where: str) -> str:
    """What to do about a file that is no JSON lines."""
    path = Path(where.rpartition(":")[0])
    if line.lstrip().startswith("["):
        return (
            f"it looks like one JSON array; make it a line a row: jq -c '.[]'"
            f" {shlex.quote(str(path))} > {shlex.quote(str(path.with_suffix('.rows.jsonl')))}"
        )
    if all(name in line for name in REQUIRED_KEYS) and "{" not in line:
        return f"it looks like a table; name it {path.with_suffix('.csv')}"
    return "one object a line"


def split_samples(content: dict[str, Any], where: str) -> list[Sample]:
    """The samples of a row."""
    benchmark, name = content.get("benchmark", ONLY), content["id"]
    if not is_scalar(name) or not isinstance(benchmark, str):
        raise InputError(f"{where}: id must be a text or a number, benchmark a text")
    gold, given = content["gold"], content["generation"]
    if not is_scalar(gold):
        raise InputError(f"{where}: gold is {describe_type(gold)}; write it as a text or a number")
    texts = given if isinstance(given, list) else [given]
    if not texts or not all(text is None or isinstance(text, str) for text in texts):
        raise InputError(f"{where}: generation must be a text, null or a list of texts, not empty")
    place = escape_surrogates(benchmark), escape_surrogates(str(name)), escape_surrogates(str(gold))
    ends = read_finished(content, len(texts), where)
    return [(*place, escape_surrogates(text or ""), e) for text, e in zip(texts, ends, strict=True)]


def read_finished(content: dict[str, Any], count: int, where: str) -> list[bool] | list[None]:
    """Whether the model ended each of the `count` texts of a line; None where it is not told."""
    given = content.get(FINISHED)
    if given is None:
        return [None] * count
    given = {"true": True, "false": False}.get(str(given).lower(), given)  # as a table writes it
    ends = given if isinstance(given, list) else [given] * count
    if len(ends) != count or not all(isinstance(end, bool) for end in ends):
        raise InputError(
            f"{where}: finished must be true or false, or a list of them, one for each generation"
        )
    return ends


def escape_surrogates(text: str) -> str:
    """The text with halves of character pairs, which JSON allows and tables do not, escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def is_scalar(value: object) -> bool:
    """Whether it is a text or a number (JSON's true and false are neither, nor are its NaNs)."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int) and not isinstance(value, bool)


def describe_type(value: object) -> str:
    """What a value is, for a message."""
    return str(value) if isinstance(value, float) else type(value).__name__
