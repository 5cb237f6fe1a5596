"""Rows of text on their way to a Parquet file: measured in tokens, held to limits, counted.

They stream: the largest set has more text than a small machine has memory. Lengths are stored with
the rows, so that nothing is made into tokens twice.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from retu.core.atomic_files import replace_atomically
from retu.core.errors import InputError
from retu.core.manifest import write_manifest
from retu.data.stored_sets import get_manifest_path
from retu.data.tokenizer import load_tokenizer

TOKENIZE_BATCH = 1024
TOKENISED = 256
"""Texts made into tokens at a time: their tokens take twenty times the memory of the texts."""
RESPONSES = ("trajectory", "expert")
PROMPT_TOKENS = "prompt_tokens"
RESPONSE_TOKENS = "response_tokens"
TextRecord = dict[str, str]
StoredRow = dict[str, str | int]
"""A record with the numbers of tokens of its prompt and, if it has one, its response."""
TokenCounter = Callable[[list[str]], list[int]]
"""Token counts of a batch of texts."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class LengthLimits:
    """Longest prompt and trajectory in tokens; None for no limit. Longer rows are left out."""

    prompt: int | None = None
    trajectory: int | None = None


@dataclass(frozen=True)
class RowCounts:
    """What became of the rows that came, and mean lengths of those stored, in tokens."""

    came: int
    long_prompts: int
    long_trajectories: int
    rows: int
    unboxed: int
    mean_prompt_tokens: float
    mean_trajectory_tokens: float | None


class Tally:
    """Counts rows while they stream."""

    def __init__(self, limits: LengthLimits) -> None:
        self.limits = limits
        self.came = self.long_prompts = self.long_trajectories = self.rows = self.unboxed = 0
        self.prompts = self.trajectories = 0
        self.answered = False

    def count_row(self, row: StoredRow) -> bool:
        """Count a row; whether it is within the limits."""
        self.came += 1
        prompt, trajectory = int(row[PROMPT_TOKENS]), int(row.get(RESPONSE_TOKENS, 0))
        if self.limits.prompt is not None and prompt > self.limits.prompt:
            self.long_prompts += 1
            return False
        if self.limits.trajectory is not None and trajectory > self.limits.trajectory:
            self.long_trajectories += 1
            return False
        response = get_response(row)
        self.answered = response is not None
        self.unboxed += response is not None and "\\boxed" not in response
        self.rows, self.prompts = self.rows + 1, self.prompts + prompt
        self.trajectories += trajectory
        return True

    def make_counts(self) -> RowCounts:
        """The counts so far."""
        kept = max(self.rows, 1)
        return RowCounts(
            self.came,
            self.long_prompts,
            self.long_trajectories,
            self.rows,
            self.unboxed,
            round(self.prompts / kept, 1),
            round(self.trajectories / kept, 1) if self.answered else None,
        )


def get_response(row: Mapping[str, str | int]) -> str | None:
    """The expert's answer, None for a problem alone."""
    return next((str(row[name]) for name in RESPONSES if name in row), None)


def make_token_counter(folder: Path, threads: int = 1) -> TokenCounter:
    """Counts tokens of texts by a model's tokenizer, without special tokens.

    Args:
        folder: the model's.
        threads: to share a batch among; the tokenizer takes no more than these.
    """
    if threads > 1:
        os.environ |= {"TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": str(threads)}
    tokenizer = load_tokenizer(folder)
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)

    def count_tokens(texts: list[str]) -> list[int]:
        if backend is not None:
            # Four times as fast as the tokenizer itself, which also keeps each token's place.
            encoded = backend.encode_batch_fast(texts, add_special_tokens=False)
        else:
            encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        return [len(tokens) for tokens in encoded]

    if backend is not None:
        backend.no_truncation()
        backend.no_padding()
    return count_tokens


def measure_records(records: Iterable[TextRecord], lengths: TokenCounter) -> Iterator[StoredRow]:
    """Records with the lengths of their texts."""
    for batch in split_into_blocks(records, TOKENISED):
        prompts = lengths([record["prompt"] for record in batch])
        responses = [get_response(record) for record in batch]
        answers = iter(lengths([text for text in responses if text is not None]))
        for record, prompt, response in zip(batch, prompts, responses, strict=True):
            answer = {} if response is None else {RESPONSE_TOKENS: next(answers)}
            yield {**record, PROMPT_TOKENS: prompt, **answer}


def store_rows(
    rows: Iterable[StoredRow], out: Path, limits: LengthLimits, **facts: object
) -> RowCounts:
    """Write the rows that are within the limits, a batch at a time, then their manifest.

    Args:
        rows: all with the same columns.
        out: the Parquet file.
        limits: longer rows are left out, and counted.
        facts: what the manifest says besides the counts.

    Raises:
        InputError: there are no rows, or none is within the limits.
    """
    tally = Tally(limits)
    columns: list[str] = []

    def write(path: Path) -> None:
        stream = iter(rows)
        first = next(stream, None)
        if first is None:
            raise InputError(f"{out}: the source has no rows for it; check what it is made of")
        columns.extend(first)
        schema = pa.schema([(name, infer_column_type(value)) for name, value in first.items()])
        kept = (row for row in chain([first], stream) if tally.count_row(row))
        with pq.ParquetWriter(path, schema) as writer:
            for batch in split_into_blocks(kept, TOKENIZE_BATCH):
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
        if not tally.rows:
            raise InputError(
                f"{out}: none of {tally.came} rows is within the limits, {tally.long_prompts}"
                f" prompts and {tally.long_trajectories} trajectories are too long; raise them"
            )

    replace_atomically(out, write)
    counts = tally.make_counts()
    write_manifest(get_manifest_path(out), out, columns=columns, **vars(counts), **facts)
    return counts


def infer_column_type(value: str | int) -> pa.DataType:
    """The type of a column by one of its cells."""
    return pa.int64() if isinstance(value, int) else pa.string()


def describe_counts(counts: RowCounts) -> str:
    """One line about what became of the rows."""
    return (
        f"{counts.rows} of {counts.came} rows kept; {counts.long_prompts} prompts and"
        f" {counts.long_trajectories} trajectories were too long, {counts.unboxed} trajectories"
        " box nothing"
    )


def split_into_blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of at most `size` items."""
    iterator = iter(items)
    while block := list(islice(iterator, size)):
        yield block
