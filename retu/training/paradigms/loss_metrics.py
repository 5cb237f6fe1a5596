"""What a step's history says about the policy, in the same currency as the loss.

Every metric is its micro-batch's addend of a mean over the optimiser window, so `merge_metrics`
adds them up; those whose name ends in `_max` are merged by their maximum.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from retu.config.objectives import Clip
from retu.training.paradigms.reduction import WindowCounts, reduce
from retu.training.paradigms.surrogate import clip_events, k3_divergence, shaped_probability
from retu.training.paradigms.token_batch import Tokens

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


def share(flags: Tensor, mask: Tensor, counts: WindowCounts, like: Tensor) -> Tensor:
    """Flagged tokens, (B, T) bool, as a fraction of the window's; a scalar of `like`'s dtype."""
    return reduce(flags.to(like.dtype), mask, "token_mean", counts)


@torch.no_grad()
def entropy_metrics(tokens: Tokens, counts: WindowCounts) -> Metrics:
    """Mean entropy in nats: of all tokens, of sampled and of expert ones."""
    sampled, expert = counts.sampled(), counts.expert()
    return {
        "entropy": reduce(tokens.entropy, tokens.trained, "token_mean", counts),
        "entropy_sampled": reduce(tokens.entropy, tokens.sampled, "token_mean", sampled),
        "entropy_expert": reduce(tokens.entropy, tokens.expert, "token_mean", expert),
    }


@torch.no_grad()
def ratio_metrics(
    ratio: Tensor, tokens: Tokens, mask: Tensor, clip: Clip | None, counts: WindowCounts
) -> Metrics:
    """Importance ratios of the masked tokens, of which `counts` holds the window's number.

    ratio_mean, ratio_max (0 where there is no token), old_kl (the k3 estimate of the divergence
    from the policy that sampled), and clip_low, clip_high, clip_dual: the share of tokens whose
    gradient clipping removed.
    """
    divergence = k3_divergence(tokens.log_prob, tokens.old_log_prob)
    events = clip_events(ratio, tokens.advantage, clip)
    return {
        "ratio_mean": reduce(ratio, mask, "token_mean", counts),
        "ratio_max": torch.where(mask, ratio, 0.0).amax(),
        "old_kl": reduce(divergence, mask, "token_mean", counts),
        **{f"clip_{name}": share(flags, mask, counts, ratio) for name, flags in events.items()},
    }


@torch.no_grad()
def expert_metrics(tokens: Tokens, gamma: float | None, counts: WindowCounts) -> Metrics:
    """Mean probability of expert tokens, as it is and as LUFFY shapes it."""
    expert, mask = counts.expert(), tokens.expert
    shaped = shaped_probability(tokens.log_prob, gamma)
    return {
        "expert_prob": reduce(tokens.log_prob.exp(), mask, "token_mean", expert),
        "expert_shaped_prob": reduce(shaped, mask, "token_mean", expert),
    }
