"""Check that generation engine and trainer give a completion the same log-probabilities."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from retu.models.compatibility import check_logprob_gap

SampledCompletion = tuple[list[int], list[int], Sequence[float | None]]
"""A prompt, its completion and the engine's log-probabilities of that, in nats."""


@torch.no_grad()
def measure_engine_gap(
    log_probs: Callable[..., Any], model: Any, sampled: SampledCompletion, args: Any, step: int
) -> float:
    """Compare the engine's log-probabilities of one answer with the trainer's.

    With ZeRO's stage 3 every process must do so at the same time.

    Args:
        log_probs: TRL's `_get_per_token_logps_and_entropies`.
        model: the policy.
        sampled: what the engine made of one prompt.
        args: the trainer's `GRPOConfig`.
        step: steps done.

    Returns:
        their mean distance in nats a token.

    Raises:
        InputError: it is too large for rounding (`MAX_LOGPROB_GAP`).
    """
    prompt, completion, engine = sampled
    ids = torch.tensor([[*prompt, *completion]], device=args.device)
    trainer, _, _ = log_probs(model, ids, torch.ones_like(ids), len(completion), batch_size=1)
    dtype = "bfloat16" if args.bf16 else "float32"
    return check_logprob_gap(engine, trainer[0].float().tolist(), dtype, step)
