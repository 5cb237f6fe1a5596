"""Sampling with transformers, on any device."""

import gc
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from retu.config.study import Sampling
from retu.evaluation.generations import (
    SEED_STRIDE,
    SampledGeneration,
    check_prompt_lengths,
    list_end_ids,
    make_generations,
)
from retu.models.generation_config import suspend_sampling_settings

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Tokens whose keys and values are in memory at once: 15 GB for a 7B model with grouped heads.
BATCH_TOKENS = 2**18
# Transformers' own default is the 50 most probable tokens.
WHOLE_DISTRIBUTION = {"top_k": 0, "top_p": 1.0}


class LogProbRecorder:
    """A logits processor that changes nothing and records the log-probability of sampled tokens.

    `output_scores` would keep all steps' scores: 80 GB for one batch of long answers.
    """

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature
        self.pending: Tensor | None = None
        self.columns: list[Tensor] = []

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        """Note the token of the step before; scores (B, V) are the model's before temperature."""
        self.record_tokens(input_ids[:, -1])
        self.pending = (scores / (self.temperature or 1.0)).log_softmax(-1)
        return scores

    def record_tokens(self, tokens: "Tensor") -> None:
        """The tokens (B,) that were drawn from the distribution seen last."""
        if self.pending is not None:
            self.columns.append(self.pending.gather(-1, tokens[:, None]))

    def stack_log_probs(self, last: "Tensor") -> "Tensor":
        """Log-probabilities (B, T) of all tokens, of which `last` (B,) are the last."""
        import torch

        self.record_tokens(last)
        return torch.cat(self.columns, dim=-1)


class TransformersEngine:
    """`model.generate` in batches of similar prompt length.

    A batch has at most `batch_size` rows, and so few that prompts and longest answers are
    `BATCH_TOKENS` tokens together. Batches share the random state, so answers depend on them.

    The process-wide random state is put back afterwards: evaluating in the middle of training
    must not change the training that follows.
    """

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.ends = list_end_ids(tokenizer, model.generation_config.eos_token_id)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Sampling,
        seed: int,
        first: int = 0,
        every: int = 1,
    ) -> list[SampledGeneration]:
        """See `Engine`."""
        import torch

        check_prompt_lengths(prompts, settings, self.model.config.max_position_embeddings)
        order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
        answers: dict[int, SampledGeneration] = {}
        training = self.model.training
        self.model.eval()
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with (
            torch.random.fork_rng(devices=devices),
            torch.no_grad(),
            suspend_sampling_settings(self.model),
        ):
            torch.manual_seed(seed + first * SEED_STRIDE)
            for batch in split_into_batches(order, prompts, settings):
                texts = [prompts[i] for i in batch]
                answers.update(zip(batch, self._sample_batch(texts, settings), strict=True))
        self.model.train(training)
        return [answers[i] for i in range(len(prompts))]

    def _sample_batch(
        self, prompts: Sequence[Sequence[int]], settings: Sampling
    ) -> list[SampledGeneration]:
        """Sample one batch."""
        import torch

        from retu.evaluation.decoding import DecodingSettings, can_decode, decode_answers

        pad = self.tokenizer.pad_token_id
        pad = self.ends[0] if pad is None else pad
        if can_decode(self.model):
            how_long = (settings.max_new_tokens, settings.temperature)
            made = decode_answers(self.model, prompts, DecodingSettings(*how_long, self.ends, pad))
            return make_generations(self.tokenizer, made, self.ends)
        width = max(map(len, prompts))
        rows = [[pad] * (width - len(ids)) + list(ids) for ids in prompts]
        mask = [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]
        log_probs = LogProbRecorder(settings.temperature)
        how: dict[str, Any] = {"do_sample": False}
        if settings.temperature > 0:
            how = {"do_sample": True, "temperature": settings.temperature, **WHOLE_DISTRIBUTION}
        output = self.model.generate(
            input_ids=torch.tensor(rows, device=self.model.device),
            attention_mask=torch.tensor(mask, device=self.model.device),
            max_new_tokens=settings.max_new_tokens,
            logits_processor=[log_probs],
            pad_token_id=pad,
            eos_token_id=self.ends,
            **how,
        )
        sampled = output[:, width:].tolist()
        table = log_probs.stack_log_probs(output[:, -1]).tolist()
        return make_generations(self.tokenizer, list(zip(sampled, table, strict=True)), self.ends)

    def close(self) -> None:
        """See `Engine`."""
        import torch

        del self.model
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def split_into_batches(
    order: Sequence[int], prompts: Sequence[Sequence[int]], settings: Sampling
) -> Iterator[list[int]]:
    """Split `order`, which is by rising prompt length, into batches that fit into memory."""
    batch: list[int] = []
    for index in order:
        # The newest prompt is the longest so far, and every row is padded to its length.
        tokens = (len(batch) + 1) * (len(prompts[index]) + settings.max_new_tokens)
        if batch and (len(batch) == settings.batch_size or tokens > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
