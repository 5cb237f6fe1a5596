"""What an objective reads: a micro-batch of completions, and which tokens play which role."""

from dataclasses import dataclass

import torch
from torch import Tensor


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
