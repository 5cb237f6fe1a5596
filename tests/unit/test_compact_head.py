"""The compact head in both trainers: the losses and gradients of TRL's, for what it may replace."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mixed_fixtures import SHAPE, list_steps, make_mixed_trainer, make_preset
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from retu.models.loading import build_model
from retu.training.memory import compact_head, token_scores
from retu.training.memory.compact_head import (
    has_scaled_logits,
    install_compact_head,
    is_for_compact_head,
    is_large_on_cpu,
)

OUTPUTS = ("log_probs", "entropy", "is_top1")
LABELS = torch.tensor([[-100, -100, 5, 6, 7], [-100, 4, 3, -100, -100]])
IDS = torch.tensor([[1, 2, 5, 6, 7], [9, 4, 3, 0, 0]])


@pytest.fixture
def every_batch_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the path of large models with a tiny one, in several tiles."""
    monkeypatch.setattr(compact_head, "SMALL_LOGITS", 0)
    monkeypatch.setattr(token_scores, "TILE_ELEMENTS", 100)


def make_model(*, tied: bool) -> Any:
    """A tiny Llama."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 40}
    return LlamaForCausalLM(LlamaConfig(**shape, **heads, tie_word_embeddings=tied))


def run_head(model: Any, labels: torch.Tensor, **options: Any) -> tuple[Any, list[torch.Tensor]]:
    """A model's scores of labels, and the gradients of a loss of both kinds."""
    model.zero_grad()
    mask = (IDS != 0).long()
    made = model(input_ids=IDS, attention_mask=mask, labels=labels, fused_lm_head=True, **options)
    (made.log_probs.sum() - 0.1 * made.entropy.sum()).backward()
    return made, [weight.grad.clone() for weight in model.parameters()]


@pytest.mark.usefixtures("every_batch_is_large")
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("labels", [LABELS, torch.full_like(LABELS, -100)])
def test_scores_and_gradients_are_those_of_trls_head(labels: torch.Tensor, tied: bool) -> None:
    model = make_model(tied=tied)
    add_fused_lm_head(model, temperature=0.7, outputs=OUTPUTS)
    theirs, expected = run_head(model, labels)
    install_compact_head(model, 0.7, top1=True)
    seen: list[int] = []
    model.lm_head.register_forward_hook(lambda *_: seen.append(1))
    mine, gradients = run_head(model, labels)
    for name in (*OUTPUTS, "label_mask", "loss"):
        torch.testing.assert_close(mine[name], theirs[name], atol=1e-5, rtol=1e-5)
    for left, right in zip(gradients, expected, strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-5)
    assert not seen
    assert model(input_ids=IDS).logits.shape == (2, 5, 40)
    assert seen


@pytest.mark.usefixtures("every_batch_is_large")
@pytest.mark.parametrize("name", ["grpo", "dapo_dc", "luffy", "srft", "upt", "prefix_rft"])
def test_every_paradigm_trains_as_with_trls_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shape: dict[str, Any] = {"optim": "sgd", "per_device_train_batch_size": 4}
    shape["gradient_accumulation_steps"] = 2
    compact = make_mixed_trainer(tmp_path / "compact", make_preset(name), **shape)
    compact.train()
    monkeypatch.setattr(compact_head, "SMALL_LOGITS", 2**20)
    stock = make_mixed_trainer(tmp_path / "stock", make_preset(name), **shape)
    stock.train()
    for mine, theirs in zip(list_steps(compact), list_steps(stock), strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        # TRL's own entropy is a mean of micro-batches' means, whose rows are others.
        if not make_preset(name).is_plain:
            assert mine["entropy"] == pytest.approx(theirs["entropy"], abs=1e-5)
    for left, right in zip(compact.model.parameters(), stock.model.parameters(), strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "scaled"),
    [
        ({}, False),
        ({"logit_scale": 1.0, "final_logit_softcapping": None}, False),
        ({"final_logit_softcapping": 30.0}, True),
        ({"logits_scaling": 8.0}, True),
    ],
)
def test_heads_that_scale_are_left_alone(settings: dict[str, Any], scaled: bool) -> None:
    assert has_scaled_logits(SimpleNamespace(**settings)) == scaled


@pytest.mark.usefixtures("every_batch_is_large")
def test_which_calls_are_for_the_compact_head() -> None:
    model = build_model(SHAPE, seed=3)
    call = {"fused_lm_head": True, "labels": LABELS}
    assert is_for_compact_head(model, call)
    assert not is_for_compact_head(model, {**call, "fused_lm_head": False})
    assert not is_for_compact_head(model, {**call, "labels": None})
    assert not is_for_compact_head(model, {**call, "shift_labels": LABELS})
    assert not is_for_compact_head(model, {**call, "output_router_logits": True})
    model.get_output_embeddings().weight.ds_id = 0
    assert not is_for_compact_head(model, call)


def test_a_batch_is_large_by_all_its_logits() -> None:
    assert not is_large_on_cpu(torch.zeros(4, 512), 512)
    assert is_large_on_cpu(torch.zeros(4, 513), 512)
    assert not is_large_on_cpu(torch.zeros(4, 513, device="meta"), 512)
