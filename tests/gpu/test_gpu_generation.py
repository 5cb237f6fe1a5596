"""Answering on one GPU: transformers as on a CPU, and vLLM as transformers."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpu_runs import ON_GPU, execution, write_run_files

from retu.config.execution import Execution
from retu.config.study import Sampling
from retu.data.chat import encode_prompt
from retu.evaluation.engines import VllmEngine, load_engine
from retu.evaluation.generations import Answer, Engine
from retu.models.compatibility import AGREEMENT

SAMPLED = Sampling(temperature=0.7, max_new_tokens=24)
# Not by validation: a study samples, only this comparison is greedy.
GREEDY = SAMPLED.model_copy(update={"temperature": 0.0})
QUESTIONS = [f"<bos> {n} b + 1 c - 2 ?" if n % 2 else f"<bos> {n} b + {n} ?" for n in range(8)]
CLOSE = 1e-3
"""Nats by which two correct float32 implementations may differ on a GPU."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model."""
    folder = write_run_files(tmp_path_factory.mktemp("files"))
    return folder / "base" / "checkpoints" / "step-000000"


def asked(engine: Engine, settings: Sampling, seed: int = 0) -> list[Answer]:
    """The answers to all questions."""
    return engine.sample([encode_prompt(engine.tokenizer, q) for q in QUESTIONS], settings, seed)


def answers(checkpoint: Path, settings: Sampling, how: dict[str, Any]) -> list[Answer]:
    """The answers of an engine that is loaded for them."""
    engine = load_engine(checkpoint, Execution.model_validate(how))
    found = asked(engine, settings)
    engine.close()
    return found


def assert_same_answers(found: list[Answer], expected: list[Answer], close: float) -> None:
    """The same tokens and ends, of the same probabilities but for rounding."""
    assert [a.token_ids for a in found] == [a.token_ids for a in expected]
    assert [a.finish_reason for a in found] == [a.finish_reason for a in expected]
    for mine, other in zip(found, expected, strict=True):
        assert mine.log_probs == pytest.approx(other.log_probs, abs=close)


def test_greedy_answers_are_those_of_a_cpu(checkpoint: Path) -> None:
    expected = answers(checkpoint, GREEDY, execution(device="cpu"))
    assert_same_answers(answers(checkpoint, GREEDY, execution()), expected, CLOSE)


def test_equal_seeds_draw_equal_answers(checkpoint: Path) -> None:
    engine = load_engine(checkpoint, Execution.model_validate(execution("bfloat16")))
    assert asked(engine, SAMPLED, 1) == asked(engine, SAMPLED, 1)
    assert asked(engine, SAMPLED, 1) != asked(engine, SAMPLED, 2)
    engine.close()


needs_vllm = pytest.mark.skipif(
    not ON_GPU or importlib.util.find_spec("vllm") is None,
    reason="needs a GPU and vLLM (on a CPU: make test-vllm)",
)


def with_vllm(dtype: str) -> dict[str, Any]:
    """An execution that generates with vLLM in a part of the memory."""
    return execution(dtype, generation={"vllm": {"memory": 0.3, "max_length": 128}})


@pytest.fixture(scope="module")
def vllm_engine(checkpoint: Path) -> Iterator[Engine]:
    """vLLM in float32, where its answers must be those of transformers."""
    engine = load_engine(checkpoint, Execution.model_validate(with_vllm("float32")))
    assert isinstance(engine, VllmEngine)
    yield engine
    engine.close()


@needs_vllm
def test_vllm_answers_as_transformers_does(checkpoint: Path, vllm_engine: Engine) -> None:
    expected = answers(checkpoint, GREEDY, execution())
    assert_same_answers(asked(vllm_engine, GREEDY), expected, 10 * CLOSE)


@needs_vllm
def test_vllm_draws_by_the_seed_of_a_row(vllm_engine: Engine) -> None:
    first, again = (asked(vllm_engine, SAMPLED, 1) for _ in range(2))
    assert [a.token_ids for a in first] == [a.token_ids for a in again]
    other = asked(vllm_engine, SAMPLED, 2)
    assert [a.token_ids for a in first] != [a.token_ids for a in other]


@needs_vllm
def test_vllm_in_bfloat16_is_within_rounding(checkpoint: Path) -> None:
    found = answers(checkpoint, GREEDY, with_vllm("bfloat16"))
    expected = answers(checkpoint, GREEDY, execution("bfloat16"))
    # From the first token that differs on these are answers to different texts.
    gaps = [
        abs(mine.log_probs[0] - other.log_probs[0])
        for mine, other in zip(found, expected, strict=True)
        if mine.token_ids[0] == other.token_ids[0]
    ]
    assert len(gaps) > len(QUESTIONS) // 2
    assert max(gaps) < AGREEMENT["bfloat16"]
