"""Answers of an engine: repeatable, in order, cut at their end, and free of side effects."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch

from workflow_scripts.data.arithmetic import VOCABULARY
from workflow_scripts.data.tokenizer import load_tokenizer, make_tokenizer
from workflow_scripts.errors import InputError
from workflow_scripts.evaluation.engines import Answer, TransformersEngine, VllmEngine, load_engine
from workflow_scripts.evaluation.generate import attempts, generate
from workflow_scripts.study.execution import Execution
from workflow_scripts.study.schema import Model, Pretraining, Sampling
from workflow_scripts.training.models import build_model, configure, load_model

SHAPE = Model(
    architecture="qwen2",
    hidden_size=16,
    layers=1,
    heads=2,
    kv_heads=1,
    intermediate_size=16,
    pretraining=Pretraining(steps=1, batch_size=1, learning_rate=1.0),
)
SAMPLING = Sampling(temperature=1.0, max_new_tokens=12, batch_size=3)
PROMPTS = [f"<bos> {n} b + {n} ?" if n % 2 else f"<bos> {n} b + 1 c - 2 ?" for n in range(8)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random lab model on disk, with its tokenizer."""
    folder = tmp_path_factory.mktemp("model")
    build_model(SHAPE, seed=0).save_pretrained(folder)
    make_tokenizer(SHAPE.max_positions).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def engine(saved: Path) -> TransformersEngine:
    """The engine of the saved model."""
    loaded = load_engine(saved, Execution())
    assert isinstance(loaded, TransformersEngine)
    return loaded


def test_equal_seeds_give_equal_answers(engine: TransformersEngine) -> None:
    first = engine.sample(PROMPTS, SAMPLING, seed=1)
    assert engine.sample(PROMPTS, SAMPLING, seed=1) == first
    assert engine.sample(PROMPTS, SAMPLING, seed=2) != first
    assert len(first) == len(PROMPTS)


def test_answers_come_in_the_order_of_the_prompts(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(prompts: list[str], settings: Sampling) -> list[Answer]:
        assert len(prompts) <= settings.batch_size
        return [Answer(prompt, 0, True) for prompt in prompts]

    monkeypatch.setattr(engine, "_batch", echo)
    assert [answer.text for answer in engine.sample(PROMPTS, SAMPLING, seed=0)] == PROMPTS


def test_sampling_leaves_random_state_and_mode_alone(engine: TransformersEngine) -> None:
    engine.model.train()
    before = torch.random.get_rng_state()
    engine.sample(PROMPTS, SAMPLING, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert engine.model.training
    engine.model.eval()
    engine.sample(PROMPTS[:1], SAMPLING, seed=1)
    assert not engine.model.training


def test_answers_end_at_the_end_token_or_at_the_limit(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, seven, pad = (VOCABULARY.index(word) for word in ("<eos>", "7", "<pad>"))

    def fixed(input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        rows = [[seven, end, pad], [seven, seven, seven], [end, pad, pad]]
        return torch.cat([input_ids, torch.tensor(rows)], dim=1)

    monkeypatch.setattr(engine.model, "generate", fixed)
    equally_long = PROMPTS[1:6:2]
    assert engine.sample(equally_long, SAMPLING, seed=0) == [
        Answer("7", 2, finished=True),
        Answer("7 7 7", 3, finished=False),
        Answer("", 1, finished=True),
    ]


def test_nothing_is_longer_than_the_limit(engine: TransformersEngine) -> None:
    answers = engine.sample(PROMPTS * 5, SAMPLING, seed=3)
    assert max(answer.tokens for answer in answers) <= 12
    assert all(answer.tokens == 12 for answer in answers if not answer.finished)


def test_generate_stores_everything_needed_to_grade_again(engine: TransformersEngine) -> None:
    problems = pd.DataFrame(
        {
            "benchmark": ["A", "B", "B"],
            "problem_id": ["1", "2", "3"],
            "prompt": PROMPTS[:3],
            "gold": ["1", "2", "3"],
        }
    )
    rows = attempts(problems, {"A": 1, "B": 2})
    table = generate(engine, rows, 40, SAMPLING)
    assert list(zip(table["problem_id"], table["sample"], strict=True)) == [
        *(("1", 0), ("2", 0), ("2", 1), ("3", 0), ("3", 1))
    ]
    assert set(table["step"]) == {40}
    pd.testing.assert_frame_equal(table[list(rows.columns)], rows)
    answers = engine.sample(rows["prompt"].tolist(), SAMPLING, seed=40)
    assert table["generation"].tolist() == [answer.text for answer in answers]
    assert table["finished"].tolist() == [answer.finished for answer in answers]


def test_benchmarks_without_problems_are_named() -> None:
    problems = pd.DataFrame({"benchmark": ["A"], "problem_id": [1], "prompt": ["p"], "gold": ["1"]})
    with pytest.raises(InputError, match="no problems for B, C"):
        attempts(problems, {"A": 1, "C": 1, "B": 1})
    assert attempts(problems, {"A": 3})["sample"].tolist() == [0, 1, 2]


class FakeLlm:
    """Stands for a vLLM engine: answers with the prompt and the seed it was asked with."""

    def generate(
        self, prompts: list[str], parameters: Sequence[Any], use_tqdm: bool
    ) -> list[SimpleNamespace]:
        assert not use_tqdm
        return [
            SimpleNamespace(
                outputs=[
                    SimpleNamespace(
                        text=f"{prompt} {p.seed} {p.temperature} {p.max_tokens}",
                        token_ids=[1, 2],
                        finish_reason="stop" if p.seed % 2 else "length",
                    )
                ]
            )
            for prompt, p in zip(prompts, parameters, strict=True)
        ]


def test_vllm_gets_a_seed_for_every_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm")
    module.SamplingParams = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    engine = VllmEngine(FakeLlm())
    answers = engine.sample(["a", "b"], SAMPLING, seed=10)
    assert answers == [Answer("a 10000030 1.0 12", 2, False), Answer("b 10000031 1.0 12", 2, True)]
    used = {a.text.split()[1] for a in answers}
    # The next step asks with the next seed: none of this step's seeds may come again.
    assert not used & {a.text.split()[1] for a in engine.sample(["a", "b"], SAMPLING, seed=11)}


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
def test_models_are_built_from_their_seed(architecture: str) -> None:
    shape = SHAPE.model_copy(update={"architecture": architecture})
    first, again, other = (build_model(shape, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_unreadable_models_are_refused(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(InputError, match="not a readable model"):
        load_model(tmp_path, Execution())
    with pytest.raises(InputError, match="has no tokenizer"):
        load_tokenizer(tmp_path)
    model = load_model(saved, Execution())
    next(model.parameters()).data[0, 0] = float("nan")
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="has weights that are no finite numbers; delete it"):
        load_model(tmp_path, Execution())


def test_a_tokenizer_that_lost_its_words_is_refused(tmp_path: Path, saved: Path) -> None:
    for path in saved.glob("tokenizer*"):
        (tmp_path / path.name).write_text(path.read_text().replace("thus", "THUS"))
    assert load_tokenizer(tmp_path)("THUS")["input_ids"] == [VOCABULARY.index("thus")]
    for path in saved.glob("tokenizer*"):
        (tmp_path / path.name).write_text(path.read_text().replace('"so"', '"SO"'))
    with pytest.raises(InputError, match="does not reproduce its own words"):
        load_tokenizer(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_study_for_gpus_needs_one() -> None:
    with pytest.raises(InputError, match=r"execution\.device: is cuda, but torch sees no GPU"):
        configure(Execution(device="cuda"), seed=0)
