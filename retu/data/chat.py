r"""The one way from a problem to the tokens a model reads: in SFT, in RL and in evaluation.

A problem is a single user turn; the tokenizer's chat template is applied to it, with the
generation prompt, and the response with its end-of-sequence token follows:

    <|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n | <think>...\boxed{5}<|endoftext|>

Prompt and response are tokenised apart, as the paper's trainer does. Together, a token could span
the border (`\n` and `\n` are one token of Qwen), and SFT would then train on a prompt that RL and
evaluation never show. Special tokens are in the template's text, so none are added again.

A tokenizer without a template (the lab's) reads the problem as plain text, which RL and evaluation
then do, too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from retu.core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Encoder = Callable[[str], Sequence[int]]
Turns = list[dict[str, str]]

ANSWER = "7 x 6 = 42"
"""A placeholder response, used to see what a chat template writes after a response."""


def render_prompt(
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
    rendered: str = tokenizer.apply_chat_template(
        make_user_turn(question), chat_template=template, add_generation_prompt=True, tokenize=False
    )
    if question.strip() not in rendered:
        raise InputError(
            f"chat template: does not show the problem {question[:60]!r} as it is; correct it"
        )
    return rendered


def tokenize_chat_prompt(
    tokenizer: "PreTrainedTokenizerBase", question: str, template: str | None = None
) -> list[int]:
    """The token ids of `render_prompt`; what RL and evaluation must give the model.

    Raises:
        InputError: no template, or the tokenizer makes nothing of the text.
    """
    text = render_prompt(tokenizer, question, template)
    return refuse_no_tokens(list(tokenizer(text, add_special_tokens=False)["input_ids"]))


def refuse_no_tokens(ids: list[int]) -> list[int]:
    """The tokens of a prompt; InputError if there are none.

    A tokenizer loaded as the wrong class may return nothing, and training then learns nothing.
    """
    if not ids:
        raise InputError("tokenizer: makes no tokens of a prompt; check how it is loaded")
    return ids


def encode_prompt(tokenizer: "PreTrainedTokenizerBase", question: str) -> list[int]:
    """Encode a problem as the prompt token ids that SFT, RL and evaluation all use.

    In the tokenizer's chat template if it has one, else as plain text, with the special tokens
    that the tokenizer puts before a text.

    Raises:
        InputError: the template hides the problem, or the tokenizer makes nothing of the text.
    """
    return encode_prompts(tokenizer, [question])[0]


def encode_prompts(
    tokenizer: "PreTrainedTokenizerBase", questions: Sequence[str]
) -> list[list[int]]:
    """The tokens of `encode_prompt` of many problems, in a call of the tokenizer."""
    if not questions:  # of which a tokenizer makes an IndexError
        return []
    if tokenizer.chat_template:
        texts = [render_prompt(tokenizer, question) for question in questions]
        made = tokenizer(texts, add_special_tokens=False)["input_ids"]
    else:
        made = tokenizer(list(questions))["input_ids"]
    return [refuse_no_tokens(list(ids)) for ids in made]


def make_user_turn(question: str) -> Turns:
    """A problem as the only turn of a conversation."""
    return [{"role": "user", "content": question}]


def make_rl_prompt(tokenizer: "PreTrainedTokenizerBase", question: str) -> str | Turns:
    """A problem in the form of which TRL's RL trainer makes the tokens of `encode_prompt`."""
    return make_user_turn(question) if tokenizer.chat_template else question


def encode_rl_prompt(tokenizer: "PreTrainedTokenizerBase", question: str) -> list[int]:
    """The token ids that transformers makes of `make_rl_prompt`; RL's trainer asks it for them."""
    if not tokenizer.chat_template:
        return list(tokenizer(text=[question])["input_ids"][0])
    made = tokenizer.apply_chat_template(
        [make_user_turn(question)], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    return list(made["input_ids"][0])


def list_stop_ids(tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The token ids at which an answer is over, end-of-sequence first.

    Some templates end a turn by another token than end-of-sequence (`<|im_end|>` of Qwen's base
    models, whose tokenizer ends a text by `<|endoftext|>`): after it a model would go on with a
    next turn of its own.
    """
    if tokenizer.eos_token_id is None:
        raise InputError("tokenizer: has no end-of-sequence token; set one")
    ends = [int(tokenizer.eos_token_id)]
    if tokenizer.chat_template:
        turns = [*make_user_turn("6 x 7?"), {"role": "assistant", "content": ANSWER}]
        rendered: str = tokenizer.apply_chat_template(turns, tokenize=False)
        _, found, rest = rendered.rpartition(ANSWER)
        rest = rest.lstrip() if found else ""
        first = tokenizer(rest, add_special_tokens=False)["input_ids"][:1] if rest else []
        ends += [
            token for token in first if is_special_token(tokenizer, token) and token not in ends
        ]
    return ends


def is_special_token(tokenizer: "PreTrainedTokenizerBase", token: int) -> bool:
    """Whether a token is no part of any text."""
    added = tokenizer.added_tokens_decoder.get(token)
    return token in tokenizer.all_special_ids or (added is not None and bool(added.special))


def encode_response(tokenizer: "PreTrainedTokenizerBase", response: str) -> list[int]:
    """The token ids of a response, ended by end-of-sequence."""
    return encode_responses(tokenizer, [response])[0]


def encode_responses(
    tokenizer: "PreTrainedTokenizerBase", responses: Sequence[str]
) -> list[list[int]]:
    """The token ids of responses, each ended by end-of-sequence."""
    end = tokenizer.eos_token_id
    if end is None:
        raise InputError("tokenizer: has no end-of-sequence token; set one")
    if not responses:
        return []
    made = map(list, tokenizer(list(responses), add_special_tokens=False)["input_ids"])
    return [ids if ids[-1:] == [end] else [*ids, int(end)] for ids in made]


def encode_example(
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
    if template is None:
        prompt = encode_prompt(tokenizer, question)
    else:
        prompt = tokenize_chat_prompt(tokenizer, question, template)
    return join_example(prompt, encode_response(tokenizer, response), max_length)


def encode_examples(
    tokenizer: "PreTrainedTokenizerBase", questions: Sequence[str], responses: Sequence[str]
) -> list[dict[str, list[int]]]:
    """Whole examples of `encode_example`, in two calls of the tokenizer."""
    pairs = zip(
        encode_prompts(tokenizer, questions), encode_responses(tokenizer, responses), strict=True
    )
    return [join_example(*pair) for pair in pairs]


def join_example(
    prompt: list[int], response: list[int], max_length: int | None = None
) -> dict[str, list[int]]:
    """The columns of `encode_example` for tokens of a prompt and of its response."""
    mask = [0] * len(prompt) + [1] * len(response)
    return {
        "input_ids": [*prompt, *response][:max_length],
        "completion_mask": mask[:max_length],
    }


def get_prompt_ids(example: Mapping[str, Sequence[int]]) -> list[int]:
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
        template: as in `render_prompt`.

    Raises:
        InputError: names the stage and the first token that differs.
    """
    for question in questions:
        expected = (
            encode_prompt(tokenizer, question)
            if template is None
            else tokenize_chat_prompt(tokenizer, question, template)
        )
        for stage, encode in stages.items():
            found = list(encode(question))
            if found == expected:
                continue
            place = find_first_difference(expected, found)
            shown = [tokenizer.decode(ids[place : place + 3]) for ids in (found, expected)]
            raise InputError(
                f"{stage}: shows the model another prompt than the chat template for"
                f" {question[:40]!r}: token {place} begins {shown[0]!r} instead of {shown[1]!r};"
                " make its prompts with retu.data.chat.encode_prompt"
            )


def find_first_difference(left: Sequence[int], right: Sequence[int]) -> int:
    """The first index at which two sequences differ; a prefix differs where it ends."""
    pairs = zip(left, right, strict=False)
    same = (place for place, (a, b) in enumerate(pairs) if a != b)
    return next(same, min(len(left), len(right)))
