"""Expert trajectories and RL prompts from their hub form to the columns of the workflow.

Two forms of the paper's Parquet files are read, both as structs or as JSON in texts:

| form | columns that are needed |
|---|---|
| sft | extra_info.question, extra_info.answer, reward_model.ground_truth, data_source, ability |
| rl | prompt (a chat of one user turn), reward_model.ground_truth, data_source |
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt

from retu.core.errors import InputError
from retu.core.sections import Section
from retu.data.benchmark_sets import read_repository_rows
from retu.data.hub.hub_files import HubLocation
from retu.data.hub.hub_lock import Repository
from retu.data.set_rules import hash_prompt
from retu.data.source_rows import SourceRow
from retu.data.text_records import (
    LengthLimits,
    RowCounts,
    TextRecord,
    TokenCounter,
    measure_records,
    store_rows,
)


class ExpertSource(Section):
    """A data set of the paper: its repository, its format, and the expected number of rows."""

    repository: Repository
    form: Literal["sft", "rl"]
    rows: tuple[NonNegativeInt, NonNegativeInt]
    unique_prompts: bool = False
    notes: str = ""

    def check_rows(self, count: int) -> None:
        """InputError if the number of rows is not the expected one."""
        low, high = self.rows
        if not low <= count <= high:
            raise InputError(
                f"{self.repository.label}: has {count} rows instead of {low} to {high}; check file"
                " and revision, or correct rows in the list of sources"
            )


def load_expert_set(
    source: ExpertSource,
    places: HubLocation,
    out: Path,
    lengths: TokenCounter,
    limits: LengthLimits | None = None,
) -> RowCounts:
    """Fetch a data set and store it as Parquet with its manifest, in the workflow's columns.

    Args:
        source: an entry of `expert_sets.yaml`.
        places: lock, mirror and cache.
        out: the file to write: problem_id, prompt, gold, source, trajectory and its
            response_tokens for SFT, prompt_tokens.
        lengths: token counts of a batch of texts, by the model's tokenizer.
        limits: longer rows are left out, and counted.

    Raises:
        InputError: it cannot be fetched, a row is not of its form, or the number of rows is a
            surprise; shows the row.
    """
    records = tidy_records(read_repository_rows(source.repository, places), source)
    repository = source.repository.name
    return store_rows(
        measure_records(records, lengths), out, limits or LengthLimits(), repository=repository
    )


def tidy_records(rows: Iterable[SourceRow], source: ExpertSource) -> Iterator[TextRecord]:
    """Rows of a file in the workflow's columns, checked one by one, and at last their number.

    A problem's id is a hash of its prompt, so that sets and runs can be matched by it. Where a
    prompt may occur more than once, its further rows have a number behind the id.
    """
    seen: dict[str, int] = {}
    for row in rows:
        record = read_sft_record(row) if source.form == "sft" else read_rl_record(row)
        identity = hash_prompt(record["prompt"])
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] > 1:
            if source.unique_prompts:
                row.refuse("repeats the prompt of an earlier row", "prompts must be unique here")
            identity = f"{identity}-{seen[identity]}"
        yield {"problem_id": identity, **record}
    source.check_rows(sum(seen.values()))


def read_sft_record(row: SourceRow) -> TextRecord:
    """A row of an SFT file."""
    row.get_text("ability")
    return {
        "prompt": row.get_nested_text("extra_info", "question"),
        "gold": row.get_nested_text("reward_model", "ground_truth"),
        "source": row.get_text("data_source"),
        "trajectory": row.get_nested_text("extra_info", "answer"),
    }


def read_rl_record(row: SourceRow) -> TextRecord:
    """A row of an RL file; one that asks for a reward of its own cannot be graded here."""
    wanted = (
        row.get_mapping("extra_info").get("reward_func") if has_cell(row, "extra_info") else None
    )
    if wanted:
        row.refuse(f"asks for the reward {wanted}", "leave out rows that are not mathematics")
    return {
        "prompt": row.get_question("prompt"),
        "gold": row.get_nested_text("reward_model", "ground_truth"),
        "source": row.get_text("data_source"),
    }


def has_cell(row: SourceRow, column: str) -> bool:
    """Whether an optional cell holds something."""
    return row.values.get(column) not in (None, "")
