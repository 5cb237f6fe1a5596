"""The loss of every paradigm that the paper compares, on one micro-batch.

Below, A is the advantage, r a row's reward, p = pi(y_t | ...) a token's probability, rho =
pi / pi_old its ratio, f(p) = p / (p + gamma), and H a row's mean entropy. Advantages, old
probabilities, H and masks are constants. "mean" is the reduction of the settings; "token mean" is
one in any case. Where the authors' code differs from their paper, the code is followed, because the
compared runs were made with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from retu.config.objectives import Clip, ObjectiveSettings
from retu.core.errors import InputError
from retu.training.paradigms.metrics import (
    Metrics,
    compute_entropy_metrics,
    compute_expert_metrics,
    compute_ratio_metrics,
    compute_share,
)
from retu.training.paradigms.reduction import WindowCounts, reduce_loss
from retu.training.paradigms.token_losses import (
    MaskedTokens,
    PolicyBatch,
    compute_importance_ratio,
    compute_k3_divergence,
    compute_srft_imitation_loss,
    compute_srft_self_loss,
    compute_surrogate_loss,
    find_low_entropy_tokens,
    mask_tokens,
    shape_probability,
)

Terms = dict[str, Tensor]
"""The summands of a loss by name, weights and signs included."""


@dataclass(frozen=True)
class LossInputs:
    """What every paradigm gets: tokens and roles, rewards (B,), its settings, the window."""

    tokens: MaskedTokens
    reward: Tensor | None
    settings: ObjectiveSettings
    counts: WindowCounts


@dataclass(frozen=True)
class ObjectiveTerms:
    """A micro-batch's addend of the window's loss.

    loss: scalar to call `backward` on, not to be divided by the number of micro-batches.
    terms: its summands, weights and signs included, detached.
    metrics: see `merge_metrics`, detached.
    """

    loss: Tensor
    terms: Terms
    metrics: Metrics


def compute_objective(
    batch: PolicyBatch, settings: ObjectiveSettings, counts: WindowCounts
) -> ObjectiveTerms:
    """Compute a paradigm's loss on one micro-batch of an optimiser window.

    The sum over the window's micro-batches (and the mean over processes) is the window's loss,
    however its rows are split; only `entropy_scope="batch"` depends on the split.

    Args:
        batch: B rows of at most T tokens.
        settings: the method and its constants.
        counts: totals of the whole window, not of `batch`.

    Raises:
        InputError: the method needs rewards, or the KL term a reference, that is not there.
    """
    inputs = LossInputs(mask_tokens(batch), batch.reward, settings, counts)
    terms, metrics = PARADIGMS[settings.method](inputs)
    terms |= compute_regularisers(inputs, batch.reference_log_prob)
    loss = sum(terms.values())
    detached = {name: term.detach() for name, term in terms.items()}
    return ObjectiveTerms(loss, detached, metrics | compute_entropy_metrics(inputs.tokens, counts))


def compute_regularisers(inputs: LossInputs, reference: Tensor | None) -> Terms:
    """The entropy bonus (a token mean) and the divergence from a reference, where asked for."""
    tokens, settings, counts = inputs.tokens, inputs.settings, inputs.counts
    terms: Terms = {}
    if settings.entropy_coef > 0:
        bonus = reduce_loss(tokens.entropy, tokens.trained, "token_mean", counts)
        terms["entropy_bonus"] = -settings.entropy_coef * bonus
    if settings.kl_coef > 0:
        if reference is None:
            raise InputError(
                "kl_coef: is positive, but the batch has no log-probabilities of a reference"
                " model; give them or set it to 0"
            )
        divergence = compute_k3_divergence(
            tokens.log_prob, torch.where(tokens.trained, reference, 0.0)
        )
        reduced = reduce_loss(divergence, tokens.trained, settings.reduction, counts)
        terms["kl"] = settings.kl_coef * reduced
    return terms


def compute_policy_loss(inputs: LossInputs) -> tuple[Tensor, Tensor]:
    """Importance ratios, and the losses max(-A rho, -A clip(rho)) of all tokens, (B, T) each."""
    tokens = inputs.tokens
    ratio = compute_importance_ratio(tokens.log_prob, tokens.old_log_prob)
    return ratio, compute_surrogate_loss(ratio, tokens.advantage, inputs.settings.clip)


def compute_expert_policy_loss(inputs: LossInputs, mask: Tensor, counts: WindowCounts) -> Tensor:
    """The mean of -A f(p) over masked tokens, (B, T) bool, with the denominator of `counts`."""
    tokens, settings = inputs.tokens, inputs.settings
    loss = -tokens.advantage * shape_probability(tokens.log_prob, settings.gamma)
    return reduce_loss(loss, mask, settings.reduction, counts)


def compute_mixed_metrics(inputs: LossInputs, ratio: Tensor, clip: Clip | None) -> Metrics:
    """Ratios of rollouts, of which `clip` is the trust region, and probabilities of experts."""
    tokens, counts = inputs.tokens, inputs.counts
    return {
        **compute_ratio_metrics(ratio, tokens, tokens.sampled, clip, counts.select_sampled()),
        **compute_expert_metrics(tokens, inputs.settings.gamma, counts),
    }


def compute_grpo_loss(inputs: LossInputs) -> tuple[Terms, Metrics]:
    """GRPO and DAPO: mean of the clipped surrogate (arXiv 2402.03300 and 2503.14476).

    Rows are not told apart by role. What else makes DAPO, dynamic sampling, chooses the rows.
    """
    tokens, settings, counts = inputs.tokens, inputs.settings, inputs.counts
    ratio, loss = compute_policy_loss(inputs)
    terms = {"policy": reduce_loss(loss, tokens.trained, settings.reduction, counts)}
    return terms, compute_ratio_metrics(ratio, tokens, tokens.trained, settings.clip, counts)


def compute_luffy_loss(inputs: LossInputs) -> tuple[Terms, Metrics]:
    """LUFFY: mean of -A rho on rollouts and of -A f(p) on experts (arXiv 2504.14945).

    The expert's behaviour probability is taken for 1, so that its ratio is p. Both means have the
    same denominator: that of all rows.
    """
    tokens, settings, counts = inputs.tokens, inputs.settings, inputs.counts
    ratio, loss = compute_policy_loss(inputs)
    terms = {
        "policy": reduce_loss(loss, tokens.sampled, settings.reduction, counts),
        "expert": compute_expert_policy_loss(inputs, tokens.expert, counts),
    }
    return terms, compute_mixed_metrics(inputs, ratio, settings.clip)


def compute_srft_loss(inputs: LossInputs) -> tuple[Terms, Metrics]:
    """SRFT's three terms (arXiv 2506.19767, as in the code of arXiv 2509.04419).

    sft_demo: token mean over experts of 0.5 exp(-H) * -log p; rl_demo: LUFFY's expert term;
    rl_self: mean over rollouts of -c log p, c = 0.1 exp(H) if r = 1 and -1 otherwise (with
    `srft_self_term="ratio"`, of -c rho). The group advantage is used in rl_demo alone.
    """
    tokens, settings, counts = inputs.tokens, inputs.settings, inputs.counts
    if inputs.reward is None:
        raise InputError("srft: the batch has no rewards, which its self term needs; give them")
    ratio = compute_importance_ratio(tokens.log_prob, tokens.old_log_prob)
    score = ratio if settings.srft_self_term == "ratio" else tokens.log_prob
    imitation = compute_srft_imitation_loss(tokens.log_prob, tokens.entropy, tokens.expert)
    own = compute_srft_self_loss(score, tokens.entropy, tokens.sampled, inputs.reward)
    demo = reduce_loss(imitation, tokens.expert, "token_mean", counts.select_expert())
    terms = {
        "sft_demo": settings.sft_weight * demo,
        "rl_demo": compute_expert_policy_loss(inputs, tokens.expert, counts),
        "rl_self": reduce_loss(own, tokens.sampled, settings.reduction, counts),
    }
    return terms, compute_mixed_metrics(inputs, ratio, None)


def compute_upt_loss(inputs: LossInputs) -> tuple[Terms, Metrics]:
    """UPT (HPT): RL on active rollouts, SFT on active experts (arXiv 2509.04419).

    Mean over rollouts of -A rho, plus `sft_weight` times the token mean over imitated experts of
    -log p; experts in the zone between two gates get LUFFY's -A f(p) instead. `upt_gate` says
    which rows are active and which imitated. RL and SFT have denominators of their own.
    """
    tokens, settings, counts = inputs.tokens, inputs.settings, inputs.counts
    ratio, loss = compute_policy_loss(inputs)
    demo = reduce_loss(-tokens.log_prob, tokens.imitated, "token_mean", counts.select_imitated())
    off_policy = tokens.expert & ~tokens.imitated
    terms = {
        "policy": reduce_loss(loss, tokens.sampled, settings.reduction, counts.select_reinforced()),
        "expert": compute_expert_policy_loss(inputs, off_policy, counts.select_reinforced()),
        "sft": settings.sft_weight * demo,
    }
    return terms, compute_mixed_metrics(inputs, ratio, settings.clip)


def compute_prefix_rft_loss(inputs: LossInputs) -> tuple[Terms, Metrics]:
    """Prefix-RFT: GRPO's loss, with A = 0 at prefix tokens of low entropy (arXiv 2507.01679).

    Prefix tokens have the ratio pi / pi_old, too; how probable the expert found them is not used.
    """
    tokens, settings = inputs.tokens, inputs.settings
    frozen = find_low_entropy_tokens(
        tokens.entropy, tokens.prefix, settings.entropy_keep, settings.entropy_scope
    )
    advantage = tokens.advantage.masked_fill(frozen, 0.0)
    terms, metrics = compute_grpo_loss(replace(inputs, tokens=replace(tokens, advantage=advantage)))
    shares = {"prefix_share": tokens.prefix, "prefix_frozen_share": frozen}
    return terms, metrics | {
        name: compute_share(flags, tokens.trained, inputs.counts, tokens.log_prob.detach())
        for name, flags in shares.items()
    }


def compute_sft_loss(inputs: LossInputs) -> tuple[Terms, Metrics]:
    """SFT: the token mean of -log p over expert rows; other rows add nothing (paper section 4)."""
    tokens, counts = inputs.tokens, inputs.counts
    loss = reduce_loss(-tokens.log_prob, tokens.expert, "token_mean", counts.select_expert())
    return {"sft": loss}, compute_expert_metrics(tokens, inputs.settings.gamma, counts)


PARADIGMS: Mapping[str, Callable[[LossInputs], tuple[Terms, Metrics]]] = {
    "grpo": compute_grpo_loss,
    "dapo": compute_grpo_loss,
    "luffy": compute_luffy_loss,
    "srft": compute_srft_loss,
    "upt": compute_upt_loss,
    "prefix_rft": compute_prefix_rft_loss,
    "sft": compute_sft_loss,
}
"""A paradigm's loss by the `method` of its settings."""
