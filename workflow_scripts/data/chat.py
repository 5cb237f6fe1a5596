r"""The one way from a problem to the tokens a model reads: in SFT, in RL and in evaluation.

A problem is a single user turn; the tokenizer's chat template is applied to it, with the
generation prompt, and the response with its end-of-sequence token follows:

    <|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n | <think>...\boxed{5}<|im_end|>

Prompt and response are tokenised apart, as the paper's trainer does. Together, a token could span
the border (`\n` and `\n` are one token of Qwen), and SFT would then train on a prompt that RL and
evaluation never show. Special tokens are in the template's text, so none are added again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from workflow_scripts.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Encoder = Callable[[str], Sequence[int]]


def prompt_text(
    tokenizer: "PreTrainedTokenizerBase", question: str, template: str | None = None
) -> str:
    """A problem in the chat template, ready for the response.

    Args:
        tokenizer: the model's.
        question: the problem, the content of the only user turn.
        template: a Jinja template that the study names instead of the tokenizer's own.

    Raises:
        InputError: there is no template: many base models have none.
    """
    if template is None and not tokenizer.chat_template:
        raise InputError(
            f"tokenizer {tokenizer.name_or_path or 'in memory'}: has no chat template; name one in"
            " the study, the same for SFT, RL and evaluation"
        )
    turns = [{"role": "user", "content": question}]
    rendered: str = tokenizer.apply_chat_template(
        turns, chat_template=template, add_generation_prompt=True, tokenize=False
    )
    if question.strip() not in rendered:
        raise InputError(
            f"chat template: does not show the problem {question[:60]!r} as it is; correct it"
        )
    return rendered


def prompt_ids(
    tokenizer: "PreTrainedTokenizerBase", question: str, template: str | None = None
) -> list[int]:
    """The token ids of `prompt_text`; what RL and evaluation must give the model.

    Raises:
        InputError: no template, or the tokenizer makes nothing of the text.
    """
    text = prompt_text(tokenizer, question, template)
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    # A tokenizer loaded as the wrong class may return nothing, and training then learns nothing.
    if not ids:
        raise InputError("tokenizer: makes no tokens of a prompt; check how it is loaded")
    return ids


def response_ids(tokenizer: "PreTrainedTokenizerBase", response: str) -> list[int]:
    """The token ids of a response, ended by end-of-sequence."""
    if tokenizer.eos_token_id is None:
        raise InputError("tokenizer: has no end-of-sequence token; set one")
    ids = list(tokenizer(response, add_special_tokens=False)["input_ids"])
    return ids if ids[-1:] == [tokenizer.eos_token_id] else [*ids, tokenizer.eos_token_id]


def training_example(
    tokenizer: "PreTrainedTokenizerBase",
    question: str,
    response: str,
    max_length: int | None = None,
    template: str | None = None,
) -> dict[str, list[int]]:
    """An SFT example, already tokenised: TRL's SFTTrainer takes it as it is.

    Returns:
        `input_ids`, and `completion_mask` with 1 for the tokens that are learnt. Both are cut at
        the right to `max_length` tokens, as in the paper; the end of a longer trajectory is lost.
    """
    prompt = prompt_ids(tokenizer, question, template)
    response_tokens = response_ids(tokenizer, response)
    mask = [0] * len(prompt) + [1] * len(response_tokens)
    return {
        "input_ids": [*prompt, *response_tokens][:max_length],
        "completion_mask": mask[:max_length],
    }


def prompt_of(example: Mapping[str, Sequence[int]]) -> list[int]:
    """The tokens of an SFT example that are not learnt: its prompt."""
    pairs = zip(example["input_ids"], example["completion_mask"], strict=True)
    return [token for token, learnt in pairs if not learnt]


def check_same_prompt(
    tokenizer: "PreTrainedTokenizerBase",
    questions: Iterable[str],
    stages: Mapping[str, Encoder],
    template: str | None = None,
) -> None:
    """Make sure that every stage shows the model the same tokens for the same problem.

    Args:
        tokenizer: the model's.
        questions: problems to try, a few of each data set.
        stages: name -> how that stage turns a problem into prompt tokens.
        template: as in `prompt_text`.

    Raises:
        InputError: names the stage and the first token that differs.
    """
    for question in questions:
        expected = prompt_ids(tokenizer, question, template)
        for stage, encode in stages.items():
            found = list(encode(question))
            if found == expected:
                continue
            place = first_difference(expected, found)
            shown = [tokenizer.decode(ids[place : place + 3]) for ids in (found, expected)]
            raise InputError(
                f"{stage}: shows the model another prompt than the chat template for"
                f" {question[:40]!r}: token {place} begins {shown[0]!r} instead of {shown[1]!r};"
                " make its prompts with workflow_scripts.data.chat.prompt_ids"
            )


def first_difference(left: Sequence[int], right: Sequence[int]) -> int:
    """The first place at which two sequences differ, be it that one ends."""
    pairs = zip(left, right, strict=False)
    same = (place for place, (a, b) in enumerate(pairs) if a != b)
    return next(same, min(len(left), len(right)))
