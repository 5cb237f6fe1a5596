"""What our engine asks of vLLM and makes of its answers, with a stand-in for vLLM.

The real one is in tests/vllm_cpu (`make test-vllm`).
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from retu.config.execution import Execution, GenerationExecution, VllmSettings
from retu.config.study import Sampling
from retu.core.errors import InputError
from retu.data.arithmetic import VOCABULARY
from retu.data.tokenizer import make_tokenizer
from retu.evaluation.engines import VllmEngine, load_engine
from retu.evaluation.generations import SampledGeneration

SAMPLING = Sampling(temperature=1.0, max_new_tokens=12)
EOS, SEVEN, SO = (VOCABULARY.index(word) for word in ("<eos>", "7", "so"))


@pytest.fixture
def weightless_checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of which vLLM alone would read the weights."""
    make_tokenizer(64).save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").write_text(f'{{"eos_token_id": [{SO}]}}')
    return tmp_path


class FakeLlm:
    """Stands for a vLLM engine: answers with the last prompt token and, if odd, an end."""

    model_config = SimpleNamespace(max_model_len=64)
    llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=lambda: None))

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason
        self.asked: list[Any] = []

    def generate(
        self, prompts: list[dict[str, list[int]]], parameters: Sequence[Any], use_tqdm: bool
    ) -> list[SimpleNamespace]:
        assert not use_tqdm
        self.asked += parameters
        return [
            SimpleNamespace(outputs=[self.make_output(prompt["prompt_token_ids"][-1], p)])
            for prompt, p in zip(prompts, parameters, strict=True)
        ]

    def make_output(self, last: int, parameters: Any) -> SimpleNamespace:
        ids = [last, *([EOS] if parameters.seed % 2 else [])]
        return SimpleNamespace(
            token_ids=ids,
            logprobs=SimpleNamespace(logprobs=[-0.5] * len(ids)),
            finish_reason=self.reason or ("stop" if parameters.seed % 2 else "length"),
        )


@pytest.fixture
def vllm_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module in the place of vLLM, of which our engine uses little."""
    module = ModuleType("vllm")
    module.SamplingParams = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    return module


@pytest.mark.usefixtures("vllm_module")
def test_vllm_gets_token_ids_and_a_seed_for_every_prompt() -> None:
    llm = FakeLlm()
    engine = VllmEngine(llm, make_tokenizer(64), declared_ends=[SO])
    answers = engine.sample([[SEVEN], [SO, SEVEN]], SAMPLING, seed=10)
    assert answers == [
        SampledGeneration("7", (SEVEN,), (-0.5,), "length"),
        SampledGeneration("7", (SEVEN, EOS), (-0.5, -0.5), "stop"),
    ]
    first = llm.asked[0]
    assert (first.seed, first.temperature, first.max_tokens) == (10000030, 1.0, 12)
    assert first.stop_token_ids == [EOS, SO]
    # The next step asks with the next seed: none of this step's seeds may come again.
    engine.sample([[SEVEN], [SEVEN]], SAMPLING, seed=11)
    assert len({asked.seed for asked in llm.asked}) == 4
    engine.sample([[SEVEN]], SAMPLING, seed=10, first=1)
    assert llm.asked[-1].seed == llm.asked[1].seed
    # Of rows that are dealt out, each has the seed of its place among all.
    engine.sample([[SEVEN], [SEVEN]], SAMPLING, seed=10, first=1, every=4)
    assert [asked.seed - first.seed for asked in llm.asked[-2:]] == [1, 5]


@pytest.mark.usefixtures("vllm_module")
def test_a_vllm_that_ends_answers_otherwise_is_noticed() -> None:
    engine = VllmEngine(FakeLlm(reason="stop"), make_tokenizer(64))
    with pytest.raises(RuntimeError, match="ended an answer by stop, its last token says length"):
        engine.sample([[SEVEN]], SAMPLING, seed=10)
    with pytest.raises(InputError, match="max_new_tokens"):
        engine.sample([[SEVEN] * 60], SAMPLING, seed=10)


def make_vllm_execution(**changes: Any) -> Execution:
    """An execution that generates with vLLM."""
    return Execution(generation=GenerationExecution(vllm=VllmSettings(**changes)))


def test_vllm_that_is_not_there_is_said_and_not_replaced(
    weightless_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(InputError, match=r"generation\.vllm: vLLM cannot be imported"):
        load_engine(weightless_checkpoint, make_vllm_execution())


def test_vllm_is_started_as_the_study_says(
    weightless_checkpoint: Path, vllm_module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    platforms = ModuleType("vllm.platforms")
    platforms.current_platform = SimpleNamespace(device_type="cpu")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    started: list[dict[str, Any]] = []

    def start(**options: Any) -> FakeLlm:
        started.append(options)
        if options["max_model_len"] == 1:
            raise ValueError("\n  max_model_len is too small\nmore")
        return FakeLlm()

    vllm_module.LLM = start  # type: ignore[attr-defined]
    engine = load_engine(
        weightless_checkpoint, make_vllm_execution(tensor_parallel=4, memory=0.5, max_length=64)
    )
    assert isinstance(engine, VllmEngine)
    assert engine.ends == [EOS, SO]
    engine.close()
    assert not hasattr(engine, "llm")
    expected = {
        "model": str(weightless_checkpoint),
        "tensor_parallel_size": 4,
        "gpu_memory_utilization": 0.5,
    }
    expected |= {"max_model_len": 64, "dtype": "float32", "logprobs_mode": "processed_logprobs"}
    # The checkpoint's own settings would be vLLM's default.
    expected |= {"generation_config": "vllm"}
    assert expected.items() <= started[0].items()
    with pytest.raises(InputError, match=r"does not start \(max_model_len is too small\)"):
        load_engine(weightless_checkpoint, make_vllm_execution(max_length=1))
    on_gpu = make_vllm_execution().model_copy(update={"device": "cuda"})
    with pytest.raises(InputError, match="device: is cuda, but this vLLM runs on cpu"):
        load_engine(weightless_checkpoint, on_gpu)
