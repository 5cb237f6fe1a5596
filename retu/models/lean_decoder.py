"""The decoder of a small model on a CPU, in a third of the operations of its library's.

A model with a hidden size of 64 spends most of its time between its products: in masks, in copies,
in modules that call modules. Here the same weights go through

    tokens alone: padding is in no product, only in attention
    one product for queries, keys and values, and one for both halves of the feed-forward layer
    rows that start at their first token, so that attention needs no mask

Numbers differ from the library's in their last digits. Only plain models of `FAMILIES` whose call
asks for hidden states and nothing else go this way.
"""

import types
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, rms_norm, scaled_dot_product_attention, silu

from retu.models.token_tree import TokenTree, grow_token_tree, spread_tokens

FAMILIES = frozenset({"Qwen2ForCausalLM", "LlamaForCausalLM"})
SMALL = 256
"""Hidden size up to which a model is small; products dominate above it."""
QUIET = frozenset({"use_cache", "return_dict", "cache_position", "logits_to_keep"})
"""Options of a call that change nothing of its hidden states."""


def is_small_decoder(model: Any) -> bool:
    """Whether a model is a small, plain one of `FAMILIES` on a CPU, in float32."""
    config = model.config
    if type(model).__name__ not in FAMILIES or config.hidden_size > SMALL:
        return False
    rope = getattr(config, "rope_parameters", None) or {}
    usual = (
        config.hidden_act == "silu"
        and not config.attention_dropout
        and rope.get("rope_type", "default") == "default"
        and not getattr(config, "use_sliding_window", False)
    )
    weight = model.get_input_embeddings().weight
    return bool(usual and weight.device.type == "cpu" and weight.dtype == torch.float32)


def install_lean_decoder(model: Any) -> Any:
    """Let a small model compute hidden states by `compute_hidden_states`; others stay as they are.

    Returns:
        the model.
    """
    if not is_small_decoder(model):
        return model
    backbone = model.model

    def run_forward(
        self: Any, input_ids: Any = None, attention_mask: Any = None, **options: Any
    ) -> Any:
        if not is_plain_call(self, input_ids, attention_mask, options):
            # By the class: a copy of the model has this function, and weights of its own.
            stock = type(self).forward
            return stock(self, input_ids=input_ids, attention_mask=attention_mask, **options)
        from transformers.modeling_outputs import BaseModelOutputWithPast

        hidden = compute_hidden_states(self, input_ids, attention_mask)
        return BaseModelOutputWithPast(last_hidden_state=hidden)

    backbone.forward = types.MethodType(run_forward, backbone)
    model.lean_decoder = True
    return model


def has_lean_decoder(model: Any) -> bool:
    """Whether `install_lean_decoder` took a model, and its weights are still plain and here."""
    # An adapter around a model hands its attributes on.
    own = type(model).__name__ in FAMILIES and getattr(model, "lean_decoder", False)
    plain_head = type(model.get_output_embeddings()) is nn.Linear if own else False
    return plain_head and is_plain_backbone(model.model)


def is_plain_call(backbone: Any, ids: Any, mask: Any, options: dict[str, Any]) -> bool:
    """Whether a call is for hidden states of whole rows and nothing else."""
    asked = {name for name, value in options.items() if value is not None} - QUIET
    rows = ids is not None and (mask is None or mask.dim() == 2)
    # A prompt's keys are asked for by whoever generates with the library.
    kept = bool(options.get("use_cache")) and not torch.is_grad_enabled()
    return rows and not kept and not asked and is_plain_backbone(backbone)


def is_plain_backbone(backbone: Any) -> bool:
    """Whether weights are where they were made: no adapter, shard, autocast or recomputation."""
    weight = backbone.embed_tokens.weight
    return (
        type(backbone.embed_tokens) is nn.Embedding
        and all(type(one) is nn.Linear for layer in backbone.layers for one in list_products(layer))
        and weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and not hasattr(weight, "ds_id")
        and not (backbone.training and getattr(backbone, "gradient_checkpointing", False))
        and not torch.is_autocast_enabled("cpu")
    )


def list_products(layer: Any) -> tuple[Any, ...]:
    """What a layer of the library multiplies by; an adapter may be around any of them."""
    attention, mlp = layer.self_attn, layer.mlp
    return (
        *(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        *(mlp.gate_proj, mlp.up_proj, mlp.down_proj),
    )


@dataclass(frozen=True)
class FusedLayer:
    """A layer's weights, as few products take them.

    Attributes:
        into, out: the weights of both norms, (H,).
        qkv, qkv_bias: of queries, keys and values, (heads + 2 shared heads) * size rows.
        mixed: (H, heads * size), of attention's output.
        gate_up: (2 * intermediate, H), both halves of the feed-forward layer.
        down: (H, intermediate).
    """

    into: Tensor
    out: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    mixed: nn.Linear
    gate_up: Tensor
    gate_up_bias: Tensor | None
    down: nn.Linear


def fuse_layer(layer: Any) -> FusedLayer:
    """The weights of a layer of the library; gradients flow back to its own."""
    attention, mlp = layer.self_attn, layer.mlp
    qkv, qkv_bias = join_products(attention.q_proj, attention.k_proj, attention.v_proj)
    gate_up, gate_up_bias = join_products(mlp.gate_proj, mlp.up_proj)
    return FusedLayer(
        into=layer.input_layernorm.weight,
        out=layer.post_attention_layernorm.weight,
        qkv=qkv,
        qkv_bias=qkv_bias,
        mixed=attention.o_proj,
        gate_up=gate_up,
        gate_up_bias=gate_up_bias,
        down=mlp.down_proj,
    )


def join_products(*parts: nn.Linear) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of several products of the same input, one below the other."""
    weight = torch.cat([part.weight for part in parts])
    biases = [part.bias for part in parts if part.bias is not None]
    return weight, torch.cat(biases) if biases else None


class LeanLayers:
    """A backbone's layers with joined weights, and what they have in common.

    Args:
        backbone: of `FAMILIES`.
    """

    def __init__(self, backbone: Any) -> None:
        config = backbone.config
        self.backbone = backbone
        self.size = getattr(config, "head_dim", None) or (
            config.hidden_size // config.num_attention_heads
        )
        self.heads: int = config.num_attention_heads
        self.shared: int = config.num_key_value_heads
        self.eps: float = config.rms_norm_eps
        self.width: int = config.hidden_size
        self.layers = [fuse_layer(layer) for layer in backbone.layers]

    def make_rotations(self, length: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines, (length, 1, size), for the heads of tokens at positions from 0 on."""
        positions = torch.arange(length)[None]
        cos, sin = self.backbone.rotary_emb(self.layers[0].into, positions)
        half = self.size // 2
        # The second half turns by the first half's negative: the sign is put here, once.
        signed = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
        return cos[0, :, None], signed[0, :, None]

    def project(
        self, layer: FusedLayer, hidden: Tensor, turns: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Turned queries and keys, (N, heads + shared, size), and values, (N, shared, size)."""
        normed = rms_norm(hidden, (self.width,), layer.into, self.eps)
        joined = linear(normed, layer.qkv, layer.qkv_bias).view(len(hidden), -1, self.size)
        turned = joined[:, : self.heads + self.shared]
        swapped = turned.roll(self.size // 2, dims=-1)
        return turned * turns[0] + swapped * turns[1], joined[:, self.heads + self.shared :]

    def attend(self, turned: Tensor, values: Tensor, tree: TokenTree) -> tuple[Tensor, ...]:
        """Attention's output (N, heads * size), and rows' keys and values, in their own order.

        Keys and values are (B, shared, longest, size).
        """
        queries, keys = turned.split([self.heads, self.shared], dim=1)
        wide, wide_keys, wide_values = (
            spread_tokens(part, tree.of_rows) for part in (queries, keys, values)
        )
        mixed = scaled_dot_product_attention(
            wide, wide_keys, wide_values, is_causal=True, enable_gqa=self.heads != self.shared
        )
        flat = mixed.transpose(1, 2).reshape(-1, self.heads * self.size)
        return flat[tree.places], wide_keys, wide_values

    def close(self, layer: FusedLayer, hidden: Tensor, mixed: Tensor) -> Tensor:
        """The layer's output (N, H), from attention's (N, heads * size)."""
        hidden = hidden + linear(mixed, layer.mixed.weight, layer.mixed.bias)
        normed = rms_norm(hidden, (self.width,), layer.out, self.eps)
        gate, up = linear(normed, layer.gate_up, layer.gate_up_bias).chunk(2, dim=-1)
        return hidden + linear(silu(gate) * up, layer.down.weight, layer.down.bias)

    def embed(self, ids: Tensor) -> Tensor:
        """Hidden states (N, H) of tokens (N,)."""
        return embedding(ids, self.backbone.embed_tokens.weight)

    def finish(self, hidden: Tensor) -> Tensor:
        """The last norm, (N, H)."""
        return rms_norm(hidden, (self.width,), self.backbone.norm.weight, self.eps)


def compute_hidden_states(backbone: Any, ids: Tensor, mask: Tensor | None) -> Tensor:
    """Hidden states (B, T, H) of rows (B, T); zeros at padding.

    Args:
        backbone: as `is_plain_backbone` wants it.
        ids: token ids.
        mask: (B, T), 1 for tokens, which lie side by side in a row; None: all are.
    """
    layers = LeanLayers(backbone)
    tree = grow_token_tree(ids, torch.ones_like(ids) if mask is None else mask)
    turns = select_turns(layers.make_rotations(tree.of_rows.shape[1]), tree.positions)
    hidden = layers.embed(tree.ids)
    for layer in layers.layers:
        turned, values = layers.project(layer, hidden, turns)
        mixed, *_ = layers.attend(turned, values, tree)
        hidden = layers.close(layer, hidden, mixed)
    hidden = layers.finish(hidden)
    return torch.cat([hidden, hidden.new_zeros(1, layers.width)])[tree.of_batch]


def select_turns(turns: tuple[Tensor, Tensor], positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (N, 1, size) at positions (N,), of those of all positions."""
    return turns[0][positions], turns[1][positions]
