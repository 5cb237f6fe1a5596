"""Imitation losses (SFT, SRFT) and entropy masks (Prefix-RFT)."""

import math

import torch
from torch import Tensor

from retu.config.objectives import EntropyScope
from retu.core.errors import InputError
from retu.training.paradigms.reduction import compute_row_means

SRFT_SFT = 0.5
"""Factor of exp(-H) in SRFT's imitation of demonstrations; fixed in the authors' code."""
SRFT_WIN = 0.1
"""Factor of exp(H) in SRFT's weight of right rollouts; fixed in the authors' code."""


def compute_nll(log_prob: Tensor) -> Tensor:
    """The loss of SFT per token, -log pi: (B, T) -> (B, T), in nats."""
    return -log_prob


def compute_srft_imitation_loss(log_prob: Tensor, entropy: Tensor, mask: Tensor) -> Tensor:
    """SRFT's SFT loss per expert token: 0.5 exp(-H) * -log pi, H the row's mean entropy.

    The more certain the policy is of a demonstration, the more it imitates it. H is a constant.

    Args:
        log_prob, entropy: (B, T), in nats.
        mask: (B, T) bool, the tokens over which H is the mean.
    """
    weight = SRFT_SFT * (-compute_row_means(entropy, mask)).exp()
    return weight.detach()[:, None] * compute_nll(log_prob)


def compute_srft_self_loss(score: Tensor, entropy: Tensor, mask: Tensor, reward: Tensor) -> Tensor:
    """SRFT's loss per on-policy token: -c * score with c = 0.1 exp(H) if the row is right, else -1.

    With `score` = log pi, the default of the authors' code, a wrong row's loss is +log pi: linear,
    unclipped and unbounded below, the reason why SRFT diverges. With `score` = the ratio pi/pi_old
    its gradient vanishes with the probability.

    Args:
        score: (B, T), log-probabilities or ratios.
        entropy: (B, T), in nats; H is a row's mean of it and a constant.
        mask: (B, T) bool, the tokens over which H is the mean.
        reward: (B,), right where it is 1.
    """
    win = SRFT_WIN * compute_row_means(entropy, mask).exp()
    weight = torch.where(reward == 1, win, -1.0).detach()
    return -weight[:, None] * score


def find_low_entropy_tokens(
    entropy: Tensor, prefix: Tensor, keep_fraction: float, scope: EntropyScope = "row"
) -> Tensor:
    """Prefix-RFT's entropy mask: the prefix tokens that are not trained on.

    Of N prefix tokens the floor(N * (1 - keep_fraction)) of lowest entropy; of equal ones the
    earlier first. Their advantage becomes 0, but they stay in the denominators of reductions.

    Args:
        entropy: (B, T) in nats, a constant.
        prefix: (B, T) bool, the expert's tokens.
        keep_fraction: share of the prefix tokens that stay trained on, 0 to 1 (RETU: 0.2).
        scope: among which tokens to rank, those of the row or those of the whole batch. Only the
            first is independent of how a window is split into micro-batches; the authors' code
            ranks over a micro-batch.

    Returns:
        (B, T) bool.

    Raises:
        InputError: the fraction is outside 0 to 1.
    """
    if not 0 <= keep_fraction <= 1:
        raise InputError(
            f"entropy_keep: is {keep_fraction}; choose a share from 0 (none) to 1 (all tokens)"
        )
    shape = entropy.shape if scope == "row" else (1, entropy.numel())
    candidates = prefix.reshape(shape)
    ranked = torch.where(candidates, entropy.detach().reshape(shape), math.inf)
    order = ranked.argsort(dim=-1, stable=True)
    rank = torch.empty_like(order).scatter_(
        -1, order, torch.arange(shape[-1], device=entropy.device).expand(shape)
    )
    # The tolerance mends products such as 10 * (1 - 0.9), which is just below 1 in floating point.
    dropped = (candidates.sum(-1, keepdim=True).double() * (1 - keep_fraction) + 1e-9).floor()
    return (candidates & (rank < dropped)).reshape(prefix.shape)
