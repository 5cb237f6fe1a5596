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

from retu.config.execution import Vllm
from retu.config.study import Sampling
from retu.core.errors import InputError
from retu.core.tables import read_table, write_parquet
from retu.evaluation.engines import Engine, TransformersEngine, VllmEngine
from retu.evaluation.generations import SEED_STRIDE, Answer, answer_ends, make_answer
from retu.evaluation.sampling import generate
from retu.runtime.processes import is_main, rank, wait_for_everyone, world_size

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Share:
    """A process's part of the rows: part `index` of `of`; `writes` if no other stores the same."""

    index: int
    of: int
    writes: bool

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of this part, dealt out: benchmarks lie together, and some have long answers."""
        return table.iloc[self.index :: self.of].reset_index(drop=True)


def share_of(vllm: Vllm | None, process: int, processes: int) -> Share:
    """Which part a process answers.

    Processes whose vLLM is one engine answer the same rows; a server answers to one process alone.
    """
    if vllm is None:
        return Share(process, processes, writes=True)
    if vllm.mode == "server":
        return Share(0, 1, writes=process == 0)
    group, place = divmod(process, vllm.tensor_parallel)
    return Share(group, processes // vllm.tensor_parallel, writes=place == 0)


@dataclass(frozen=True)
class Answering:
    """What is answered, and where answers wait until the run is over."""

    attempts: pd.DataFrame
    sampling: Sampling
    vllm: Vllm | None
    state: Path

    def path(self, step: int) -> Path:
        """The answers of the model at a step."""
        return self.state / "generations" / f"step-{step:06d}.parquet"

    def part(self, step: int, index: int) -> Path:
        """A process's part of them."""
        return self.path(step).with_suffix(f".part-{index}.parquet")


class AnswerWhileTraining(TrainerCallback):
    """Answer at the given steps, before the trainer saves: a saved step has its answers."""

    def __init__(self, answering: Answering, steps: Sequence[int]) -> None:
        self.answering = answering
        self.steps = frozenset(steps)
        self.trainer: Any = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Answer if it is time."""
        if state.global_step in self.steps and self.trainer is not None:
            answer(self.answering, self.trainer, state.global_step)


def answer(answering: Answering, trainer: Any, step: int) -> None:
    """Answer all rows and store the table; every process must call this."""
    share = share_of(answering.vllm, rank(), world_size())
    mine = share.rows(answering.attempts)
    with engine_of(trainer, answering.vllm) as engine:
        if len(mine) and engine is not None:
            rows = generate(engine, mine, step, answering.sampling, share.index, share.of)
            if share.writes:
                write_parquet(rows, answering.part(step, share.index))
    wait_for_everyone()
    if is_main():
        join_parts(answering, step, share.of)


def join_parts(answering: Answering, step: int, of: int) -> None:
    """Put the parts of all processes together, in the order of the rows.

    Raises:
        InputError: some are not there.
    """
    paths = [answering.part(step, index) for index in range(of)]
    parts = {index: read_table(path) for index, path in enumerate(paths) if path.is_file()}
    rows = len(answering.attempts)
    there = sum(map(len, parts.values()))
    if there != rows:
        raise InputError(
            f"{answering.path(step)}: {there} of {rows} answers are there; keep .state/"
            " (RETU_STATE) on a disk that all nodes see at once, and start again"
        )
    placed = [part.set_axis(range(index, rows, of)) for index, part in parts.items()]
    write_parquet(pd.concat(placed).sort_index(ignore_index=True), answering.path(step))
    for index in parts:
        paths[index].unlink()


@contextmanager
def engine_of(trainer: Any, vllm: Vllm | None) -> Iterator[Engine | None]:
    """The engine that holds the trainer's weights; None where another process asks the server."""
    tokenizer = trainer.processing_class
    if vllm is None:
        with whole_model(trainer) as model:
            yield TransformersEngine(model, tokenizer)
        return
    generation = trainer.vllm_generation
    generation.sync_weights()
    ends = trainer.eos_token_ids
    if vllm.mode == "colocate":
        yield VllmEngine(generation.llm, tokenizer, ends)
    else:
        yield ServerEngine(generation.vllm_client, tokenizer, ends) if is_main() else None


@contextmanager
def whole_model(trainer: Any) -> Iterator[Any]:
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
        self.ends = answer_ends(tokenizer, declared_ends)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Sampling,
        seed: int,
        first: int = 0,
        every: int = 1,
    ) -> list[Answer]:
        """See `Engine`."""
        answers: dict[int, Answer] = {}
        for turn, places in enumerate(repeats(prompts)):
            made = self.client.generate(
                [list(prompts[place]) for place in places],
                temperature=settings.temperature,
                max_tokens=settings.max_new_tokens,
                generation_kwargs={
                    "seed": seed * SEED_STRIDE + first + turn * every,
                    "stop_token_ids": self.ends,
                },
            )
            rows = zip(places, made["completion_ids"], made["logprobs"], strict=True)
            for place, ids, log_probs in rows:
                sampled = [token[0] for token in log_probs]
                answers[place] = make_answer(self.tokenizer, ids, sampled, self.ends)
        return [answers[place] for place in range(len(prompts))]

    def close(self) -> None:
        """See `Engine`: the server belongs to the trainer."""


def repeats(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """The places of all first occurrences of a prompt, of all second ones, and so on."""
    seen: dict[tuple[int, ...], int] = {}
    turns: list[list[int]] = []
    for place, prompt in enumerate(prompts):
        turn = seen.setdefault(tuple(prompt), 0)
        seen[tuple(prompt)] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(place)
    return turns
