"""Benchmark problems that are too similar to training prompts: found, placed, counted."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from retu.core.errors import InputError
from retu.data.set_rules import Embedder, find_nearest_prompts, split_by_similarity
from retu.data.stored_rows import RowIndices, read_stored_rows
from retu.data.stored_sets import check_stored


def split_problems(
    problems: pd.DataFrame, against: Sequence[Path], embed: Embedder, threshold: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The problems that are kept and those that training has seen, with what they are similar to.

    Args:
        problems: with a column `prompt`.
        against: the stored training data.
        embed: texts -> vectors.
        threshold: the cosine similarity above which a problem counts as seen.

    Returns:
        Both with the columns `similarity`, `set` and `row` added.

    Raises:
        InputError: a set is not what its manifest says, or has no prompts.
    """
    for path in against:
        check_stored(path, ("prompt",))
    found = find_nearest_prompts(list(problems["prompt"]), read_prompts(against), embed)
    rows = locate_rows(found["training_row"].to_numpy(), against)
    rated = pd.concat([problems, rows], axis=1)
    return split_by_similarity(rated, list(found["similarity"]), threshold)


def read_prompts(paths: Sequence[Path]) -> Iterator[str]:
    """The prompts of all training data, one set after the other."""
    for path in paths:
        yield from (str(row["prompt"]) for row in read_stored_rows(path, ["prompt"]))


def locate_rows(rows: RowIndices, paths: Sequence[Path]) -> pd.DataFrame:
    """In which set a row of all training data is, and where in it: `set`, `row`."""
    sizes = [pq.read_metadata(path).num_rows for path in paths]
    ends = np.cumsum(sizes)
    which = np.searchsorted(ends, rows, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    names = [path.stem for path in paths]
    return pd.DataFrame({"set": [names[i] for i in which], "row": rows - starts[which]})


def count_kept_problems(problems: pd.DataFrame, kept: pd.DataFrame) -> dict[str, int]:
    """Benchmark -> problems that are kept; InputError if a benchmark has none left."""
    counts = {str(name): 0 for name in problems["benchmark"].unique()}
    counts |= {str(name): int(n) for name, n in kept["benchmark"].value_counts().items()}
    empty = [name for name, count in counts.items() if not count]
    if empty:
        raise InputError(
            f"benchmark {empty[0]}: every problem is too similar to a training prompt; leave the"
            " benchmark out of the study, or raise data.decontamination.threshold"
        )
    return counts
