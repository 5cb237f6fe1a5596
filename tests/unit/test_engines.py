"""Answers of an engine: repeatable, in order, cut at their end, and free of side effects."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from retu.config.execution import Execution
from retu.config.lab_study import LabModel, PretrainingSettings
from retu.config.study import Sampling
from retu.core.errors import InputError
from retu.data.arithmetic import VOCABULARY
from retu.data.chat import encode_prompt
from retu.data.tokenizer import load_tokenizer, make_tokenizer
from retu.evaluation import engine_transformers
from retu.evaluation.engines import TransformersEngine, load_engine
from retu.evaluation.generations import SampledGeneration, list_end_ids, make_generation
from retu.evaluation.sampling import repeat_problems, sample_generations
from retu.models.loading import build_model, configure_torch, load_model

SHAPE = LabModel(
    architecture="qwen2",
    hidden_size=16,
    layers=1,
    heads=2,
    kv_heads=1,
    intermediate_size=16,
    pretraining=PretrainingSettings(steps=1, batch_size=1, learning_rate=1.0),
)
SAMPLING = Sampling(temperature=1.0, max_new_tokens=12, batch_size=3)
TEXTS = [f"<bos> {n} b + {n} ?" if n % 2 else f"<bos> {n} b + 1 c - 2 ?" for n in range(8)]
PROMPTS: list[list[int]] = [make_tokenizer(64)(text)["input_ids"] for text in TEXTS]
EOS, PAD, SEVEN, SO = (VOCABULARY.index(word) for word in ("<eos>", "<pad>", "7", "so"))


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random lab model on disk, with its tokenizer."""
    folder = tmp_path_factory.mktemp("model")
    build_model(SHAPE, seed=0).save_pretrained(folder)
    make_tokenizer(SHAPE.max_positions).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def engine(saved_model: Path) -> TransformersEngine:
    """The engine of the saved model."""
    loaded = load_engine(saved_model, Execution())
    assert isinstance(loaded, TransformersEngine)
    return loaded


def compute_log_probs(
    model: Any, prompt: Sequence[int], answer: Sequence[int], heat: float
) -> list[float]:
    """Log-probabilities of an answer's tokens by one forward pass at a temperature."""
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    table = (logits / heat).log_softmax(-1)
    chosen: list[float] = table.gather(-1, torch.tensor(answer)[:, None])[:, 0].tolist()
    return chosen


def test_equal_seeds_give_equal_answers(engine: TransformersEngine) -> None:
    first = engine.sample(PROMPTS, SAMPLING, seed=1)
    assert engine.sample(PROMPTS, SAMPLING, seed=1) == first
    assert engine.sample(PROMPTS, SAMPLING, seed=2) != first
    # A later part of the same step draws from another stream.
    assert engine.sample(PROMPTS, SAMPLING, seed=1, first=8) != first
    assert len(first) == len(PROMPTS)


def test_answers_come_in_the_order_of_the_prompts(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(prompts: list[list[int]], settings: Sampling) -> list[SampledGeneration]:
        assert len(prompts) <= settings.batch_size
        return [SampledGeneration("", tuple(prompt), (), "stop") for prompt in prompts]

    monkeypatch.setattr(engine, "_sample_batch", echo)
    answers = engine.sample(PROMPTS, SAMPLING, seed=0)
    assert [list(answer.token_ids) for answer in answers] == PROMPTS


def test_long_answers_make_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    split = partial(
        engine_transformers.split_into_batches, range(8), [[0] * n for n in range(1, 9)]
    )
    settings = SAMPLING.model_copy(update={"batch_size": 5, "max_new_tokens": 2})
    assert list(split(settings)) == [[0, 1, 2, 3, 4], [5, 6, 7]]
    monkeypatch.setattr(engine_transformers, "BATCH_TOKENS", 20)
    # Rows of 3, 4, 5, 6, ... tokens: four of 6 are too many, and so are three of 7.
    assert list(split(settings)) == [[0, 1, 2], [3, 4], [5, 6], [7]]
    monkeypatch.setattr(engine_transformers, "BATCH_TOKENS", 1)
    assert list(split(settings)) == [[place] for place in range(8)]


@pytest.mark.parametrize("heat", [0.7, 1.0])
def test_log_probs_are_of_the_distribution_that_was_drawn_from(
    engine: TransformersEngine, heat: float
) -> None:
    settings = SAMPLING.model_copy(update={"temperature": heat})
    for prompt, answer in zip(PROMPTS, engine.sample(PROMPTS, settings, seed=1), strict=True):
        expected = compute_log_probs(engine.model, prompt, answer.token_ids, heat)
        assert answer.log_probs == pytest.approx(expected, abs=1e-5)
        assert answer.mean_log_prob == pytest.approx(sum(expected) / len(expected))


def test_temperature_zero_is_greedy(engine: TransformersEngine) -> None:
    greedy = SAMPLING.model_copy(update={"temperature": 0.0})
    answers = engine.sample(PROMPTS, greedy, seed=1)
    assert answers == engine.sample(PROMPTS, greedy, seed=2)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        with torch.no_grad():
            logits = engine.model(torch.tensor([[*prompt, *answer.token_ids]])).logits[0]
        best = logits[len(prompt) - 1 : -1].argmax(-1).tolist()
        assert list(answer.token_ids) == best


def test_the_checkpoint_has_no_say_in_sampling(saved_model: Path) -> None:
    plain = load_engine(saved_model, Execution()).sample(PROMPTS, SAMPLING, seed=1)
    engine = load_engine(saved_model, Execution())
    assert isinstance(engine, TransformersEngine)
    engine.model.generation_config.update(top_k=1, repetition_penalty=5.0)
    assert engine.sample(PROMPTS, SAMPLING, seed=1) == plain


def test_sampling_leaves_random_state_and_mode_alone(engine: TransformersEngine) -> None:
    engine.model.train()
    before = torch.random.get_rng_state()
    engine.sample(PROMPTS, SAMPLING, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert engine.model.training
    engine.model.eval()
    engine.sample(PROMPTS[:1], SAMPLING, seed=1)
    assert not engine.model.training


def test_answers_end_at_an_end_token_or_at_the_limit() -> None:
    tokenizer = make_tokenizer(64)
    chance = [-1.0, -2.0, -3.0]
    make = partial(make_generation, tokenizer, ends=[EOS, SO])
    stopped = make([SEVEN, EOS, PAD], chance)
    assert stopped == SampledGeneration("7", (SEVEN, EOS), (-1.0, -2.0), "stop")
    assert stopped.is_finished
    assert make([SO, PAD, PAD], chance) == SampledGeneration("", (SO,), (-1.0,), "stop")
    cut = make([SEVEN] * 3, chance)
    assert cut == SampledGeneration("7 7 7", (SEVEN,) * 3, tuple(chance), "length")
    assert not cut.is_finished
    assert cut.mean_log_prob == -2.0


def test_ends_are_those_of_the_tokenizer_and_of_the_generation_config() -> None:
    tokenizer = make_tokenizer(64)
    assert list_end_ids(tokenizer, None) == [EOS]
    assert list_end_ids(tokenizer, SO) == [EOS, SO]
    assert list_end_ids(tokenizer, [SO, EOS, SEVEN]) == [EOS, SO, SEVEN]


def test_transformers_stops_at_a_declared_end(
    saved_model: Path, engine: TransformersEngine
) -> None:
    plain = engine.sample(PROMPTS, SAMPLING, seed=1)
    end = plain[0].token_ids[1]
    model = load_model(saved_model, Execution())
    assert model.generation_config is not None
    model.generation_config.eos_token_id = [EOS, end]
    answers = TransformersEngine(model, engine.tokenizer).sample(PROMPTS, SAMPLING, seed=1)
    for answer in answers:
        assert answer.is_finished == (answer.token_ids[-1] in (EOS, end))
        assert not {EOS, end} & {*answer.token_ids[:-1]}
    assert any(answer.token_ids[-1] == end for answer in answers)


def test_nothing_is_longer_than_the_limit(engine: TransformersEngine) -> None:
    answers = engine.sample(PROMPTS * 5, SAMPLING, seed=3)
    assert max(len(answer.token_ids) for answer in answers) <= 12
    assert {len(a.token_ids) for a in answers if not a.is_finished} == {12}
    assert all(len(a.token_ids) == len(a.log_probs) for a in answers)


def test_answers_that_a_model_has_no_room_for_are_refused(engine: TransformersEngine) -> None:
    longest = max(map(len, PROMPTS))
    fits = SAMPLING.model_copy(update={"max_new_tokens": SHAPE.max_positions - longest})
    assert len(engine.sample(PROMPTS, fits, seed=0)) == len(PROMPTS)
    more = fits.model_copy(update={"max_new_tokens": fits.max_new_tokens + 1})
    with pytest.raises(InputError, match=f"max_new_tokens: {more.max_new_tokens} tokens after"):
        engine.sample(PROMPTS, more, seed=0)


def test_a_closed_engine_has_given_its_model_back(saved_model: Path) -> None:
    engine = load_engine(saved_model, Execution())
    engine.close()
    assert not hasattr(engine, "model")


def test_generate_stores_everything_needed_to_grade_again(engine: TransformersEngine) -> None:
    problems = pd.DataFrame(
        {
            "benchmark": ["A", "B", "B"],
            "problem_id": ["1", "2", "3"],
            "prompt": TEXTS[:3],
            "gold": ["1", "2", "3"],
        }
    )
    rows = repeat_problems(problems, {"A": 1, "B": 2})
    table = sample_generations(engine, rows, 40, SAMPLING)
    assert list(zip(table["problem_id"], table["sample"], strict=True)) == [
        *(("1", 0), ("2", 0), ("2", 1), ("3", 0), ("3", 1))
    ]
    assert set(table["step"]) == {40}
    pd.testing.assert_frame_equal(table[list(rows.columns)], rows)
    prompts = [encode_prompt(engine.tokenizer, text) for text in rows["prompt"]]
    answers = engine.sample(prompts, SAMPLING, seed=40)
    assert table["generation"].tolist() == [answer.text for answer in answers]
    assert table["n_tokens"].tolist() == [len(answer.token_ids) for answer in answers]
    assert table["finished"].tolist() == [answer.is_finished for answer in answers]
    assert table["mean_log_prob"].tolist() == [answer.mean_log_prob for answer in answers]


def test_probabilities_that_are_no_numbers_are_refused(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = SampledGeneration("7", (SEVEN,), (float("nan"),), "length")
    monkeypatch.setattr(engine, "sample", lambda *_: [lost])
    rows = pd.DataFrame({"prompt": TEXTS[:1]})
    with pytest.raises(InputError, match="step 40: the model's probabilities are no numbers"):
        sample_generations(engine, rows, 40, SAMPLING)


def test_benchmarks_without_problems_are_named() -> None:
    problems = pd.DataFrame({"benchmark": ["A"], "problem_id": [1], "prompt": ["p"], "gold": ["1"]})
    with pytest.raises(InputError, match="no problems for B, C"):
        repeat_problems(problems, {"A": 1, "C": 1, "B": 1})
    assert repeat_problems(problems, {"A": 3})["sample"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
def test_models_are_built_from_their_seed(architecture: str) -> None:
    shape = SHAPE.model_copy(update={"architecture": architecture})
    first, again, other = (build_model(shape, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_unreadable_models_are_refused(tmp_path: Path, saved_model: Path) -> None:
    with pytest.raises(InputError, match="not a readable model"):
        load_model(tmp_path, Execution())
    with pytest.raises(InputError, match="has no tokenizer"):
        load_tokenizer(tmp_path)
    model = load_model(saved_model, Execution())
    next(model.parameters()).data[0, 0] = float("nan")
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="no finite numbers; lower learning_rate"):
        load_model(tmp_path, Execution())


def test_a_tokenizer_that_lost_its_words_is_refused(tmp_path: Path, saved_model: Path) -> None:
    for path in saved_model.glob("tokenizer*"):
        (tmp_path / path.name).write_text(path.read_text().replace("thus", "THUS"))
    assert load_tokenizer(tmp_path)("THUS")["input_ids"] == [VOCABULARY.index("thus")]
    for path in saved_model.glob("tokenizer*"):
        (tmp_path / path.name).write_text(path.read_text().replace('"so"', '"SO"'))
    with pytest.raises(InputError, match="does not reproduce its own words"):
        load_tokenizer(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_study_for_gpus_needs_one() -> None:
    with pytest.raises(InputError, match=r"execution\.device: is cuda, but torch .* sees no GPU"):
        configure_torch(Execution(device="cuda"), seed=0)
