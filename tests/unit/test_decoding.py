"""Sampling of large models on a CPU: the answers of `generate`, and the scores of a whole pass."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mixed_fixtures import SHAPE, list_steps, make_lab_tokenizer, make_mixed_trainer, make_preset
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from retu.config.study import Sampling
from retu.evaluation import library_reader
from retu.evaluation.decoding import (
    DecodingSettings,
    can_decode,
    decode_answers,
    draw_tokens,
)
from retu.evaluation.engine_transformers import TransformersEngine
from retu.evaluation.library_reader import attend_in_groups
from retu.models.loading import build_model

PROMPTS = [[5, 6, 7], [8], [5, 6, 7], [9, 10, 11, 12, 13], [8], [14, 15]]
PAD, END = 0, 10


@pytest.fixture(autouse=True)
def every_model_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the path of large models with a tiny one, and give caches more room again and again."""
    monkeypatch.setattr(library_reader, "LARGE_VOCABULARY", 1)
    monkeypatch.setattr(library_reader, "ROOM", 3)


def make_model() -> Any:
    """A tiny Llama of two layers whose heads share keys, certain enough to have one best token."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 24}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(**shape, **heads, initializer_range=0.6, pad_token_id=PAD)
    return LlamaForCausalLM(config).train()


def generate_greedily(model: Any, prompt: list[int], tokens: int) -> list[int]:
    """What `generate` answers to a prompt alone, up to its end."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        made = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=tokens,
            eos_token_id=[END],
            pad_token_id=PAD,
        )
    return [int(token) for token in made[0, len(prompt) :]]


def score_answer(model: Any, prompt: list[int], answer: list[int], temperature: float) -> Any:
    """Log-probabilities of an answer's tokens, from one pass over all of it."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0]
    scores = (logits / temperature).log_softmax(-1)[len(prompt) - 1 : -1]
    return scores[torch.arange(len(answer)), torch.tensor(answer)]


def test_greedy_answers_are_those_of_generate() -> None:
    model = make_model()
    made = decode_answers(model, PROMPTS, DecodingSettings(12, 0.0, [END], PAD))
    expected = [generate_greedily(model, prompt, 12) for prompt in PROMPTS]
    assert [tokens for tokens, _ in made] == expected
    assert len({len(tokens) for tokens in expected}) > 1
    assert any(tokens[-1] == END for tokens in expected)
    assert model.training
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_log_probabilities_are_those_of_a_whole_pass(temperature: float) -> None:
    model = make_model()
    torch.manual_seed(5)
    made = decode_answers(model, PROMPTS, DecodingSettings(9, temperature, [END], PAD))
    torch.manual_seed(5)
    assert made == decode_answers(model, PROMPTS, DecodingSettings(9, temperature, [END], PAD))
    for prompt, (tokens, log_probs) in zip(PROMPTS, made, strict=True):
        assert END not in tokens[:-1]
        assert tokens[-1] == END or len(tokens) == 9
        expected = score_answer(model, prompt, tokens, temperature)
        torch.testing.assert_close(torch.tensor(log_probs), expected, atol=1e-5, rtol=1e-5)


def test_answers_start_with_what_they_are_given() -> None:
    model = make_model()
    given: list[list[int]] = [[], [4, 5, 6], [], [7], [], []]
    settings = DecodingSettings(8, 0.0, [END], PAD)
    for prompt, start, (tokens, _) in zip(
        PROMPTS, given, decode_answers(model, PROMPTS, settings, given), strict=True
    ):
        rest = generate_greedily(model, [*prompt, *start], 8 - len(start))
        assert tokens == [*start, *rest]


@pytest.mark.parametrize("biased", [False, True])
def test_heads_that_share_keys_attend_as_in_torch(biased: bool) -> None:
    # Values may be of another size than keys.
    query, key, value = torch.randn(2, 4, 1, 6), torch.randn(2, 2, 5, 6), torch.randn(2, 2, 5, 3)
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]).bool()[:, None, None]
    bias = {"position_bias": torch.randn(2, 4, 1, 5)} if biased else {}
    module = SimpleNamespace(num_key_value_groups=2, is_causal=True)
    mine, _ = attend_in_groups(module, query, key, value, mask, scaling=0.3, **bias)
    expected, _ = sdpa_attention_forward(module, query, key, value, mask, scaling=0.3, **bias)
    torch.testing.assert_close(mine, expected, atol=1e-6, rtol=1e-5)


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    shares = torch.tensor([0.5, 0.0, 0.3, 0.2])
    torch.manual_seed(0)
    drawn, scores = draw_tokens((shares.log() * 0.5).expand(20000, -1).clone(), 0.5)
    counts = torch.bincount(drawn, minlength=4) / 20000
    assert counts[1] == 0
    assert (counts - shares).abs().max() < 0.015
    torch.testing.assert_close(scores[0].exp(), shares)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_nothing_is_drawn_from_what_is_no_probability(value: float, temperature: float) -> None:
    logits = torch.zeros(3, 4)
    logits[1, 2] = value
    with pytest.raises(RuntimeError, match="probability tensor"):
        draw_tokens(logits, temperature)


def test_which_models_are_decoded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    assert can_decode(model)
    monkeypatch.setattr(library_reader, "LARGE_VOCABULARY", 25)
    assert not can_decode(model)
    monkeypatch.setattr(library_reader, "LARGE_VOCABULARY", 24)
    model.config.layer_types = ["full_attention", "sliding_attention"]
    model.config.sliding_window = 4
    assert not can_decode(model)
    model.config.layer_types = model.config.sliding_window = None
    monkeypatch.setattr(type(model), "_supports_attention_backend", False)
    assert not can_decode(model)
    monkeypatch.undo()
    monkeypatch.setattr(library_reader, "LARGE_VOCABULARY", 24)
    assert can_decode(model)
    model.set_attn_implementation("eager")
    assert not can_decode(model)
    assert not can_decode(SimpleNamespace(device=torch.device("cuda"), config=model.config))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_engine_answers_with_it(monkeypatch: pytest.MonkeyPatch, temperature: float) -> None:
    model, tokenizer = build_model(SHAPE, seed=3), make_lab_tokenizer()
    prompts = [[4, 5, 6], [7], [4, 5, 6]]
    settings = Sampling(temperature=temperature, max_new_tokens=6)
    engine = TransformersEngine(model, tokenizer)
    mine = engine.sample(prompts, settings, seed=1)
    assert mine == engine.sample(prompts, settings, seed=1)
    for prompt, answer in zip(prompts, mine, strict=True):
        expected = score_answer(model, prompt, list(answer.token_ids), temperature or 1.0)
        assert answer.log_probs == pytest.approx(expected.tolist(), abs=1e-5)
    monkeypatch.setattr(library_reader, "LARGE_VOCABULARY", 2**13)
    if temperature == 0.0:
        stock = engine.sample(prompts, settings, seed=1)
        assert [answer.token_ids for answer in mine] == [answer.token_ids for answer in stock]


@pytest.mark.parametrize("name", ["grpo", "dapo_dc", "luffy", "upt", "prefix_rft"])
def test_every_paradigm_trains_on_its_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    trainer = make_mixed_trainer(tmp_path, make_preset(name))
    monkeypatch.setattr(trainer.model, "generate", None)
    trainer.train()
    assert len(list_steps(trainer)) == 2


def test_sampling_that_a_trainer_was_told_is_left_to_trl(tmp_path: Path) -> None:
    trainer = make_mixed_trainer(tmp_path, make_preset("grpo"), generation_kwargs={"top_k": 5})
    assert not trainer._can_decode()
    assert make_mixed_trainer(tmp_path, make_preset("grpo"))._can_decode()
