"""Answering on one GPU: transformers as on a CPU, and vLLM as transformers."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpu_runs import ON_GPU, make_execution, write_run_files

from retu.config.execution import Execution
from retu.config.study import Sampling
from retu.data.chat import encode_prompt
from retu.evaluation.engines import VllmEngine, load_engine
from retu.evaluation.generations import Engine, SampledGeneration
from retu.models.compatibility import MAX_LOGPROB_GAP

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


def sample_questions(engine: Engine, settings: Sampling, seed: int = 0) -> list[SampledGeneration]:
    """The answers to all questions."""
    return engine.sample([encode_prompt(engine.tokenizer, q) for q in QUESTIONS], settings, seed)


def sample_with_engine(
    checkpoint: Path, settings: Sampling, how: dict[str, Any]
) -> list[SampledGeneration]:
    """The answers of an engine that is loaded for them."""
    engine = load_engine(checkpoint, Execution.model_validate(how))
    found = sample_questions(engine, settings)
    engine.close()
    return found


def assert_same_answers(
    found: list[SampledGeneration], expected: list[SampledGeneration], close: float
) -> None:
    """The same tokens and ends, of the same probabilities but for rounding."""
    assert [a.token_ids for a in found] == [a.token_ids for a in expected]
    assert [a.finish_reason for a in found] == [a.finish_reason for a in expected]
    for mine, other in zip(found, expected, strict=True):
        assert mine.log_probs == pytest.approx(other.log_probs, abs=close)


def test_greedy_answers_are_those_of_a_cpu(checkpoint: Path) -> None:
    expected = sample_with_engine(checkpoint, GREEDY, make_execution(device="cpu"))
    assert_same_answers(sample_with_engine(checkpoint, GREEDY, make_execution()), expected, CLOSE)


def test_equal_seeds_draw_equal_answers(checkpoint: Path) -> None:
    engine = load_engine(checkpoint, Execution.model_validate(make_execution("bfloat16")))
    assert sample_questions(engine, SAMPLED, 1) == sample_questions(engine, SAMPLED, 1)
    assert sample_questions(engine, SAMPLED, 1) != sample_questions(engine, SAMPLED, 2)
    engine.close()


needs_vllm = pytest.mark.skipif(
    not ON_GPU or importlib.util.find_spec("vllm") is None,
    reason="needs a GPU and vLLM (on a CPU: make test-vllm)",
)


def make_gpu_vllm_execution(dtype: str) -> dict[str, Any]:
    """An execution that generates with vLLM in a part of the memory."""
    return make_execution(dtype, generation={"vllm": {"memory": 0.3, "max_length": 128}})


@pytest.fixture(scope="module")
def vllm_engine(checkpoint: Path) -> Iterator[Engine]:
    """vLLM in float32, where its answers must be those of transformers."""
    engine = load_engine(checkpoint, Execution.model_validate(make_gpu_vllm_execution("float32")))
    assert isinstance(engine, VllmEngine)
    yield engine
    engine.close()


@needs_vllm
def test_vllm_answers_as_transformers_does(checkpoint: Path, vllm_engine: Engine) -> None:
    expected = sample_with_engine(checkpoint, GREEDY, make_execution())
    assert_same_answers(sample_questions(vllm_engine, GREEDY), expected, 10 * CLOSE)


@needs_vllm
def test_vllm_draws_by_the_seed_of_a_row(vllm_engine: Engine) -> None:
    first, again = (sample_questions(vllm_engine, SAMPLED, 1) for _ in range(2))
    assert [a.token_ids for a in first] == [a.token_ids for a in again]
    other = sample_questions(vllm_engine, SAMPLED, 2)
    assert [a.token_ids for a in first] != [a.token_ids for a in other]


@needs_vllm
def test_vllm_in_bfloat16_is_within_rounding(checkpoint: Path) -> None:
    found = sample_with_engine(checkpoint, GREEDY, make_gpu_vllm_execution("bfloat16"))
    expected = sample_with_engine(checkpoint, GREEDY, make_execution("bfloat16"))
    # From the first token that differs on these are answers to different texts.
    gaps = [
        abs(mine.log_probs[0] - other.log_probs[0])
        for mine, other in zip(found, expected, strict=True)
        if mine.token_ids[0] == other.token_ids[0]
    ]
    assert len(gaps) > len(QUESTIONS) // 2
    assert max(gaps) < MAX_LOGPROB_GAP["bfloat16"]
