"""The head of a model in training, over the tokens that count, where it would be large.

TRL's trainers score tokens by a head that their models are given (`add_fused_lm_head`). With
Triton it leaves out what no label asks for. Without, on CPUs, it computes every position, of the
prompt and padding too, in tiles of half a gigabyte with copies of them. Here `TokenScores` computes
labelled positions alone, for large batches and for models with a lean decoder. Other small batches
are left to TRL, to the bit; so is every head that is more than a product with weights that are all
here.
"""

import functools
import types
from typing import Any

from torch import Tensor

from retu.models.lean_decoder import has_lean_decoder
from retu.training.memory.labels import IGNORED_LABEL

SMALL_LOGITS = 2**20
"""Logits of a batch, every position counted, up to which TRL's head runs (4 MB in float32)."""
SCALES = (
    *("final_logit_softcapping", "output_multiplier", "lm_head_multiplier"),
    *("logit_scale", "logits_scaling"),
)
"""Settings of configurations that make logits more than a product."""


def install_compact_head(
    model: Any, temperature: float = 1.0, *, entropy: bool = True, top1: bool = False
) -> None:
    """Let a model's calls with `fused_lm_head=True` score labelled positions alone.

    Args:
        model: one that TRL's trainer has given its head; not an adapter around it.
        temperature: what logits are divided by.
        entropy, top1: whether to compute entropies, and whether labels are the likeliest tokens.
    """
    stock = model.forward
    if has_scaled_logits(model.config.get_text_config()):
        return

    # The signature stays: generation checks its arguments against it.
    @functools.wraps(type(model).forward)
    def run_forward(self: Any, *given: Any, **options: Any) -> Any:
        if not is_for_compact_head(self, options):
            return stock(*given, **options)
        del options["fused_lm_head"]
        options.pop("num_items_in_batch", None)
        labels = options.pop("labels")
        options["use_cache"] = False
        hidden = self.base_model(*given, **options).last_hidden_state
        return score_labels(self, hidden, labels, (temperature, entropy, top1))

    model.forward = types.MethodType(run_forward, model)


def unwrap_adapter(model: Any) -> Any:
    """The model below an adapter; without one, itself."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def has_scaled_logits(config: Any) -> bool:
    """Whether a model of this configuration caps or scales its logits."""
    return any(getattr(config, name, None) not in (None, 1, 1.0) for name in SCALES)


def is_for_compact_head(model: Any, options: dict[str, Any]) -> bool:
    """Whether a call is for the compact head: whole weights, and many logits or a lean decoder."""
    labels = options.get("labels")
    if not options.get("fused_lm_head") or labels is None:
        return False
    if options.get("shift_labels") is not None or options.get("output_router_logits"):
        return False
    weight = model.get_output_embeddings().weight
    # ZeRO keeps parts of a weight, and names them in it; so do other ways of sharding.
    whole = type(weight).__name__ in ("Parameter", "Tensor") and not hasattr(weight, "ds_id")
    return bool(whole and (has_lean_decoder(model) or is_large_on_cpu(labels, len(weight))))


def is_large_on_cpu(ids: Tensor, vocabulary: int) -> bool:
    """Whether a batch of ids (B, T) on a CPU has more logits than `SMALL_LOGITS`."""
    return bool(ids.device.type == "cpu" and ids.numel() * vocabulary > SMALL_LOGITS)


def score_labels(
    model: Any, hidden: Tensor, labels: Tensor, asked: tuple[float, bool, bool]
) -> Any:
    """TRL's output of a fused head, zeros where there is no label.

    Args:
        model: whose head is used.
        hidden: (B, T, H), of all positions.
        labels: (B, T); that of a position is scored by the position before it.
        asked: temperature, entropies, likeliest tokens, as for `install_compact_head`.
    """
    from trl.trainer.utils import FusedCausalLMOutput

    from retu.training.memory.token_scores import TokenScores

    head = model.get_output_embeddings()
    labels = labels[:, 1:]
    mask = labels != IGNORED_LABEL
    bias = getattr(head, "bias", None)
    made = TokenScores.apply(hidden[:, :-1][mask], head.weight, bias, labels[mask], *asked)
    # Scattered, zeros of a batch without labels still belong to the graph.
    scattered: list[Any] = [
        None if part is None else part.new_zeros(mask.shape).masked_scatter(mask, part)
        for part in made
    ]
    log_probs, entropy, is_top1 = scattered
    return FusedCausalLMOutput(
        loss=-log_probs.sum() / mask.sum().clamp(min=1),
        log_probs=log_probs,
        entropy=entropy,
        is_top1=is_top1,
        label_mask=mask,
    )
