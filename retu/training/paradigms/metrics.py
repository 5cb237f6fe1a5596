"""The metrics of an optimiser step: what was generated, what was trained on, what came out.

They go into the trainer's log history under names that start with `paradigm/`:

    rows_generated, tokens_generated   what was sampled, in all rounds; prompts included
    truncated                          share of sampled rows that reached the length limit
    rows_trained, tokens_trained       rows with a loss, and their tokens; prompts included
    success_on_policy, success_hybrid, success_expert
                                       mean verdict of the first reward function, by author
    engine_gap                         with vLLM: how far its log-probabilities of one answer are
                                       from the trainer's, nats a token (main process)
    steps_skipped                      updates left out so far because of their gradient's norm
    sampling/..., gate/...             of dynamic sampling and UPT's gate, where they are used
    prefix_tokens                      mean length of the given part of hybrid rows
    loss/..., and other names          the terms of the loss, and the metrics that a loss returns

The metrics of a loss are normalised over the same window as the loss itself: each is its
micro-batch's addend of a mean over the optimiser window, so `merge_metrics` adds them up; those
whose name ends in `_max` are merged by their maximum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from retu.config.objectives import Clip
from retu.training.paradigms.reduction import WindowCounts, count_window_totals, reduce_loss
from retu.training.paradigms.token_losses import (
    MaskedTokens,
    compute_k3_divergence,
    find_clip_events,
    shape_probability,
)

if TYPE_CHECKING:
    from retu.training.paradigms.row_plan import PlannedRow

METRIC_PREFIX = "paradigm/"
GENERATED = ("rows", "tokens", "truncated_rows", "hybrid_rows", "prefix_tokens")
"""What a process counts while it generates."""
Metrics = dict[str, Tensor]


@dataclass(frozen=True)
class UpdateWindow:
    """Totals of an optimiser step's rows over all its micro-batches and processes.

    Attributes:
        counts: what the losses divide by.
        metrics: rows and tokens that were generated and trained on, by their names in the history.
    """

    counts: WindowCounts
    metrics: dict[str, float]


class StepMetrics:
    """Collects the metrics of one optimiser step of one process."""

    def __init__(self) -> None:
        self.generated = [0] * len(GENERATED)
        self.samples: dict[str, tuple[float, int]] = {}
        self.values: dict[str, float] = {}
        self.parts: list[Metrics] = []

    def count_generations(
        self,
        plan: Sequence["PlannedRow"],
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        ends: Sequence[int],
    ) -> None:
        """Count the rows of which the policy has written something.

        Args:
            plan: of all rows.
            prompts, completions: their tokens.
            ends: ids of end-of-sequence tokens.
        """
        own = [index for index, row in enumerate(plan) if row.is_generated]
        tokens = sum(len(prompts[index]) + len(completions[index]) for index in own)
        truncated = sum(completions[index][-1] not in ends for index in own)
        prefixes = [row.role.prefix for row in plan if row.role.source == "hybrid"]
        added = (len(own), tokens, truncated, len(prefixes), sum(prefixes))
        self.generated = [a + b for a, b in zip(self.generated, added, strict=True)]

    def add_samples(self, name: str, values: Tensor) -> None:
        """Add values of which the step's mean is wanted; the same on every process."""
        values = values[~values.isnan()]
        total, count = self.samples.get(name, (0.0, 0))
        self.samples[name] = (total + float(values.sum()), count + values.numel())

    def add_micro_batch(self, terms: Metrics, metrics: Metrics) -> None:
        """Add the terms of a micro-batch's loss, and its metrics."""
        self.parts.append({f"loss/{name}": value for name, value in terms.items()} | metrics)

    def collect_metrics(self, window: UpdateWindow, accelerator: Any) -> dict[str, float]:
        """The step's metrics by their names in the history, reduced over all processes."""
        means = {name: total / count for name, (total, count) in self.samples.items() if count}
        metrics = reduce_over_processes(merge_metrics(self.parts), accelerator)
        collected = window.metrics | means | self.values | metrics
        return {METRIC_PREFIX + name: value for name, value in collected.items()}


def reduce_over_processes(metrics: Metrics, accelerator: Any) -> dict[str, float]:
    """The mean of every metric over processes, or the maximum if its name ends in `_max`."""
    if not metrics:
        return {}
    local = torch.stack([value.detach().double() for value in metrics.values()])
    everyone = accelerator.gather(local).view(-1, len(metrics))
    means, largest = everyone.mean(0).tolist(), everyone.amax(0).tolist()
    return {
        name: largest[index] if name.endswith("_max") else means[index]
        for index, name in enumerate(metrics)
    }


def sum_window(
    batches: Sequence[Mapping[str, Tensor]],
    generated: Sequence[int],
    accelerator: Any,
    length_limit: int,
) -> UpdateWindow:
    """Add up the rows of an optimiser step.

    Args:
        batches: the micro-batches of this process.
        generated: `StepMetrics.generated` of this process.
        accelerator: adds up over processes.
        length_limit: longest completion in tokens.
    """
    local = torch.stack([count_batch_totals(batch) for batch in batches]).sum(0)
    totals = accelerator.reduce(torch.cat([local, local.new_tensor(generated)]), reduction="sum")
    counts = WindowCounts.from_totals(totals[:6], length_limit, accelerator.num_processes)
    prompts, rows, tokens, truncated, hybrid, prefix = totals[6:].tolist()
    metrics = {
        "rows_generated": rows,
        "tokens_generated": tokens,
        "rows_trained": counts.rows,
        "tokens_trained": counts.tokens + prompts,
    }
    # A step that trains on rows of an earlier generation has sampled none, so it has no share.
    means = {"truncated": (truncated, rows), "prefix_tokens": (prefix, hybrid)}
    metrics |= {name: total / count for name, (total, count) in means.items() if count}
    return UpdateWindow(counts, metrics)


def count_batch_totals(batch: Mapping[str, Tensor]) -> Tensor:
    """Totals of a micro-batch, (7,) float64: `count_window_totals`, tokens of active prompts."""
    active = batch.get("active")
    prompts = batch["prompt_mask"].sum(-1).double()
    counted = prompts.sum() if active is None else (prompts * active).sum()
    totals = count_window_totals(
        batch["completion_mask"], batch.get("expert_row"), active, batch.get("imitated")
    )
    return torch.cat([totals, counted[None]])


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
