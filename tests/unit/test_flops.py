"""FLOPs: the paper's convention against released values, the exact count against torch."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from retu.compute.flops import (
    EFLOPS,
    ModelShape,
    exact_forward_flops_per_token,
    forward_flops_per_token,
    rl_flops,
    sft_step_flops,
)
from retu.core.errors import InputError

QWEN_7B = {
    "num_hidden_layers": 28,
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
    "vocab_size": 152064,
}
TINY: dict[str, Any] = {
    "num_hidden_layers": 2,
    "hidden_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 80,
    "vocab_size": 37,
    "attn_implementation": "eager",
}
TINY_WIDE_HEADS = {**TINY, "head_dim": 20}  # heads * head_dim = 80, not the hidden size
BATCH, LENGTH = 3, 40
MODELS = [
    pytest.param(Qwen2Config, Qwen2ForCausalLM, TINY, id="qwen2"),
    pytest.param(LlamaConfig, LlamaForCausalLM, TINY, id="llama"),
    pytest.param(LlamaConfig, LlamaForCausalLM, TINY_WIDE_HEADS, id="llama-wide-heads"),
]


def count_torch_flops(config: Any, model_class: Any, train: bool) -> int:
    """FLOPs that torch counts for one forward (and backward) of a random batch."""
    model = model_class(config)
    tokens = torch.randint(0, config.vocab_size, (BATCH, LENGTH))
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(train):
        logits = model(tokens, use_cache=False).logits
        if train:
            logits.sum().backward()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("train", [False, True], ids=["forward", "training"])
@pytest.mark.parametrize(("config_class", "model_class", "sizes"), MODELS)
def test_exact_count_equals_torch(
    config_class: Any, model_class: Any, sizes: dict[str, Any], train: bool
) -> None:
    config = config_class(**sizes)
    shape = ModelShape.from_config(config.to_dict())
    exact = BATCH * LENGTH * exact_forward_flops_per_token(shape, LENGTH) * (3 if train else 1)
    # torch also sees the rotary angles as a matrix product of positions and frequencies: at most
    # one multiply-add per token and head channel, without gradient. Nothing else may differ.
    rotary = 2 * BATCH * LENGTH * shape.head_dim
    assert 0 <= count_torch_flops(config, model_class, train) - exact <= rotary


@pytest.mark.parametrize(
    ("mean_length", "batch", "eflops"),
    [
        (3771, 512, 0.096987133),
        (2217, 512, 0.054895291),
        (3747, 512, 0.096314426),
        (8633, 512, 0.247913306),
        (10011, 16, 0.009249713),
    ],
    ids=["SFT889K", "Easy102K", "Uniform102K", "Hard102K", "S1K"],
)
def test_sft_step_equals_released_eflops(mean_length: int, batch: int, eflops: float) -> None:
    shape = ModelShape.from_config(QWEN_7B)
    assert round(sft_step_flops(shape, batch, mean_length) / EFLOPS, 9) == eflops


def test_paper_convention_charges_the_embedding_as_a_second_head() -> None:
    shape = ModelShape.from_config(QWEN_7B)
    difference = forward_flops_per_token(shape, 3771) - exact_forward_flops_per_token(shape, 3771)
    assert difference == 2 * 152064 * 3584


def test_rl_charges_discarded_sequences_as_generated() -> None:
    shape = ModelShape.from_config(QWEN_7B)
    per_sequence = 2000 * forward_flops_per_token(shape, 2000)
    # Two rounds of 128 prompts x 8, of which 64 x 8 sequences are trained on.
    spent = rl_flops(shape, 2048 * 2000, 512 * 2000, 2000)
    assert spent == pytest.approx((2048 + 3 * 512) * per_sequence)
    assert rl_flops(shape, 512 * 2000, 512 * 2000, 2000) == pytest.approx(4 * 512 * per_sequence)
    assert rl_flops(shape, 128 * 2000, 0, 2000) == pytest.approx(128 * per_sequence)


def test_config_defaults_follow_transformers() -> None:
    config = {**QWEN_7B, "num_key_value_heads": None, "head_dim": None}
    shape = ModelShape.from_config(config)
    assert (shape.kv_heads, shape.head_dim) == (28, 128)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"vocab_size": None}, "vocab_size"),
        ({"hidden_size": "3584"}, "hidden_size"),
        ({"head_dim": 12.5}, "head_dim"),
        ({"num_hidden_layers": 0}, "layers"),
    ],
)
def test_bad_config_names_the_key(change: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        ModelShape.from_config({**QWEN_7B, **change})


def test_bad_counts_are_refused() -> None:
    shape = ModelShape.from_config(QWEN_7B)
    with pytest.raises(InputError, match="forward"):
        rl_flops(shape, -1, 0, 100)
    with pytest.raises(InputError, match="batch"):
        sft_step_flops(shape, 0, 100)
    with pytest.raises(InputError, match="mean_length"):
        forward_flops_per_token(shape, float("nan"))
