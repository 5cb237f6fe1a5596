"""FLOPs of SFT and RL in the paper's convention (appendix E), and the exact forward count.

The x axes of every figure and fit (x_sft, x_rl) use the paper's convention. It charges the token
embedding as if it were a second LM head and takes one mean sequence length for all sequences.
`exact_forward_flops_per_token` counts what the hardware executes, so that the difference is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from retu.core.errors import InputError

EFLOPS = 1e18
"""FLOPs in one EFLOP, the unit of x_sft and x_rl."""

TRAIN_OVER_FORWARD = 3
"""A training pass costs one forward and a backward of two forwards."""

_REQUIRED = (
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
)


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a decoder-only transformer with gated MLP (Qwen2, Llama)."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int

    def __post_init__(self) -> None:
        """Refuse sizes that no model has."""
        for name, value in vars(self).items():
            if value < 1:
                raise InputError(f"model shape: {name} is {value}; it must be at least 1")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the keys of a Hugging Face `config.json`.

        `num_key_value_heads` defaults to the attention heads and `head_dim` to hidden / heads,
        as transformers does.

        Raises:
            InputError: a key is missing or is not a whole number.
        """
        for key in (*_REQUIRED, "num_key_value_heads", "head_dim"):
            value = config.get(key)
            if not isinstance(value, int) and (key in _REQUIRED or value is not None):
                raise InputError(
                    f"config.json: {key} is {value!r}; a Qwen2 or Llama config with a whole number"
                    " is needed"
                )
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        return cls(
            layers=config["num_hidden_layers"],
            hidden=hidden,
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or hidden // heads,
            ffn=config["intermediate_size"],
            vocab=config["vocab_size"],
        )

    @property
    def attention_width(self) -> int:
        """Width of the queries of all heads; the hidden size in every model of the paper."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Width of the keys (or of the values) of all KV heads: D_KV of the paper."""
        return self.kv_heads * self.head_dim


def forward_flops_per_token(shape: ModelShape, mean_length: float) -> float:
    """Forward FLOPs per token F(S) in the paper's convention (appendix E).

    F = 2 (L (3 H H_ff + 2 H (H + D_KV)) + 2 V H) + 4 S L H, where S = `mean_length` is the mean
    sequence length in tokens (prompt and response) and 2 V H charges embedding and LM head.
    """
    embedding_as_dense = 2 * shape.vocab * shape.hidden
    return exact_forward_flops_per_token(shape, mean_length) + embedding_as_dense


def exact_forward_flops_per_token(shape: ModelShape, mean_length: float) -> float:
    """Forward FLOPs per token that a dense eager implementation executes.

    All matrix products of sequences of `mean_length` tokens: projections, gated MLP, LM head,
    and full (not causally halved) attention. The embedding is a lookup and costs nothing.
    """
    length = _check_positive("mean_length", mean_length)
    projections = 2 * shape.hidden * (shape.attention_width + shape.kv_width)
    dense = shape.layers * (projections + 3 * shape.hidden * shape.ffn) + shape.vocab * shape.hidden
    attention = 4 * length * shape.layers * shape.attention_width
    return 2 * dense + attention


def sft_step_flops(shape: ModelShape, batch: float, mean_length: float) -> float:
    """FLOPs of one SFT step on `batch` sequences: 3 B S F (appendix E)."""
    tokens = _check_positive("batch", batch) * mean_length
    return TRAIN_OVER_FORWARD * tokens * forward_flops_per_token(shape, mean_length)


def rl_flops(
    shape: ModelShape, forward_tokens: float, trained_tokens: float, mean_length: float
) -> float:
    """FLOPs of RL: (forward + 3 trained) F, the formulas of appendix E for every paradigm.

    Tokens that dynamic sampling discards have been generated, so they count as forward ones. With K
    rounds, G rollouts, B_gen and B_train prompts of mean length S, forward = K B_gen G S and
    trained = B_train G S; LUFFY and SRFT charge a forward pass for the expert's tokens, too. The
    pass for the old policy's log-probabilities is not counted, as in the paper.

    Raises:
        InputError: a negative count or a length that is not positive.
    """
    for name, count in (("forward", forward_tokens), ("trained", trained_tokens)):
        if count < 0:
            raise InputError(f"RL compute: {name} tokens is {count}; it must not be negative")
    passes = forward_tokens + TRAIN_OVER_FORWARD * trained_tokens
    return passes * forward_flops_per_token(shape, mean_length)


def rl_flops_by_parameters(
    parameters: float, forward_tokens: float, trained_tokens: float
) -> float:
    """`rl_flops` where only the number of parameters is known: F = 2 parameters.

    Attention is left out and the embedding counted once: for Qwen2.5-7B 5% less than by its shape
    at 2,000 tokens a sequence, 18% less at 8,000.

    Raises:
        InputError: a number of parameters that is not positive.
    """
    passes = forward_tokens + TRAIN_OVER_FORWARD * trained_tokens
    return 2 * _check_positive("parameters", parameters) * passes


def _check_positive(name: str, value: float) -> float:
    if not value > 0:
        raise InputError(f"compute: {name} is {value}; it must be positive")
    return value
