"""Sampling answers: one interface, transformers on any device or vLLM on a GPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workflow_scripts.study.execution import Execution
from workflow_scripts.study.schema import Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


# Neighbouring steps have neighbouring seeds; prompts of one step must not reuse those of the next.
SEED_STRIDE = 1_000_003


@dataclass(frozen=True)
class Answer:
    """One sampled answer: text without special tokens, its length, and whether it ended itself."""

    text: str
    tokens: int
    finished: bool


class Engine(Protocol):
    """Samples one answer per prompt, in the order of the prompts."""

    def sample(self, prompts: Sequence[str], settings: Sampling, seed: int) -> list[Answer]:
        """Sample with the study's temperature and token limit; equal seeds give equal answers."""
        ...


class TransformersEngine:
    """`model.generate` in batches of similar prompt length.

    The process-wide random state is put back afterwards: evaluating in the middle of training
    must not change the training that follows.
    """

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
        self.model = model
        self.tokenizer = tokenizer

    def sample(self, prompts: Sequence[str], settings: Sampling, seed: int) -> list[Answer]:
        """See `Engine`."""
        import torch

        order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
        answers: dict[int, Answer] = {}
        training = self.model.training
        self.model.eval()
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            torch.manual_seed(seed)
            for start in range(0, len(order), settings.batch_size):
                batch = order[start : start + settings.batch_size]
                texts = [prompts[i] for i in batch]
                answers.update(zip(batch, self._batch(texts, settings), strict=True))
        self.model.train(training)
        return [answers[i] for i in range(len(prompts))]

    def _batch(self, prompts: list[str], settings: Sampling) -> list[Answer]:
        """Sample one batch."""
        encoded = self.tokenizer(prompts, return_tensors="pt", padding=True).to(self.model.device)
        output = self.model.generate(
            input_ids=encoded["input_ids"],
            attention_mask=encoded["attention_mask"],
            max_new_tokens=settings.max_new_tokens,
            do_sample=True,
            temperature=settings.temperature,
            top_k=0,
            top_p=1.0,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
        )
        rows = output[:, encoded["input_ids"].shape[1] :].tolist()
        return [self._answer(row) for row in rows]

    def _answer(self, row: list[int]) -> Answer:
        """Cut a row of token ids at its end-of-sequence token."""
        end = self.tokenizer.eos_token_id
        finished = end in row
        kept = row[: row.index(end)] if finished else row
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        return Answer(text, len(kept) + finished, finished)


class VllmEngine:
    """vLLM, either an engine of its own or the one a trainer already holds."""

    def __init__(self, llm: Any) -> None:
        self.llm = llm

    def sample(self, prompts: Sequence[str], settings: Sampling, seed: int) -> list[Answer]:
        """See `Engine`; every prompt has its own seed, so batching does not matter."""
        from vllm import SamplingParams

        parameters = [
            SamplingParams(
                temperature=settings.temperature,
                top_p=1.0,
                max_tokens=settings.max_new_tokens,
                seed=seed * SEED_STRIDE + index,
            )
            for index in range(len(prompts))
        ]
        outputs = self.llm.generate(list(prompts), parameters, use_tqdm=False)
        first = [output.outputs[0] for output in outputs]
        return [Answer(o.text, len(o.token_ids), o.finish_reason == "stop") for o in first]


def load_engine(folder: Path, execution: Execution) -> Engine:
    """The engine that the study's `execution` asks for, holding the checkpoint in `folder`."""
    if execution.generation.vllm is not None:
        from vllm import LLM

        return VllmEngine(LLM(model=str(folder), dtype=execution.dtype))
    from workflow_scripts.data.tokenizer import load_tokenizer
    from workflow_scripts.training.models import load_model

    return TransformersEngine(load_model(folder, execution), load_tokenizer(folder))
