"""The decoder of few operations: the library's numbers, gradients and answers; who gets it."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from retu.config.lab_study import LabModel, PretrainingSettings
from retu.evaluation import lean_reader
from retu.evaluation.decoding import DecodingSettings, can_decode, decode_answers
from retu.evaluation.lean_reader import LeanReader
from retu.models.lean_decoder import has_lean_decoder, install_lean_decoder
from retu.models.loading import build_model
from retu.models.token_tree import grow_token_tree

CLOSE = 1e-5


def make_model(architecture: str, **changes: int) -> Any:
    """A tiny model whose biases are not zero."""
    settings = PretrainingSettings(steps=1, batch_size=1, learning_rate=1.0)
    shape = {"hidden_size": 32, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate_size": 48}
    told = {"architecture": architecture, "pretraining": settings, **shape, **changes}
    model = build_model(LabModel.model_validate(told), seed=0)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weight)
    return model


def make_rows() -> tuple[Tensor, Tensor]:
    """Rows (12, 14) as TRL pads them: prompts on the left, answers on the right; some are alike."""
    torch.manual_seed(2)
    ids = torch.randint(4, 30, (3, 14)).repeat_interleave(4, 0)
    ids[:, 9:] = torch.randint(4, 6, (12, 5))
    mask = torch.ones_like(ids)
    for row in range(12):
        mask[row, : row // 4] = 0
        mask[row, 14 - row % 4 :] = 0
    return ids, mask


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
@pytest.mark.parametrize("kv_heads", [1, 4])
def test_numbers_and_gradients_are_the_librarys(architecture: str, kv_heads: int) -> None:
    """Hidden states of tokens, and gradients of all weights."""
    ids, mask = make_rows()
    weights = torch.randn(12, 14, 32) * mask[..., None]
    found = []
    for lean in (False, True):
        model = make_model(architecture, kv_heads=kv_heads).train()
        if lean:
            install_lean_decoder(model)
        hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        (hidden * weights).sum().backward()
        found.append((hidden.detach() * mask[..., None], [p.grad for p in model.parameters()]))
    torch.testing.assert_close(found[1][0], found[0][0], rtol=CLOSE, atol=CLOSE)
    for own, library in zip(found[1][1], found[0][1], strict=True):
        torch.testing.assert_close(own, library, rtol=1e-4, atol=1e-4)


def test_padding_has_no_hidden_state() -> None:
    """Zeros, whatever stands there."""
    ids, mask = make_rows()
    model = install_lean_decoder(make_model("qwen2"))
    hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    assert not hidden[mask == 0].any()
    assert hidden[mask == 1].abs().sum(-1).min() > 0


def test_equal_histories_are_computed_once() -> None:
    """As many tokens as there are different histories, each with its own id and position."""
    ids, mask = make_rows()
    tree = grow_token_tree(ids, mask)
    histories = {
        tuple(row[seen.bool()][: end + 1].tolist())
        for row, seen in zip(ids, mask, strict=True)
        for end in range(int(seen.sum()))
    }
    assert len(tree.ids) == len(histories) < int(mask.sum())
    for row in range(len(ids)):
        own = ids[row][mask[row].bool()]
        assert tree.ids[tree.of_rows[row][: len(own)]].tolist() == own.tolist()
        assert tree.positions[tree.of_rows[row][: len(own)]].tolist() == list(range(len(own)))
    assert (tree.of_batch[mask == 0] == len(tree.ids)).all()


def test_a_row_without_tokens_is_no_obstacle() -> None:
    """Nothing but padding: all of it zeros, and other rows as they were."""
    ids, mask = make_rows()
    model = install_lean_decoder(make_model("qwen2"))
    whole = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    mask[5] = 0
    part = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    assert not part[5].any()
    kept = [row for row in range(12) if row != 5]
    torch.testing.assert_close(part[kept], whole[kept], rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
def test_answers_are_the_librarys(architecture: str) -> None:
    """Greedily: every token is the likeliest behind the ones before, with its log-probability."""
    library, lean = make_model(architecture), install_lean_decoder(make_model(architecture))
    prompts = [[1, 5, 6, 7 + row % 3, *[8] * (row % 4)] for row in range(12)]
    answers = decode_answers(lean, prompts, DecodingSettings(9, 0.0, [2], 0))
    for prompt, (tokens, log_probs) in zip(prompts, answers, strict=True):
        assert len(tokens) == 9 or tokens[-1] == 2
        with torch.no_grad():
            scores = library(torch.tensor([prompt + tokens])).logits[0].log_softmax(-1)
        for place, (token, log_prob) in enumerate(zip(tokens, log_probs, strict=True)):
            behind = scores[len(prompt) - 1 + place]
            assert behind[token] == pytest.approx(float(behind.max()), abs=CLOSE)
            assert log_prob == pytest.approx(float(behind[token]), abs=1e-4)


def test_room_is_made_as_answers_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that no answer reaches takes no memory, and nothing is lost where room is made."""
    monkeypatch.setattr(lean_reader, "ROOM", 3)
    library, reader = make_model("llama"), LeanReader(make_model("llama"), room=500)
    rows = [[1, 5], [1, 6, 7, 8]]
    with torch.no_grad():
        logits = reader.read_prompts(rows)
        for step in range(8):
            expected = [library(torch.tensor([row])).logits[0, -1] for row in rows]
            torch.testing.assert_close(logits, torch.stack(expected), rtol=CLOSE, atol=CLOSE)
            assert reader.keys[1].shape[2] <= 4 + step + 3
            rows = [[*row, 9 + step + place] for place, row in enumerate(rows)]
            logits = reader.read_tokens(torch.tensor([row[-1] for row in rows]))


def test_answers_start_with_what_is_given() -> None:
    """Also where an answer's start ends it."""
    model = install_lean_decoder(make_model("qwen2"))
    settings = DecodingSettings(6, 1.0, [2], 0)
    answers = decode_answers(model, [[1, 5], [1, 6], [1, 7]], settings, [[9, 9], [], [8, 2]])
    assert answers[0][0][:2] == [9, 9]
    assert answers[2][0] == [8, 2]


def test_drawn_tokens_follow_the_distribution() -> None:
    """The share of the first token drawn is its probability, within four standard errors."""
    model = install_lean_decoder(make_model("qwen2"))
    torch.manual_seed(3)
    answers = decode_answers(model, [[1, 5, 6]] * 4000, DecodingSettings(1, 1.0, [2], 0))
    with torch.no_grad():
        shares = make_model("qwen2")(torch.tensor([[1, 5, 6]])).logits[0, -1].softmax(-1)
    drawn = torch.tensor([tokens[0] for tokens, _ in answers]).bincount(minlength=len(shares))
    error = (shares * (1 - shares) / 4000).sqrt()
    assert ((drawn / 4000 - shares).abs() <= 4 * error + 1e-3).all()


def test_only_small_plain_models_are_taken() -> None:
    """Large ones, other arithmetic, dropout and other families stay as they are."""
    assert has_lean_decoder(install_lean_decoder(make_model("llama")))
    assert not has_lean_decoder(install_lean_decoder(make_model("qwen2", hidden_size=512)))
    assert not has_lean_decoder(install_lean_decoder(make_model("qwen2").to(torch.bfloat16)))
    dropping = make_model("qwen2")
    dropping.config.attention_dropout = 0.1
    assert not has_lean_decoder(install_lean_decoder(dropping))
    other = SimpleNamespace(config=SimpleNamespace(hidden_size=32))
    assert install_lean_decoder(other) is other
    assert not can_decode(make_model("qwen2"))


def test_calls_for_more_than_hidden_states_are_the_librarys() -> None:
    """A cache, all layers' states, positions; and a model whose layers are no plain products."""
    ids, mask = make_rows()
    model = install_lean_decoder(make_model("qwen2")).eval()
    with torch.no_grad():
        cached = model.model(input_ids=ids, attention_mask=mask, use_cache=True)
        states = model.model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    assert cached.past_key_values.get_seq_length() == 14
    assert len(states.hidden_states) == 3
    model.model.layers[0].self_attn.q_proj = torch.nn.Sequential(
        model.model.layers[0].self_attn.q_proj
    )
    assert not has_lean_decoder(model)
    model.model(input_ids=ids, attention_mask=mask, use_cache=False)


PRODUCTS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.mark.parametrize("target", [*PRODUCTS, "embed_tokens", r".*layers\.1\..*v_proj"])
def test_an_adapter_around_a_small_model_is_left_to_the_library(target: str) -> None:
    """It hands on the attributes of the model below it and the weights of the layers below it."""
    from peft import LoraConfig, get_peft_model

    ids, mask = make_rows()
    told = [target] if target.isidentifier() else target
    found = []
    for lean in (False, True):
        model = make_model("qwen2")
        if lean:
            install_lean_decoder(model)
        torch.manual_seed(4)
        config = LoraConfig(target_modules=told, init_lora_weights=False)
        adapted: Any = get_peft_model(model, config)
        assert not has_lean_decoder(adapted)
        assert not has_lean_decoder(adapted.get_base_model())
        assert not can_decode(adapted)
        backbone = adapted.get_base_model().model
        hidden = backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        assert hidden.requires_grad
        found.append(hidden.detach() * mask[..., None])
    torch.testing.assert_close(found[1], found[0], rtol=CLOSE, atol=CLOSE)
    plain = make_model("qwen2").model(input_ids=ids, attention_mask=mask).last_hidden_state
    assert (found[1] - plain * mask[..., None]).abs().max() > 0.01


def test_a_head_with_an_adapter_is_left_to_the_library() -> None:
    """Its weight alone would be the one below the adapter."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(target_modules=["lm_head"])
    adapted: Any = get_peft_model(install_lean_decoder(make_model("qwen2")), config)
    assert not has_lean_decoder(adapted.get_base_model())


def test_a_copy_computes_by_its_own_weights() -> None:
    """Also where the library computes."""
    ids, mask = make_rows()
    model = install_lean_decoder(make_model("qwen2")).eval()
    copied = copy.deepcopy(model)
    with torch.no_grad():
        copied.model.norm.weight.mul_(2.0)
        for cached in (False, True):
            told = {"input_ids": ids, "attention_mask": mask, "use_cache": cached}
            own, other = copied.model(**told), model.model(**told)
            seen = mask[..., None]
            torch.testing.assert_close(
                own.last_hidden_state * seen, 2 * other.last_hidden_state * seen, rtol=CLOSE,
                atol=CLOSE,
            )  # fmt: skip
