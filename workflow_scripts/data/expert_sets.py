"""Expert trajectories and RL prompts from their hub form to the columns of the workflow.

Two forms of the paper's Parquet files are read, both as structs or as JSON in texts:

| form | columns that are needed |
|---|---|
| sft | extra_info.question, extra_info.answer, reward_model.ground_truth, data_source, ability |
| rl | prompt (a chat of one user turn), reward_model.ground_truth, data_source |

Rows stream from file to file: the largest set has more text than a small machine has memory.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import NonNegativeInt, TypeAdapter

from workflow_scripts.atomic import replace_atomically
from workflow_scripts.data.benchmark_sets import repository_rows
from workflow_scripts.data.hub import HubPlaces
from workflow_scripts.data.hub_lock import Repository
from workflow_scripts.data.rebuild import normalised
from workflow_scripts.data.source_rows import SourceRow
from workflow_scripts.data.store import manifest_path
from workflow_scripts.errors import InputError
from workflow_scripts.manifest import write_manifest
from workflow_scripts.study.files import did_you_mean, read_yaml
from workflow_scripts.study.section import Section
from workflow_scripts.validation import explained

LISTED = Path(__file__).with_name("expert_sets.yaml")
BATCH = 1024
Record = dict[str, str]
Lengths = Callable[[list[str]], list[int]]
"""Token counts of a batch of texts."""


class ExpertSource(Section):
    """A data set of the paper: where it is, its form, and how many rows are no surprise."""

    repository: Repository
    form: Literal["sft", "rl"]
    rows: tuple[NonNegativeInt, NonNegativeInt]
    unique_prompts: bool = False
    notes: str = ""


@dataclass(frozen=True)
class Limits:
    """Longest prompt and trajectory in tokens; None for no limit. Longer rows are left out."""

    prompt: int | None = None
    trajectory: int | None = None


@dataclass(frozen=True)
class Counts:
    """What became of the rows of a set, and their mean lengths in tokens."""

    rows: int
    long_prompts: int
    long_trajectories: int
    kept: int
    unboxed: int
    mean_prompt_tokens: float
    mean_trajectory_tokens: float


class Tally:
    """Counts rows while they stream."""

    def __init__(self) -> None:
        self.rows = self.long_prompts = self.long_trajectories = self.unboxed = 0
        self.lengths: list[tuple[int, int]] = []

    def keep(self, record: Record, prompt: int, trajectory: int, limits: Limits) -> bool:
        """Count a row; whether it is within the limits."""
        self.rows += 1
        if limits.prompt is not None and prompt > limits.prompt:
            self.long_prompts += 1
            return False
        if limits.trajectory is not None and trajectory > limits.trajectory:
            self.long_trajectories += 1
            return False
        self.unboxed += "trajectory" in record and "\\boxed" not in record["trajectory"]
        self.lengths.append((prompt, trajectory))
        return True

    def counts(self) -> Counts:
        """The counts so far."""
        kept = len(self.lengths)
        prompt, trajectory = (
            round(sum(pair[i] for pair in self.lengths) / max(kept, 1), 1) for i in (0, 1)
        )
        long = (self.long_prompts, self.long_trajectories)
        return Counts(self.rows, *long, kept, self.unboxed, prompt, trajectory)


def read_expert_sources(path: Path = LISTED) -> dict[str, ExpertSource]:
    """Read the list of data sets; InputError names the first wrong key."""
    with explained(str(path)):
        return TypeAdapter(dict[str, ExpertSource]).validate_python(read_yaml(path))


def expert_source(name: str, path: Path = LISTED) -> ExpertSource:
    """A data set by name; InputError that suggests the nearest name."""
    listed = read_expert_sources(path)
    if name not in listed:
        raise InputError(f"data set {name}: unknown; {did_you_mean(name, listed)}")
    return listed[name]


def load_expert_set(
    source: ExpertSource,
    places: HubPlaces,
    out: Path,
    lengths: Lengths,
    limits: Limits | None = None,
) -> Counts:
    """Fetch a data set and store it as Parquet with its manifest, in the workflow's columns.

    Args:
        source: an entry of `expert_sets.yaml`.
        places: lock, mirror and cache.
        out: the file to write: problem_id, prompt, gold, source, and trajectory for SFT.
        lengths: token counts of a batch of texts, by the model's tokenizer.
        limits: longer rows are left out, and counted.

    Raises:
        InputError: it cannot be fetched, a row is not of its form, or the number of rows is a
            surprise; shows the row.
    """
    rows = repository_rows(source.repository, places)
    records = tidy_records(rows, source.form, source.unique_prompts)
    return store_records(records, out, lengths, limits or Limits(), source.rows)


def tidy_records(
    rows: Iterable[SourceRow], form: Literal["sft", "rl"], unique_prompts: bool
) -> Iterator[Record]:
    """Rows of a file in the workflow's columns, checked one by one.

    A problem's id is a hash of its prompt, so that sets and runs can be matched by it. Where a
    prompt may occur more than once, its further rows have a number behind the id.
    """
    seen: dict[str, int] = {}
    for row in rows:
        record = sft_record(row) if form == "sft" else rl_record(row)
        identity = prompt_id(record["prompt"])
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] > 1:
            if unique_prompts:
                row.refuse("repeats the prompt of an earlier row", "prompts must be unique here")
            identity = f"{identity}-{seen[identity]}"
        yield {"problem_id": identity, **record}


def prompt_id(prompt: str) -> str:
    """16 hexadecimal digits of a prompt's hash: a million prompts clash at odds of 3e-8."""
    return hashlib.sha256(normalised(prompt).encode()).hexdigest()[:16]


def sft_record(row: SourceRow) -> Record:
    """A row of an SFT file."""
    row.text("ability")
    return {
        "prompt": row.within("extra_info", "question"),
        "gold": row.within("reward_model", "ground_truth"),
        "source": row.text("data_source"),
        "trajectory": row.within("extra_info", "answer"),
    }


def rl_record(row: SourceRow) -> Record:
    """A row of an RL file; one that asks for a reward of its own cannot be graded here."""
    wanted = row.mapping("extra_info").get("reward_func") if has(row, "extra_info") else None
    if wanted:
        row.refuse(f"asks for the reward {wanted}", "leave out rows that are not mathematics")
    return {
        "prompt": row.question("prompt"),
        "gold": row.within("reward_model", "ground_truth"),
        "source": row.text("data_source"),
    }


def has(row: SourceRow, column: str) -> bool:
    """Whether an optional cell holds something."""
    return row.values.get(column) not in (None, "")


def store_records(
    records: Iterator[Record], out: Path, lengths: Lengths, limits: Limits, rows: tuple[int, int]
) -> Counts:
    """Write the records that are within the limits, a batch at a time, then their manifest.

    Raises:
        InputError: fewer or more rows than `rows` allows, or none is left.
    """
    tally = Tally()
    replace_atomically(out, lambda path: stream(records, path, lengths, limits, tally))
    counts = tally.counts()
    low, high = rows
    if not low <= counts.rows <= high or not counts.kept:
        out.unlink()
        raise InputError(
            f"{out}: {counts.rows} rows, {counts.kept} within the limits, instead of {low} to"
            f" {high}; check file and revision, or correct expert_sets.yaml"
        )
    write_manifest(manifest_path(out), out, **vars(counts))
    return counts


def stream(
    records: Iterator[Record], path: Path, lengths: Lengths, limits: Limits, tally: Tally
) -> None:
    """Write records to a Parquet file; all have the columns of the first."""
    batch = list(islice(records, BATCH))
    if not batch:
        raise InputError(f"{path.name}: the source has no rows; check the files of its repository")
    schema = pa.schema([(column, pa.string()) for column in batch[0]])
    with pq.ParquetWriter(path, schema) as writer:
        while batch:
            prompts = lengths([record["prompt"] for record in batch])
            experts = lengths([record.get("trajectory", "") for record in batch])
            measured = zip(batch, prompts, experts, strict=True)
            kept = [record for record, p, t in measured if tally.keep(record, p, t, limits)]
            writer.write_table(pa.Table.from_pylist(kept, schema=schema))
            batch = list(islice(records, BATCH))
