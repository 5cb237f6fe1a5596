"""What every engine takes and gives: prompts as token ids, answers as token ids and text."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from retu.config.study import Sampling
from retu.core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Neighbouring steps have neighbouring seeds; prompts of one step must not reuse those of the next.
SEED_STRIDE = 1_000_003

FinishReason = Literal["stop", "length"]
"""`stop`: the model ended its answer. `length`: the limit of tokens did."""


@dataclass(frozen=True)
class SampledGeneration:
    """One sampled answer.

    text: without special tokens.
    token_ids: as sampled, the token that ended the answer included.
    log_probs: of these tokens, in nats, under the distribution they were drawn from, which has the
        temperature in it. Greedy answers have the model's own distribution.
    finish_reason: why the answer is over.
    """

    text: str
    token_ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    finish_reason: FinishReason

    @property
    def is_finished(self) -> bool:
        """Whether the model ended the answer itself."""
        return self.finish_reason == "stop"

    @property
    def mean_log_prob(self) -> float:
        """Mean log-probability of a token."""
        return sum(self.log_probs) / len(self.log_probs)


class Engine(Protocol):
    """Samples one answer per prompt, in the order of the prompts."""

    @property
    def tokenizer(self) -> "PreTrainedTokenizerBase":
        """The model's, with which prompts are to be encoded (`retu.data.chat.encode_prompt`)."""
        ...

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Sampling,
        seed: int,
        first: int = 0,
        every: int = 1,
    ) -> list[SampledGeneration]:
        """Sample with the study's temperature (0: greedily) and token limit.

        Args:
            prompts: token ids.
            settings: how to sample.
            seed: equal seeds give equal answers.
            first: the first prompt's place among all that share the seed.
            every: how far apart their places are.

        Raises:
            InputError: a prompt and its answer may be longer than the model allows.
        """
        ...

    def close(self) -> None:
        """Free the engine's memory; it cannot sample afterwards."""
        ...


def make_generation(
    tokenizer: "PreTrainedTokenizerBase",
    token_ids: Sequence[int],
    log_probs: Sequence[float],
    ends: Collection[int],
) -> SampledGeneration:
    """An answer from what was sampled, cut behind the first token at which it is over.

    Args:
        tokenizer: turns tokens into text.
        token_ids: sampled tokens, possibly with padding behind the end.
        log_probs: one a token.
        ends: tokens that end an answer.
    """
    return make_generations(tokenizer, [(token_ids, log_probs)], ends)[0]


def make_generations(
    tokenizer: "PreTrainedTokenizerBase",
    sampled: Sequence[tuple[Sequence[int], Sequence[float]]],
    ends: Collection[int],
) -> list[SampledGeneration]:
    """Answers from pairs of what `make_generation` takes, in one call of the tokenizer."""
    lengths = [
        next((i for i, token in enumerate(token_ids, start=1) if token in ends), None)
        for token_ids, _ in sampled
    ]
    kept = [tuple(ids[:length]) for (ids, _), length in zip(sampled, lengths, strict=True)]
    words = [
        list(ids) if length is None else list(ids[:-1])
        for ids, length in zip(kept, lengths, strict=True)
    ]
    texts = tokenizer.batch_decode(words, skip_special_tokens=True)
    return [
        SampledGeneration(
            text, ids, tuple(log_probs[: len(ids)]), "length" if length is None else "stop"
        )
        for text, ids, (_, log_probs), length in zip(texts, kept, sampled, lengths, strict=True)
    ]


def list_end_ids(
    tokenizer: "PreTrainedTokenizerBase", declared: int | Sequence[int] | None
) -> list[int]:
    """The tokens that end an answer: the tokenizer's, then those of the generation config.

    Args:
        tokenizer: the model's.
        declared: `eos_token_id` of the checkpoint's generation config, which may list several.
    """
    from retu.data.chat import list_stop_ids

    more = [declared] if isinstance(declared, int) else list(declared or ())
    return list(dict.fromkeys([*list_stop_ids(tokenizer), *more]))


def check_prompt_lengths(prompts: Sequence[Sequence[int]], settings: Sampling, limit: int) -> None:
    """Make sure that the longest prompt leaves room for the longest answer.

    Raises:
        InputError: it does not; past its limit a model writes nonsense or is cut off unasked.
    """
    longest = max(map(len, prompts), default=0)
    if longest + settings.max_new_tokens > limit:
        raise InputError(
            f"study: max_new_tokens: {settings.max_new_tokens} tokens after a prompt of {longest}"
            f" are more than the {limit} that the model (or vllm.max_length) allows; lower it"
        )
