"""Log-probabilities and entropies of chosen tokens, from hidden states and the weights of the head.

The (tokens, vocabulary) logits are never all there: the head runs over some tokens at a time, in a
buffer that is used again. Where all of a micro-batch would be small, the normalised logits are kept
for the backward pass; else they are computed once more there.

    d log p_t / dz_j = [j = t] - p_j        d H / dz_j = -p_j (log p_j + H)
"""

from typing import Any

import torch
from torch import Tensor

TILE_ELEMENTS = 2**23
"""Logits that are there at once (32 MB in float32); with fewer, products get slower."""
KEPT_ELEMENTS = 2**25
"""Logits of a micro-batch up to which they are kept for the backward pass (128 MB)."""


class TokenScores(torch.autograd.Function):
    """Scores of N tokens; every one of them is learnt or scored, and none is padding.

    forward(hidden (N, H), weight (V, H), bias (V,) or None, targets (N,), temperature, entropy,
    top1) gives log-probabilities (N,), entropies (N,) or None, in nats, and whether the target is
    the most likely token, (N,) bool, or None. The arithmetic of the head is that of autocast, of
    everything behind it float32.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        temperature: float,
        entropy: bool,
        top1: bool,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """See the class."""
        ctx.set_materialize_grads(False)
        count, vocabulary = len(hidden), len(weight)
        head = TiledHead(find_arithmetic(hidden), weight, bias, temperature)
        needed = any(ctx.needs_input_grad[:3])
        ctx.kept = [] if needed and count * vocabulary <= KEPT_ELEMENTS else None
        log_probs = hidden.new_empty(count, dtype=torch.float32)
        log_z = torch.empty_like(log_probs)
        entropies = torch.empty_like(log_probs) if entropy else None
        is_top1 = torch.empty(count, dtype=torch.bool, device=hidden.device) if top1 else None
        for part in head.split_tokens(count):
            scores = head.compute_logits(hidden[part], reuse=ctx.kept is None)
            log_z[part] = scores.logsumexp(-1)
            scores -= log_z[part, None]
            log_probs[part] = scores.gather(-1, targets[part, None])[:, 0]
            if is_top1 is not None:
                is_top1[part] = find_top1(scores, log_probs[part], targets[part])
            if entropies is not None:
                entropies[part] = -(scores.exp().mul_(scores)).sum(-1)
            if ctx.kept is not None:
                ctx.kept.append(scores)
        ctx.head = (head.arithmetic, temperature)
        ctx.save_for_backward(hidden, weight, bias, targets, log_z, entropies)
        if is_top1 is not None:
            ctx.mark_non_differentiable(is_top1)
        return log_probs, entropies, is_top1

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients of hidden states, weights and bias, summed up in float32."""
        hidden, weight, bias, targets, log_z, entropies = ctx.saved_tensors
        arithmetic, temperature = ctx.head
        head = TiledHead(arithmetic, weight, bias, temperature)
        sums = [
            torch.zeros(tensor.shape, dtype=torch.float32, device=hidden.device) if needed else None
            for tensor, needed in zip((hidden, weight, bias), ctx.needs_input_grad[:3], strict=True)
        ]
        for index, part in enumerate(head.split_tokens(len(hidden))):
            if ctx.kept:
                # Freed as soon as it is used.
                scores, ctx.kept[index] = ctx.kept[index], None
            else:
                scores = head.compute_logits(hidden[part], reuse=True)
                scores -= log_z[part, None]
            of_part = [None if given is None else given[part] for given in gradients[:2]]
            entropy = None if entropies is None else entropies[part]
            slope = differentiate_scores(scores, targets[part], entropy, *of_part)
            slope /= temperature
            add_head_gradients(sums, part, slope.to(arithmetic), hidden[part], weight)
        ctx.kept = None
        return (*sums, None, None, None, None)


class TiledHead:
    """The model's last layer, over some tokens at a time.

    Args:
        arithmetic: the type that products are computed in.
        weight, bias: (V, H), and (V,) or None.
        temperature: what logits are divided by.
    """

    def __init__(
        self, arithmetic: torch.dtype, weight: Tensor, bias: Tensor | None, temperature: float
    ) -> None:
        self.arithmetic = arithmetic
        self.weight = weight.to(arithmetic)
        self.bias = bias
        self.temperature = temperature
        self.size = max(1, TILE_ELEMENTS // len(weight))
        self.buffer: Tensor | None = None

    def split_tokens(self, count: int) -> list[slice]:
        """Which tokens are computed together."""
        return [slice(first, first + self.size) for first in range(0, count, self.size)]

    def compute_logits(self, hidden: Tensor, *, reuse: bool) -> Tensor:
        """Logits (n, V) in float32; `reuse`: they are overwritten by the next call."""
        rows = hidden.to(self.arithmetic)
        if reuse and self.buffer is None:
            self.buffer = rows.new_empty(len(rows), len(self.weight))
        # The first part is the largest.
        made = self.buffer[: len(rows)] if reuse and self.buffer is not None else None
        logits = torch.mm(rows, self.weight.t(), out=made).float()
        if self.bias is not None:
            logits += self.bias
        if self.temperature != 1.0:
            logits /= self.temperature
        return logits


def find_arithmetic(hidden: Tensor) -> torch.dtype:
    """The type that the head computes in: autocast's, or that of its input."""
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype


def find_top1(scores: Tensor, log_probs: Tensor, targets: Tensor) -> Tensor:
    """Whether targets are the most likely tokens, (n,) bool; of equal ones, the first is."""
    first: Tensor = scores.amax(-1) == log_probs
    if bool(first.any()):
        first[first.clone()] = scores[first].argmax(-1) == targets[first]
    return first


def differentiate_scores(
    scores: Tensor,
    targets: Tensor,
    entropy: Tensor | None,
    by_log_prob: Tensor | None,
    by_entropy: Tensor | None,
) -> Tensor:
    """Gradient (n, V) by the logits, from normalised ones, which are overwritten.

    Args:
        scores: (n, V), log-probabilities.
        targets: (n,).
        entropy: (n,), if it was computed.
        by_log_prob, by_entropy: (n,), gradients by both; None: there is none.
    """
    if by_entropy is None or entropy is None:
        slope = scores.exp_()
        slope *= 0.0 if by_log_prob is None else -by_log_prob[:, None]
    else:
        slope = scores.exp()
        factor = scores.add_(entropy[:, None]).mul_(by_entropy[:, None])
        if by_log_prob is not None:
            factor += by_log_prob[:, None]
        slope.mul_(factor).neg_()
    if by_log_prob is not None:
        slope.scatter_add_(-1, targets[:, None], by_log_prob[:, None].to(slope.dtype))
    return slope


def add_head_gradients(
    sums: list[Tensor | None], part: slice, slope: Tensor, hidden: Tensor, weight: Tensor
) -> None:
    """Add a part's gradients (of hidden states, weights, bias) to the sums, in place."""
    by_hidden, by_weight, by_bias = sums
    if by_hidden is not None:
        by_hidden[part] = torch.mm(slope, weight.to(slope.dtype)).float()
    if by_weight is not None:
        rows = hidden.to(slope.dtype)
        if slope.dtype == torch.float32:
            by_weight.addmm_(slope.t(), rows)
        else:
            # Rounded before they are summed, many small parts would be lost.
            by_weight.addmm_(slope.t().float(), rows.float())
    if by_bias is not None:
        by_bias += slope.float().sum(0)
