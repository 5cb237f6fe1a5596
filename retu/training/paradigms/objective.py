"""The one entry point: from a micro-batch to its addend of a paradigm's loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from retu.config.objectives import ObjectiveSettings
from retu.core.errors import InputError
from retu.training.paradigms.loss_metrics import Metrics, compute_entropy_metrics
from retu.training.paradigms.paradigm_losses import PARADIGMS, LossInputs, Terms
from retu.training.paradigms.reduction import WindowCounts, reduce_loss
from retu.training.paradigms.surrogate import compute_k3_divergence
from retu.training.paradigms.token_batch import PolicyBatch, mask_tokens


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
