"""The rules by which the paper's sets are made from their sources, as functions of tables.

An alternative to downloading the released sets, and the way to make such sets from other sources:
mathematics only, deduplicated by prompt, filtered by length, selected by the win rate of a
reference model, decontaminated by the similarity of embeddings, matched with RL prompts. Columns
are those of the workflow (problem_id, prompt, gold, trajectory); rows keep their order.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.data.select import win_rates
from workflow_scripts.errors import InputError

SIMILAR = 0.8
"""Cosine similarity above which a problem counts as seen in training."""
ATTEMPTS = 4
EASY = (1.0, 1.0)
HARD = (0.0, 0.25)
BLANKS = re.compile(r"\s+")
CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
Floats = NDArray[np.float32]
Embedder = Callable[[Sequence[str]], Floats]
"""Texts -> one row a text; the paper uses Qwen3-8B-Embedding."""


def normalised(prompt: str) -> str:
    """A prompt as it is compared: composed characters, single blanks.

    Case stays and so do superscripts: `A` and `a`, `x²` and `x2` are different mathematics.
    """
    return BLANKS.sub(" ", unicodedata.normalize("NFC", prompt)).strip()


def only(frame: pd.DataFrame, column: str, values: Collection[str]) -> pd.DataFrame:
    """Rows of the given kinds, by default of sources: `only(frame, "ability", {"math"})`.

    Raises:
        InputError: no such column, or no row is left; lists the kinds there are.
    """
    if column not in frame:
        raise InputError(f"data: has no column {column}; there are {', '.join(frame.columns)}")
    kept = frame[frame[column].isin(list(values))]
    if kept.empty:
        there = ", ".join(sorted(frame[column].astype(str).unique())[:10])
        raise InputError(f"data: no row has {column} in {sorted(values)}; there are {there}")
    return kept.reset_index(drop=True)


def without_chinese(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows whose prompt has no Chinese character (RL62K)."""
    return frame[~frame["prompt"].str.contains(CHINESE)].reset_index(drop=True)


def deduplicated(frame: pd.DataFrame) -> pd.DataFrame:
    """The first row of every prompt, prompts compared after `normalised`."""
    return frame[~frame["prompt"].map(normalised).duplicated()].reset_index(drop=True)


def within_length(frame: pd.DataFrame, lengths: Sequence[int], limit: int) -> pd.DataFrame:
    """Rows of at most `limit` tokens; `lengths` has one number a row."""
    if len(lengths) != len(frame):
        raise InputError(f"data: {len(lengths)} lengths for {len(frame)} rows; measure them anew")
    return frame[np.asarray(lengths) <= limit].reset_index(drop=True)


def with_win_rate(
    frame: pd.DataFrame, grades: pd.DataFrame, bounds: tuple[float, float], attempts: int = ATTEMPTS
) -> pd.DataFrame:
    """Rows whose problem the reference model solves at a rate within `bounds`, ends included.

    Args:
        frame: problems, one row each.
        grades: graded attempts of the reference model: problem_id, correct (0 or 1).
        bounds: `EASY` and `HARD` are the paper's.
        attempts: how many attempts every problem must have.

    Returns:
        The rows with `win_rate` and `attempts`.

    Raises:
        InputError: a problem has another number of attempts; names it.
    """
    rates = win_rates(grades)
    rated = frame.merge(rates, on="problem_id", how="left", validate="one_to_one")
    wrong = rated[rated["attempts"] != attempts]
    if not wrong.empty:
        row = wrong.iloc[0]
        count = 0 if pd.isna(row["attempts"]) else int(row["attempts"])
        raise InputError(
            f"data: problem {row['problem_id']} has {count} attempts instead of {attempts}; let"
            " the reference model try every problem equally often"
        )
    return rated[rated["win_rate"].between(*bounds)].reset_index(drop=True)


def nearest(
    problems: Sequence[str], training: Iterable[str], embed: Embedder, block: int = 4096
) -> pd.DataFrame:
    """The most similar training prompt of every problem.

    Training prompts are embedded and compared a block at a time: a block of 4,096 by 2,157
    problems is 35 MB, whatever the number of training prompts.

    Args:
        problems: prompts of benchmarks.
        training: prompts of training data; may be a stream.
        embed: texts -> vectors, of any length but zero.
        block: training prompts at a time.

    Returns:
        One row a problem: `similarity` (cosine), `training_row` (its place among `training`).

    Raises:
        InputError: no training prompt, or a vector that has no direction.
    """
    wanted = unit_rows(embed(problems))
    best = np.full(len(problems), -np.inf, dtype=np.float32)
    place = np.full(len(problems), -1, dtype=np.int64)
    start = 0
    for texts in blocks(training, block):
        similarity = unit_rows(embed(texts)) @ wanted.T
        row = similarity.argmax(axis=0)
        value = similarity[row, np.arange(len(problems))]
        better = value > best
        best[better], place[better] = value[better], start + row[better]
        start += len(texts)
    if not start:
        raise InputError("decontamination: has no training prompts; name the training data")
    return pd.DataFrame({"similarity": best, "training_row": place})


def decontaminated(
    problems: pd.DataFrame, similarity: Sequence[float], threshold: float = SIMILAR
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Problems that are not too similar to any training prompt, and those that are.

    The paper takes them out of the benchmarks, not out of the training data.
    """
    rated = problems.assign(similarity=np.asarray(similarity))
    seen = rated["similarity"] > threshold
    return rated[~seen].reset_index(drop=True), rated[seen].reset_index(drop=True)


def matched(prompts: pd.DataFrame, experts: pd.DataFrame) -> pd.DataFrame:
    """RL prompts that have an expert trajectory, as the paper's MIX37K.

    Args:
        prompts: RL prompts: problem_id, prompt, gold.
        experts: prompt and trajectory; of a prompt with several the first counts.

    Returns:
        The RL prompts with their trajectory in `expert`; wording and gold are those of RL.

    Raises:
        InputError: no prompt is in both.
    """
    known = experts.assign(key=experts["prompt"].map(normalised)).drop_duplicates("key")
    by_prompt = known.set_index("key")["trajectory"]
    keyed = prompts.assign(expert=prompts["prompt"].map(normalised).map(by_prompt))
    kept = keyed[keyed["expert"].notna()]
    if kept.empty:
        raise InputError(
            f"data: none of {len(prompts)} RL prompts has a trajectory among {len(experts)}; check"
            " that both have the same wording (a suffix in one of them?)"
        )
    return kept.reset_index(drop=True)


def unit_rows(vectors: Floats) -> Floats:
    """Rows scaled to length one; InputError for a row without a direction."""
    values = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0))[:, 0])
    if len(bad):
        raise InputError(f"decontamination: text {bad[0]} has no embedding; check the embedder")
    scaled: Floats = values / norms
    return scaled


def blocks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of at most `size` texts."""
    iterator = iter(texts)
    while block := list(islice(iterator, size)):
        yield block
