"""The rules by which the paper's sets are made from their sources.

An alternative to downloading the released sets, and the way to make such sets from other sources:
mathematics only, deduplicated by prompt, matched with RL prompts, decontaminated by the similarity
of embeddings. (Lengths: `hub_records`; win rates: `select`.) Rows stream and keep their order.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retu.core.errors import InputError
from retu.data.source_rows import SourceRow
from retu.data.text_records import (
    PROMPT_TOKENS,
    RESPONSE_TOKENS,
    StoredRow,
    TextRecord,
    split_into_blocks,
)

SIMILAR = 0.8
"""Cosine similarity above which a problem counts as seen in training."""
BLANKS = re.compile(r"\s+")
Floats = NDArray[np.float32]
Embedder = Callable[[Sequence[str]], Floats]
"""Texts -> one row a text; the paper uses Qwen3-8B-Embedding."""


def normalise_prompt(prompt: str) -> str:
    """A prompt as it is compared: composed characters, single blanks.

    Case stays and so do superscripts: `A` and `a`, `x²` and `x2` are different mathematics.
    """
    return BLANKS.sub(" ", unicodedata.normalize("NFC", prompt)).strip()


def hash_prompt(prompt: str) -> str:
    """16 hexadecimal digits of a prompt's hash: a million prompts clash at odds of 3e-8."""
    return hashlib.sha256(normalise_prompt(prompt).encode()).hexdigest()[:16]


def filter_rows(
    rows: Iterable[SourceRow], column: str, values: Collection[str], left_out: Counter[str]
) -> Iterator[SourceRow]:
    """Rows of the given kinds; `left_out` counts the others by kind.

    Raises:
        InputError: a row does not say of which kind it is.
    """
    for row in rows:
        kind = row.get_text(column)
        if kind in values:
            yield row
        else:
            left_out[kind] += 1


def deduplicate_records(
    records: Iterable[TextRecord], left_out: Counter[str]
) -> Iterator[TextRecord]:
    """The first record of every prompt, whose hash becomes its problem_id.

    `left_out` counts the others below their source.
    """
    seen: set[str] = set()
    for record in records:
        identity = hash_prompt(record["prompt"])
        if identity in seen:
            left_out[record["source"]] += 1
            continue
        seen.add(identity)
        yield {"problem_id": identity, **record}


def join_expert_trajectories(
    experts: Iterable[StoredRow], prompts: Mapping[str, StoredRow] | None
) -> Iterator[StoredRow]:
    """Prompts that have an expert trajectory, as the paper's MIX37K, in the order of trajectories.

    Args:
        experts: prompt, gold, trajectory and lengths; of a prompt with several the first counts.
        prompts: RL prompts by `hash_prompt`, whose wording and gold are taken; None: every expert's
            prompt is one.

    Returns:
        problem_id, prompt, gold, expert, and their lengths.

    Raises:
        InputError: no prompt is in both.
    """
    seen: set[str] = set()
    for expert in experts:
        identity = hash_prompt(str(expert["prompt"]))
        if identity in seen or (prompts is not None and identity not in prompts):
            continue
        seen.add(identity)
        prompt = expert if prompts is None else prompts[identity]
        yield {
            "problem_id": identity if prompts is None else prompt["problem_id"],
            "prompt": prompt["prompt"],
            "gold": prompt["gold"],
            "expert": expert["trajectory"],
            PROMPT_TOKENS: prompt[PROMPT_TOKENS],
            RESPONSE_TOKENS: expert[RESPONSE_TOKENS],
        }
    if not seen:
        raise InputError(
            f"data: none of {len(prompts or ())} RL prompts has a trajectory; check that both"
            " have the same wording (a suffix in one of them?)"
        )


def find_nearest_prompts(
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
    wanted = scale_to_unit_length(embed(problems))
    best = np.full(len(problems), -np.inf, dtype=np.float32)
    place = np.full(len(problems), -1, dtype=np.int64)
    start = 0
    for texts in split_into_blocks(training, block):
        similarity = scale_to_unit_length(embed(texts)) @ wanted.T
        row = similarity.argmax(axis=0)
        value = similarity[row, np.arange(len(problems))]
        better = value > best
        best[better], place[better] = value[better], start + row[better]
        start += len(texts)
    if not start:
        raise InputError("decontamination: has no training prompts; name the training data")
    return pd.DataFrame({"similarity": best, "training_row": place})


def split_by_similarity(
    problems: pd.DataFrame, similarity: Sequence[float], threshold: float = SIMILAR
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Problems that are not too similar to any training prompt, and those that are.

    The paper takes them out of the benchmarks, not out of the training data.
    """
    rated = problems.assign(similarity=np.asarray(similarity))
    seen = rated["similarity"] > threshold
    return rated[~seen].reset_index(drop=True), rated[seen].reset_index(drop=True)


def scale_to_unit_length(vectors: Floats) -> Floats:
    """Rows scaled to length one; InputError for a row without a direction."""
    values = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0))[:, 0])
    if len(bad):
        raise InputError(f"decontamination: text {bad[0]} has no embedding; check the embedder")
    scaled: Floats = values / norms
    return scaled
