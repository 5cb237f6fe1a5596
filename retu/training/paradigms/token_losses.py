"""The tokens of a micro-batch with their roles, and losses of single tokens.

All losses are to be minimised, and take advantages as constants.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from retu.config.objectives import Clip, EntropyScope
from retu.core.errors import InputError
from retu.training.paradigms.reduction import compute_row_means

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to +-20 before exp, as in the verl version the paper used."""
SRFT_SFT = 0.5
"""Factor of exp(-H) in SRFT's imitation of demonstrations; fixed in the authors' code."""
SRFT_RIGHT = 0.1
"""Factor of exp(H) in SRFT's weight of right rollouts; fixed in the authors' code."""


@dataclass(frozen=True)
class PolicyBatch:
    """B completions of at most T tokens. Optional tensors that are left out mean "none", "all".

    Only `log_prob`, and `entropy` in an entropy bonus, carry gradients; the rest are constants.
    Values at tokens that are masked or in inactive rows are never used, whatever they are.

    log_prob: (B, T) log-probabilities of the tokens under the current policy, in nats.
    old_log_prob: (B, T) under the policy that sampled the batch, by the training engine; for a
        batch used once, `log_prob.detach()`. Expert rows of LUFFY, SRFT and UPT do not use it.
    entropy: (B, T) entropy of the current policy over the vocabulary at every token, in nats.
    mask: (B, T), non-zero at completion tokens.
    advantage: (B,) or (B, T).
    reward: (B,), 1 for right; needed by SRFT alone.
    expert_row: (B,) bool, complete expert trajectories; none if not given.
    imitated: (B,) bool, the expert rows that UPT trains by SFT and not by RL; all if not given.
    prefix: (B, T) bool, tokens of an expert prefix in hybrid rows; none if not given.
    active: (B,) bool, rows that count; the others pass through the model and add zero.
    reference_log_prob: (B, T) under a reference model; needed with a KL term alone.

    Raises:
        ValueError: shapes do not agree.
    """

    log_prob: Tensor
    old_log_prob: Tensor
    entropy: Tensor
    mask: Tensor
    advantage: Tensor
    reward: Tensor | None = None
    expert_row: Tensor | None = None
    imitated: Tensor | None = None
    prefix: Tensor | None = None
    active: Tensor | None = None
    reference_log_prob: Tensor | None = None

    def __post_init__(self) -> None:
        tokens = self.log_prob.shape
        rows = tokens[:1]
        advantage = rows if self.advantage.dim() == 1 else tokens
        expected = {
            **dict.fromkeys(("old_log_prob", "entropy", "mask", "prefix"), tokens),
            **dict.fromkeys(("reward", "expert_row", "imitated", "active"), rows),
            "reference_log_prob": tokens,
            "advantage": advantage,
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ValueError(f"{name}: has shape {tuple(value.shape)}, not {tuple(shape)}")


def make_policy_batch(
    batch: Mapping[str, Tensor], log_prob: Tensor, entropy: Tensor
) -> PolicyBatch:
    """A micro-batch as the losses read it.

    Without old log-probabilities the batch is used for one update, so they are the current ones.

    Args:
        batch: a part of what `make_buffer` made.
        log_prob, entropy: (B, T), of its completions under the current policy, in nats.
    """
    old = batch.get("old_per_token_logps")
    return PolicyBatch(
        log_prob=log_prob,
        old_log_prob=log_prob.detach() if old is None else old,
        entropy=entropy,
        mask=batch["completion_mask"],
        advantage=batch["advantages"],
        reward=batch["accuracy"],
        expert_row=batch["expert_row"],
        imitated=batch["imitated"],
        prefix=batch["prefix"],
        active=batch["active"],
        reference_log_prob=batch.get("ref_per_token_logps"),
    )


@dataclass(frozen=True)
class MaskedTokens:
    """A batch with masked positions set to 0, (B, T), and the role of every token.

    Roles are bool. trained: completion tokens of active rows; among these, sampled: of rows that
    are no expert trajectories; expert: of those that are; imitated: of the experts that train by
    SFT; prefix: of an expert prefix.
    """

    log_prob: Tensor
    old_log_prob: Tensor
    entropy: Tensor
    advantage: Tensor
    trained: Tensor
    sampled: Tensor
    expert: Tensor
    imitated: Tensor
    prefix: Tensor


def mask_tokens(batch: PolicyBatch) -> MaskedTokens:
    """Read a batch without the values that do not count.

    A zero mask alone would not do: 0 * inf is NaN, forward as well as backward, and padding may
    hold anything. Selecting cuts the gradient of such places to exactly zero, while the result
    still depends on `log_prob`, so that a backward pass reaches the model in every case.
    """
    trained = batch.mask.bool()
    if batch.active is not None:
        trained = trained & batch.active[:, None]
    expert = torch.zeros_like(trained)
    if batch.expert_row is not None:
        expert = trained & batch.expert_row[:, None]
    imitated = expert if batch.imitated is None else expert & batch.imitated[:, None]
    prefix = torch.zeros_like(trained) if batch.prefix is None else trained & batch.prefix
    advantage = batch.advantage[:, None] if batch.advantage.dim() == 1 else batch.advantage
    return MaskedTokens(
        log_prob=torch.where(trained, batch.log_prob, 0.0),
        old_log_prob=torch.where(trained, batch.old_log_prob, 0.0),
        entropy=torch.where(trained, batch.entropy, 0.0),
        advantage=torch.where(trained, advantage.detach(), 0.0),
        trained=trained,
        sampled=trained & ~expert,
        expert=expert,
        imitated=imitated,
        prefix=prefix,
    )


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


def compute_srft_imitation_loss(log_prob: Tensor, entropy: Tensor, mask: Tensor) -> Tensor:
    """SRFT's SFT loss per expert token: 0.5 exp(-H) * -log pi, H the row's mean entropy.

    The more certain the policy is of a demonstration, the more it imitates it. H is a constant.

    Args:
        log_prob, entropy: (B, T), in nats.
        mask: (B, T) bool, the tokens over which H is the mean.
    """
    weight = SRFT_SFT * (-compute_row_means(entropy, mask)).exp()
    return weight.detach()[:, None] * -log_prob


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
    right = SRFT_RIGHT * compute_row_means(entropy, mask).exp()
    weight = torch.where(reward == 1, right, -1.0).detach()
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
