"""Evaluation in the middle of RL: the benchmarks are answered by the model as it is.

Every process answers a part of the rows, and the main process puts the parts together. vLLM draws
an answer by the seed of its row, so how many processes there are changes nothing but last digits
of the logits. Transformers draws a batch's answers together: another number of processes, other
answers of the same distribution.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from transformers import TrainerCallback

from retu.config.execution import VllmSettings
from retu.config.study import Sampling
from retu.core.errors import InputError
from retu.core.tables import read_table, write_parquet
from retu.evaluation.engines import Engine, TransformersEngine, VllmEngine
from retu.evaluation.generations import (
    SEED_STRIDE,
    SampledGeneration,
    list_end_ids,
    make_generation,
)
from retu.evaluation.sampling import sample_generations
from retu.runtime.processes import get_rank, get_world_size, is_main_process, wait_for_everyone

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class EvaluationShare:
    """A process's part of the rows: part `index` of `of`; `writes` if no other stores the same."""

    index: int
    of: int
    writes: bool

    def take_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of this part, dealt out: benchmarks lie together, and some have long answers."""
        return table.iloc[self.index :: self.of].reset_index(drop=True)


def assign_share(vllm: VllmSettings | None, process: int, processes: int) -> EvaluationShare:
    """Which part a process answers.

    Processes whose vLLM is one engine answer the same rows; a server answers to one process alone.
    """
    if vllm is None:
        return EvaluationShare(process, processes, writes=True)
    if vllm.mode == "server":
        return EvaluationShare(0, 1, writes=process == 0)
    group, index = divmod(process, vllm.tensor_parallel)
    return EvaluationShare(group, processes // vllm.tensor_parallel, writes=index == 0)


@dataclass(frozen=True)
class InlineEvaluation:
    """The problems to evaluate on, and the folder that keeps the generations until the run ends."""

    attempts: pd.DataFrame
    sampling: Sampling
    vllm: VllmSettings | None
    state: Path

    def get_path(self, step: int) -> Path:
        """The answers of the model at a step."""
        return get_answers_path(self.state, step)

    def read_answers(self, steps: Sequence[int]) -> pd.DataFrame:
        """The answers at some steps, one step after the other."""
        return pd.concat([read_table(self.get_path(step)) for step in steps], ignore_index=True)

    def get_part_path(self, step: int, index: int) -> Path:
        """A process's part of them."""
        return self.get_path(step).with_suffix(f".part-{index}.parquet")


def get_answers_path(state: Path, step: int) -> Path:
    """Where a training state has the answers of the model at a step."""
    return state / "generations" / f"step-{step:06d}.parquet"


class InlineEvaluationCallback(TrainerCallback):
    """Answer at the given steps, before the trainer saves: a saved step has its answers."""

    def __init__(self, evaluation: InlineEvaluation, steps: Sequence[int]) -> None:
        self.evaluation = evaluation
        self.steps = frozenset(steps)
        self.trainer: Any = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Answer if it is time."""
        if state.global_step in self.steps and self.trainer is not None:
            generate_inline(self.evaluation, self.trainer, state.global_step)


def generate_inline(evaluation: InlineEvaluation, trainer: Any, step: int) -> None:
    """Answer all rows and store the table; every process must call this."""
    share = assign_share(evaluation.vllm, get_rank(), get_world_size())
    mine = share.take_rows(evaluation.attempts)
    with open_trainer_engine(trainer, evaluation.vllm) as engine:
        if len(mine) and engine is not None:
            rows = sample_generations(
                engine, mine, step, evaluation.sampling, share.index, share.of
            )
            if share.writes:
                write_parquet(rows, evaluation.get_part_path(step, share.index))
    wait_for_everyone()
    if is_main_process():
        join_parts(evaluation, step, share.of)


def join_parts(evaluation: InlineEvaluation, step: int, of: int) -> None:
    """Join the generations of all processes into one table, in row order.

    Raises:
        InputError: some are not there.
    """
    paths = [evaluation.get_part_path(step, index) for index in range(of)]
    parts = {index: read_table(path) for index, path in enumerate(paths) if path.is_file()}
    rows = len(evaluation.attempts)
    there = sum(map(len, parts.values()))
    if there != rows:
        raise InputError(
            f"{evaluation.get_path(step)}: {there} of {rows} answers are there; keep .state/"
            " (RETU_STATE) on a disk that all nodes see at once, and start again"
        )
    placed = [part.set_axis(range(index, rows, of)) for index, part in parts.items()]
    write_parquet(pd.concat(placed).sort_index(ignore_index=True), evaluation.get_path(step))
    for index in parts:
        paths[index].unlink()


@contextmanager
def open_trainer_engine(trainer: Any, vllm: VllmSettings | None) -> Iterator[Engine | None]:
    """An engine with the trainer's weights; None where another process queries the server."""
    tokenizer = trainer.processing_class
    if vllm is None:
        with gather_whole_model(trainer) as model:
            yield TransformersEngine(model, tokenizer)
        return
    generation = trainer.vllm_generation
    generation.sync_weights()
    ends = trainer.eos_token_ids
    if vllm.mode == "colocate":
        yield VllmEngine(generation.llm, tokenizer, ends)
    else:
        yield ServerEngine(generation.vllm_client, tokenizer, ends) if is_main_process() else None


@contextmanager
def gather_whole_model(trainer: Any) -> Iterator[Any]:
    """The model with all of its weights, which ZeRO's stage 3 keeps in parts otherwise."""
    from trl.models import unwrap_model_for_generation

    with unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator) as model:
        # Every process has all weights now and rows of its own: none must wait for the others.
        model.generate = functools.partial(model.generate, synced_gpus=False)
        try:
            yield model
        finally:
            del model.generate


class ServerEngine:
    """A vLLM server that holds the trainer's weights.

    A request has one seed, so the answers to a repeated prompt are asked for one after the other.

    Args:
        client: TRL's client of the server.
        tokenizer: the model's.
        declared_ends: `eos_token_id` of the checkpoint's generation config.
    """

    def __init__(
        self, client: Any, tokenizer: "PreTrainedTokenizerBase", declared_ends: Sequence[int]
    ) -> None:
        self.client = client
        self.tokenizer = tokenizer
        self.ends = list_end_ids(tokenizer, declared_ends)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Sampling,
        seed: int,
        first: int = 0,
        every: int = 1,
    ) -> list[SampledGeneration]:
        """See `Engine`."""
        answers: dict[int, SampledGeneration] = {}
        for turn, indices in enumerate(group_repeated_prompts(prompts)):
            made = self.client.generate(
                [list(prompts[index]) for index in indices],
                temperature=settings.temperature,
                max_tokens=settings.max_new_tokens,
                generation_kwargs={
                    "seed": seed * SEED_STRIDE + first + turn * every,
                    "stop_token_ids": self.ends,
                },
            )
            rows = zip(indices, made["completion_ids"], made["logprobs"], strict=True)
            for index, ids, log_probs in rows:
                sampled = [token[0] for token in log_probs]
                answers[index] = make_generation(self.tokenizer, ids, sampled, self.ends)
        return [answers[index] for index in range(len(prompts))]

    def close(self) -> None:
        """See `Engine`: the server belongs to the trainer."""


def group_repeated_prompts(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Indices of prompts by repetition: all first occurrences, all second ones, and so on."""
    seen: dict[tuple[int, ...], int] = {}
    turns: list[list[int]] = []
    for index, prompt in enumerate(prompts):
        turn = seen.setdefault(tuple(prompt), 0)
        seen[tuple(prompt)] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(index)
    return turns
