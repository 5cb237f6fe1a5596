"""Expert trajectories as tokens, made once before training."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from retu.config.planner import ExpertSettings
from retu.core.errors import InputError
from retu.training.paradigms.expert_choice import ExpertChoice, choose_prompts

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

COLUMN = "expert"
"""The column of trajectories: what the expert answered, as text, without the prompt."""
EXPERT_TOKENS = "expert_tokens"
"""The column that is added: token ids of the trajectory, ended by one end-of-sequence token."""
THINK = "<think>"
ROWS_AT_A_TIME = 100


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
        tokenizer: the policy's.
        ends: ids of all end-of-sequence tokens.
        limit: longest completion in tokens, its end included.
        settings: what happens to a trajectory that is missing or too long.
        template: options of the chat template, for prompts that are conversations.
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
    # Python's numbers would take ten times the memory, in every process.
    tokens = [
        np.array(
            end_with_eos(ids, tokenizer.eos_token_id, ends, f"{where}: row {row}"), dtype=np.int32
        )
        for row, ids in enumerate(encoded)
    ]
    # A text of nothing but an end token is as empty as no text.
    shown = [
        text if text is None or len(ids) > 1 else ""
        for text, ids in zip(texts, tokens, strict=True)
    ]
    choice = choose_prompts(shown, [len(ids) for ids in tokens], limit, settings, where)
    kept = dataset.select(choice.rows)
    return kept.add_column(EXPERT_TOKENS, [tokens[row] for row in choice.rows]), choice


def encode_texts(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> Iterator[list[int]]:
    """The tokens of texts as they stand, made some rows at a time."""
    for first in range(0, len(texts), ROWS_AT_A_TIME):
        batch = texts[first : first + ROWS_AT_A_TIME]
        yield from tokenizer(batch, add_special_tokens=False)["input_ids"]


def end_with_eos(ids: list[int], end: int, ends: Collection[int], where: str) -> list[int]:
    """Tokens that end in one end-of-sequence token, however many they came with.

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
    return [*ids[:length], end]


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
