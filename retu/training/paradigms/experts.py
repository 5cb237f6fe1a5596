"""Expert trajectories: as tokens, made once before training, of the prompts that have a usable one.

The set of the paradigm comparison, MIX37K, is made like this: RL prompts for which the SFT set has
a trajectory, without those whose trajectory exceeds the response limit (8192 tokens, appendix
C.2.1). A trajectory cut at the limit would teach never to stop, so none is ever cut.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from retu.config.planner import ExpertSettings
from retu.core.errors import InputError
from retu.training.paradigms.checks import count_correct, refuse_unscored_rows

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

COLUMN = "expert"
"""The column of trajectories: what the expert answered, as text, without the prompt."""
EXPERT_TOKENS = "expert_tokens"
"""The column that is added: token ids of the trajectory, ended by one end-of-sequence token."""
THINK = "<think>"
ROWS_AT_A_TIME = 100


@dataclass(frozen=True)
class ExpertChoice:
    """The RL prompts that are trained on.

    Attributes:
        rows: their indices in the set of prompts, increasing.
        missing: prompts left out for want of a trajectory.
        too_long: prompts left out because their trajectory exceeds the limit.
    """

    rows: tuple[int, ...]
    missing: int
    too_long: int


def add_expert_tokens(
    dataset: "Dataset",
    tokenizer: "PreTrainedTokenizerBase",
    ends: Collection[int],
    limit: int,
    settings: ExpertSettings,
    template: Mapping[str, Any],
    where: str,
) -> tuple["Dataset", ExpertChoice]:
    """Add the tokens of the trajectories; leave prompts out whose own cannot be trained on.

    Args:
        dataset: columns `prompt` and `expert`.
        tokenizer, template: the policy's, and options of its chat template for conversations.
        ends: ids of all end-of-sequence tokens.
        limit: longest completion in tokens, its end included.
        settings: what happens to a trajectory that is missing or too long.
        where: the start of an error message.

    Raises:
        InputError: there is no such column, or as `choose_prompts`.
    """
    if COLUMN not in dataset.column_names:
        raise InputError(
            f"{where}: has no column {COLUMN}, which this paradigm needs; add the expert's answer"
            " to every prompt"
        )
    texts: list[str | None] = list(dataset[COLUMN])
    opened = any(has_open_thought(prompt, tokenizer, template) for prompt in dataset["prompt"][:1])
    encoded = encode_texts([strip_opening_tag(text or "", opened) for text in texts], tokenizer)
    tokens = [
        end_with_eos(ids, tokenizer.eos_token_id, ends, f"{where}: row {row}")
        for row, ids in enumerate(encoded)
    ]
    # A text of nothing but an end token is as empty as no text.
    pairs = zip(texts, tokens, strict=True)
    shown = [text if text is None or len(ids) > 1 else "" for text, ids in pairs]
    choice = choose_prompts(shown, [len(ids) for ids in tokens], limit, settings, where)
    kept = dataset.select(choice.rows)
    return kept.add_column(EXPERT_TOKENS, [tokens[row] for row in choice.rows]), choice


def encode_texts(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> Iterator[list[int]]:
    """The tokens of texts as they stand, made some rows at a time."""
    for first in range(0, len(texts), ROWS_AT_A_TIME):
        batch = texts[first : first + ROWS_AT_A_TIME]
        yield from tokenizer(batch, add_special_tokens=False)["input_ids"]


def end_with_eos(
    ids: list[int], end: int, ends: Collection[int], where: str
) -> "np.ndarray[Any, Any]":
    """Tokens that end in one end-of-sequence token, however many they came with, (length,) int32.

    Raises:
        InputError: one of them stands in the middle, where generation would have stopped.
    """
    length = len(ids)
    while length and ids[length - 1] in ends:
        length -= 1
    if any(token in ends for token in ids[:length]):
        raise InputError(
            f"{where}: the expert trajectory has an end-of-sequence token before its end; remove it"
        )
    # Python's numbers would take ten times the memory, in every process.
    return np.array([*ids[:length], end], dtype=np.int32)


def has_open_thought(
    prompt: Any, tokenizer: "PreTrainedTokenizerBase", template: Mapping[str, Any]
) -> bool:
    """Whether generation starts inside a thought, because the prompt's last word opens it."""
    if not isinstance(prompt, str):
        prompt = tokenizer.apply_chat_template(
            prompt, add_generation_prompt=True, tokenize=False, **template
        )
    return bool(prompt.rstrip().endswith(THINK))


def strip_opening_tag(text: str, opened: bool) -> str:
    """The text without the tag that opens its thought, if the prompt has already opened it."""
    start = text.lstrip()
    return start.removeprefix(THINK) if opened and start.startswith(THINK) else text


def choose_prompts(
    trajectories: Sequence[str | None],
    tokens: Sequence[int],
    limit: int,
    settings: ExpertSettings,
    where: str,
) -> ExpertChoice:
    """Keep the prompts whose expert trajectory can be trained on.

    Args:
        trajectories: the expert's text for each prompt; None where there is none.
        tokens: its length with the end-of-sequence token; any number where there is none.
        limit: longest response in tokens.
        settings: what happens to a prompt without a trajectory or with one above the limit.
        where: the file of the prompts, the start of an error message.

    Raises:
        InputError: a trajectory is empty; one is missing or too long and the settings say `error`;
            or no prompt is left.
    """
    kept: list[int] = []
    missing = too_long = 0
    for row, (text, length) in enumerate(zip(trajectories, tokens, strict=True)):
        if text is not None and not text.strip():
            raise InputError(
                f"{where}: row {row}: the expert trajectory is empty; remove the row or write one"
            )
        if text is not None and length <= limit:
            kept.append(row)
            continue
        refuse_row(settings, None if text is None else length, limit, f"{where}: row {row}")
        missing, too_long = missing + (text is None), too_long + (text is not None)
    if not kept:
        raise InputError(
            f"{where}: no prompt is left ({missing} without expert trajectory, {too_long} with one"
            f" above {limit} tokens); give trajectories of these prompts or raise the limit"
        )
    return ExpertChoice(tuple(kept), missing, too_long)


def refuse_row(settings: ExpertSettings, length: int | None, limit: int, where: str) -> None:
    """InputError unless the settings drop a prompt without a trajectory, or with one too long."""
    if length is None and settings.missing == "error":
        raise InputError(
            f"{where}: the prompt has no expert trajectory; give it one, or set experts.missing:"
            " drop to leave such prompts out"
        )
    if length is not None and settings.too_long == "error":
        raise InputError(
            f"{where}: the expert trajectory has {length} tokens, above {limit}; raise"
            " max_completion_length, or set experts.too_long: drop to leave such prompts out"
        )


def hide_expert_tokens(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the data set without the column that only the trainer knows."""
    return [{name: row[name] for name in row if name != EXPERT_TOKENS} for row in rows]


def grade_experts(
    grade: Callable[..., Tensor], tokenizer: Any, rows: Sequence[Mapping[str, Any]]
) -> Tensor:
    """What the reward functions say of the expert trajectories of some prompts.

    Args:
        grade: TRL's `_calculate_rewards`.
        tokenizer: the policy's.
        rows: of the data set; every process must give as many.

    Returns:
        (rows of all processes, functions).

    Raises:
        InputError: a function gives a trajectory no reward.
    """
    experts, prompts = [row[EXPERT_TOKENS] for row in rows], [row["prompt"] for row in rows]
    texts = tokenizer.batch_decode(experts, skip_special_tokens=True)
    if not isinstance(prompts[0], str):
        texts = [[{"role": "assistant", "content": text}] for text in texts]
    rewards = grade(hide_expert_tokens(rows), prompts, texts, experts)
    refuse_unscored_rows(rewards)
    return rewards


def check_experts(
    grade: Callable[[list[Mapping[str, Any]]], Tensor],
    dataset: "Dataset",
    settings: ExpertSettings,
    accelerator: Any,
) -> None:
    """Grade all expert trajectories if the settings ask how many of them are right.

    Args:
        grade: from rows of the data set to what `grade_experts` returns of them.
        dataset: with the column of tokens.
        settings: with the smallest share that must be right.
        accelerator: says which part of the rows this process takes.

    Raises:
        InputError: as `check_success_rate`.
    """
    if not settings.min_success_rate:
        return
    rows, processes = len(dataset), accelerator.num_processes
    size = min(ROWS_AT_A_TIME, math.ceil(rows / processes))
    graded = []
    for start in range(0, rows, size * processes):
        first = start + size * accelerator.process_index
        # The last part is filled up with rows from the start, which are not counted twice.
        graded.append(grade([dataset[index % rows] for index in range(first, first + size)])[:, 0])
    check_success_rate(torch.cat(graded)[:rows].tolist(), settings, "train_dataset")


def check_success_rate(rewards: Sequence[float], settings: ExpertSettings, where: str) -> float:
    """Share of expert trajectories that the reward calls right, one reward (0 or 1) each.

    A wrong expert has a negative advantage, and the policy is pushed away from it.

    Raises:
        InputError: there is no reward, one is neither 0 nor 1, none is 1 (then the answer format
            and the reward do not fit each other), or the share is below `min_success_rate`.
    """
    if not rewards:
        raise InputError(f"{where}: holds no expert trajectory; give at least one")
    right = count_correct(rewards, f"{where}: expert trajectories")
    if right == 0:
        raise InputError(
            f"{where}: the reward calls none of {len(rewards)} expert trajectories right; compare"
            " their answer format with what the reward reads"
        )
    rate = right / len(rewards)
    if rate < settings.min_success_rate:
        raise InputError(
            f"{where}: the reward calls {right} of {len(rewards)} expert trajectories right, a"
            f" share below experts.min_success_rate, {settings.min_success_rate:g}; take better"
            " ones or lower it"
        )
    return rate
