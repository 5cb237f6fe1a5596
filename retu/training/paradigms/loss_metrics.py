"""Metrics of a training step, normalised over the same window as the loss.

Every metric is its micro-batch's addend of a mean over the optimiser window, so `merge_metrics`
adds them up; those whose name ends in `_max` are merged by their maximum.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from retu.config.objectives import Clip
from retu.training.paradigms.reduction import WindowCounts, reduce_loss
from retu.training.paradigms.surrogate import (
    compute_k3_divergence,
    find_clip_events,
    shape_probability,
)
from retu.training.paradigms.token_batch import MaskedTokens

Metrics = dict[str, Tensor]


def merge_metrics(parts: Iterable[Metrics]) -> Metrics:
    """The window's metrics from those of its micro-batches.

    With several processes, take the mean over them afterwards (the maximum for `_max`): as with
    the loss, every process divides by its share of the totals.
    """
    merged: Metrics = {}
    for part in parts:
        for name, value in part.items():
            if name not in merged:
                merged[name] = value
            elif name.endswith("_max"):
                merged[name] = torch.maximum(merged[name], value)
            else:
                merged[name] = merged[name] + value
    return merged


def compute_share(flags: Tensor, mask: Tensor, counts: WindowCounts, like: Tensor) -> Tensor:
    """Flagged tokens, (B, T) bool, as a fraction of the window's; a scalar of `like`'s dtype."""
    return reduce_loss(flags.to(like.dtype), mask, "token_mean", counts)


@torch.no_grad()
def compute_entropy_metrics(tokens: MaskedTokens, counts: WindowCounts) -> Metrics:
    """Mean entropy in nats: of all tokens, of sampled and of expert ones."""
    sampled, expert = counts.select_sampled(), counts.select_expert()
    return {
        "entropy": reduce_loss(tokens.entropy, tokens.trained, "token_mean", counts),
        "entropy_sampled": reduce_loss(tokens.entropy, tokens.sampled, "token_mean", sampled),
        "entropy_expert": reduce_loss(tokens.entropy, tokens.expert, "token_mean", expert),
    }


@torch.no_grad()
def compute_ratio_metrics(
    ratio: Tensor, tokens: MaskedTokens, mask: Tensor, clip: Clip | None, counts: WindowCounts
) -> Metrics:
    """Importance ratios of the masked tokens, of which `counts` holds the window's number.

    ratio_mean, ratio_max (0 where there is no token), old_kl (the k3 estimate of the divergence
    from the policy that sampled), and clip_low, clip_high, clip_dual: the share of tokens whose
    gradient clipping removed.
    """
    divergence = compute_k3_divergence(tokens.log_prob, tokens.old_log_prob)
    events = find_clip_events(ratio, tokens.advantage, clip)
    return {
        "ratio_mean": reduce_loss(ratio, mask, "token_mean", counts),
        "ratio_max": torch.where(mask, ratio, 0.0).amax(),
        "old_kl": reduce_loss(divergence, mask, "token_mean", counts),
        **{
            f"clip_{name}": compute_share(flags, mask, counts, ratio)
            for name, flags in events.items()
        },
    }


@torch.no_grad()
def compute_expert_metrics(
    tokens: MaskedTokens, gamma: float | None, counts: WindowCounts
) -> Metrics:
    """Mean probability of expert tokens, as it is and as LUFFY shapes it."""
    expert, mask = counts.select_expert(), tokens.expert
    shaped = shape_probability(tokens.log_prob, gamma)
    return {
        "expert_prob": reduce_loss(tokens.log_prob.exp(), mask, "token_mean", expert),
        "expert_shaped_prob": reduce_loss(shaped, mask, "token_mean", expert),
    }
