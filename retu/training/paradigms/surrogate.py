"""Policy-gradient losses per token: importance ratios, clipping and LUFFY's policy shaping.

All of them are losses, i.e. to be minimised, and take advantages as constants.
"""

import math

import torch
from torch import Tensor

from retu.config.objectives import Clip

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to +-20 before exp, as in the verl version the paper used."""


def compute_importance_ratio(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """The ratio pi / pi_old of every token, (B, T); the old policy is a constant.

    Where the old log-probability is missing (NaN), so is the ratio, but without a gradient: clamp
    passes none to NaN. Expert tokens may thus lack one if their ratio is not used.
    """
    log_ratio = log_prob - old_log_prob.detach()
    return log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()


def compute_surrogate_loss(ratio: Tensor, advantage: Tensor, clip: Clip | None) -> Tensor:
    """The policy-gradient loss of every token: -A * ratio, or PPO's pessimistic form of it.

    With a clip: max(-A * ratio, -A * clip(ratio)), for A < 0 not above -A * dual (dual-clip PPO).
    Capping the ratio itself says the same, because dual > 1 + high.

    Args:
        ratio: (B, T).
        advantage: (B, T), a constant.
        clip: the trust region; None for none (LUFFY, UPT).

    Returns:
        (B, T).
    """
    if clip is None:
        return -(ratio * advantage)
    clipped = ratio.clamp(1 - clip.low, 1 + clip.high)
    capped = ratio if clip.dual is None else ratio.clamp(max=clip.dual)
    return -torch.minimum(capped * advantage, clipped * advantage)


def find_clip_events(ratio: Tensor, advantage: Tensor, clip: Clip | None) -> dict[str, Tensor]:
    """Where clipping takes a token's gradient away, (B, T) bool: `low`, `high` and `dual`."""
    if clip is None:
        return {}
    events = {
        "low": (ratio < 1 - clip.low) & (advantage < 0),
        "high": (ratio > 1 + clip.high) & (advantage > 0),
    }
    if clip.dual is not None:
        events["dual"] = (ratio > clip.dual) & (advantage < 0)
    return events


def shape_probability(log_prob: Tensor, gamma: float | None) -> Tensor:
    """LUFFY's policy shaping f(p) = p / (p + gamma) of expert tokens; p itself if gamma is None.

    Its gradient by log p, gamma * p / (p + gamma)^2, is largest at p = gamma, so that improbable
    tokens of the expert are learnt, too. Computed as sigmoid(log p - log gamma), which has no 0/0.

    Args:
        log_prob: of any shape.
        gamma: positive.
    """
    return log_prob.exp() if gamma is None else torch.sigmoid(log_prob - math.log(gamma))


def compute_k3_divergence(log_prob: Tensor, reference_log_prob: Tensor) -> Tensor:
    """The k3 estimate of KL(pi || reference) per token: exp(d) - d - 1, d = log reference / pi."""
    difference = (reference_log_prob.detach() - log_prob).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    return difference.exp() - difference - 1
