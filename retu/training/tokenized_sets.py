"""SFT sets, tokenised once and memory-mapped from disk: a set may be larger than memory.

Rows are what `encode_example` makes of a problem and its trajectory, so TRL's trainer
has nothing to prepare. They wait in the state folder until the run is over.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retu.core.errors import InputError
from retu.data.chat import (
    check_same_prompt,
    encode_example,
    encode_examples,
    encode_rl_prompt,
    get_prompt_ids,
)
from retu.data.split_checks import check_lengths
from retu.data.stored_sets import map_dataset
from retu.planning.jobs import SftJob
from retu.runtime.processes import is_main_process, wait_for_everyone
from retu.training.memory.labels import IGNORED_LABEL

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

TEXT_COLUMNS = ("prompt", "trajectory")
LENGTH_COLUMN = "length"
PROMPT_LENGTH_COLUMN = "prompt_length"
TRIED_ROWS = 3
"""Problems of a set by which it is tried whether SFT shows them as RL and evaluation will."""


def read_sets(
    sets: Sequence[Path], job: SftJob, tokenizer: "PreTrainedTokenizerBase", state: Path
) -> list["Dataset"]:
    """The training and the validation set as tokens.

    Raises:
        InputError: a row to train on is too long and the recipe does not allow to cut it.
    """
    recipe, threads = job.recipe, job.execution.threads
    remedy = "raise max_length in the SFT recipe, or set too_long: truncate"
    remedies = (remedy if recipe.too_long == "error" else None, None)
    return [
        load_tokenised_set(
            path, tokenizer, state / "tokens" / name, threads, recipe.max_length, remedy
        )
        for name, path, remedy in zip(("train", "validation"), sets, remedies, strict=True)
    ]


def load_tokenised_set(
    path: Path,
    tokenizer: "PreTrainedTokenizerBase",
    folder: Path,
    threads: int,
    limit: int,
    remedy: str | None = None,
) -> "Dataset":
    """The rows of a stored SFT set as tokens, in its order.

    The first process makes them, the others read what it wrote.

    Args:
        path: a data set with the columns `prompt` and `trajectory`.
        tokenizer: the model's.
        folder: where the tokens are kept, below the run's state folder: one for each set.
        threads: processes that tokenise.
        limit: rows are cut to so many tokens.
        remedy: what to do about a row above the limit; None: it may be cut.

    Returns:
        `input_ids`, `labels` (-100 for the prompt), and `length` and `prompt_length`, tokens of the
        row and of its prompt before it was cut.

    Raises:
        InputError: the set is not as stored, a row is too long, or the limit leaves nothing of its
            trajectory.
    """
    # Whoever comes later finds the files of the first and makes none.
    if not is_main_process():
        wait_for_everyone()
    dataset = tokenise_once(path, tokenizer, folder, threads, limit)
    if is_main_process():
        wait_for_everyone()
    if remedy is not None:
        check_lengths(read_column(dataset, LENGTH_COLUMN), limit, str(path), remedy)
    check_prompt_lengths(dataset, limit, path)
    return dataset


def check_prompt_lengths(dataset: "Dataset", limit: int, path: Path) -> None:
    """InputError if a prompt alone reaches the limit in tokens, so that nothing would be learnt."""
    for row, length in enumerate(read_column(dataset, PROMPT_LENGTH_COLUMN)):
        if length >= limit:
            raise InputError(
                f"{path}: row {row} has a prompt of {length} tokens, which leaves none of {limit}"
                " for its trajectory; raise max_length in the SFT recipe or leave the row out"
            )


def tokenise_once(
    path: Path, tokenizer: "PreTrainedTokenizerBase", folder: Path, threads: int, limit: int
) -> "Dataset":
    """Make the tokens, or read them if they are there."""
    from datasets import Features, List, Value

    folder.mkdir(parents=True, exist_ok=True)
    texts = map_dataset(path, TEXT_COLUMNS, folder)
    stages = {
        "SFT": lambda question: get_prompt_ids(encode_example(tokenizer, question, "")),
        "RL": lambda question: encode_rl_prompt(tokenizer, question),
    }
    check_same_prompt(tokenizer, texts[:TRIED_ROWS]["prompt"], stages)

    # Left to itself, `datasets` keeps labels in eight bytes each.
    ids, number = List(Value("int32")), Value("int32")
    return texts.map(
        encode_batch,
        fn_kwargs={"tokenizer": tokenizer, "limit": limit},
        batched=True,
        remove_columns=list(TEXT_COLUMNS),
        features=Features(
            {"input_ids": ids, "labels": ids, LENGTH_COLUMN: number, PROMPT_LENGTH_COLUMN: number}
        ),
        num_proc=threads if threads > 1 else None,
        cache_file_name=str(folder / "tokens.arrow"),
        # The state folder belongs to one request: there is nothing else to tell apart.
        new_fingerprint="tokens",
    )


def encode_batch(
    batch: Mapping[str, Sequence[str]], tokenizer: "PreTrainedTokenizerBase", limit: int
) -> dict[str, list[list[int]] | list[int]]:
    """The columns of `load_tokenised_set` for some prompts and trajectories."""
    rows = encode_examples(tokenizer, *(batch[name] for name in TEXT_COLUMNS))
    return {
        "input_ids": [row["input_ids"][:limit] for row in rows],
        "labels": [mask_prompt_labels(row)[:limit] for row in rows],
        LENGTH_COLUMN: [len(row["input_ids"]) for row in rows],
        PROMPT_LENGTH_COLUMN: [len(get_prompt_ids(row)) for row in rows],
    }


def mask_prompt_labels(row: Mapping[str, Sequence[int]]) -> list[int]:
    """What is learnt of a row of `encode_example`: its tokens, -100 for those of the prompt."""
    pairs = zip(row["input_ids"], row["completion_mask"], strict=True)
    return [token if learnt else IGNORED_LABEL for token, learnt in pairs]


def read_column(dataset: "Dataset", name: str) -> list[int]:
    """A column of numbers."""
    values: list[int] = dataset.with_format("numpy")[name][:].tolist()
    return values


def count_cut_rows(dataset: "Dataset", limit: int) -> int:
    """How many rows of `load_tokenised_set` training truncates."""
    return sum(length > limit for length in read_column(dataset, LENGTH_COLUMN))


def list_trained_lengths(dataset: "Dataset", limit: int) -> list[int]:
    """Tokens that training sees of every row of `load_tokenised_set`, end-of-sequence included."""
    return [min(length, limit) for length in read_column(dataset, LENGTH_COLUMN)]
