"""The figures of an optimiser step: what was generated, what was trained on, what came out.

They go into the trainer's log history under names that start with `paradigm/`:

    rows_generated, tokens_generated   what was sampled, in all rounds; prompts included
    truncated                          share of sampled rows that reached the length limit
    rows_trained, tokens_trained       rows with a loss, and their tokens; prompts included
    success_on_policy, success_hybrid, success_expert
                                       mean verdict of the first reward function, by author
    engine_gap                         with vLLM: how far its log-probabilities of one answer are
                                       from the trainer's, nats a token (main process)
    steps_skipped                      updates left out so far because of their gradient's norm
    sampling/..., gate/...             the planner's figures, where it is used
    prefix_tokens                      mean length of the given part of hybrid rows
    loss/..., and other names          the terms of the loss, the metrics of `objectives`
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retu.training.paradigms.loss_metrics import Metrics, merge_metrics
from retu.training.paradigms.objective import ObjectiveTerms
from retu.training.paradigms.reduction import WindowCounts, count_window_totals

METRIC_PREFIX = "paradigm/"
GENERATED = ("rows", "tokens", "truncated_rows", "hybrid_rows", "prefix_tokens")
"""What a process counts while it generates."""


@dataclass(frozen=True)
class UpdateWindow:
    """Totals of an optimiser step's rows over all its micro-batches and processes.

    Attributes:
        counts: what the losses divide by.
        figures: rows and tokens that were generated and trained on, by their names in the history.
    """

    counts: WindowCounts
    figures: dict[str, float]


class StepMetrics:
    """Collects the figures of one optimiser step of one process."""

    def __init__(self) -> None:
        self.generated = [0] * len(GENERATED)
        self.samples: dict[str, tuple[float, int]] = {}
        self.values: dict[str, float] = {}
        self.parts: list[Metrics] = []

    def count_generations(
        self,
        lengths: Sequence[int],
        completions: Sequence[Sequence[int]],
        prefixes: Sequence[int],
        ends: Sequence[int],
    ) -> None:
        """Count sampled rows.

        Args:
            lengths: tokens of their prompts.
            completions: their tokens.
            prefixes: how many of these each hybrid row was given.
            ends: ids of end-of-sequence tokens.
        """
        tokens = sum(lengths) + sum(map(len, completions))
        truncated = sum(row[-1] not in ends for row in completions)
        added = (len(completions), tokens, truncated, len(prefixes), sum(prefixes))
        self.generated = [a + b for a, b in zip(self.generated, added, strict=True)]

    def add_samples(self, name: str, values: Tensor) -> None:
        """Add values of which the step's mean is wanted; the same on every process."""
        values = values[~values.isnan()]
        total, count = self.samples.get(name, (0.0, 0))
        self.samples[name] = (total + float(values.sum()), count + values.numel())

    def add_terms(self, terms: ObjectiveTerms) -> None:
        """Add a micro-batch's terms and metrics."""
        losses = {f"loss/{name}": value for name, value in terms.terms.items()}
        self.parts.append(losses | terms.metrics)

    def collect_metrics(self, window: UpdateWindow, accelerator: Any) -> dict[str, float]:
        """The step's metrics by their names in the history, reduced over all processes."""
        means = {name: total / count for name, (total, count) in self.samples.items() if count}
        metrics = reduce_over_processes(merge_metrics(self.parts), accelerator)
        figures = window.figures | means | self.values | metrics
        return {METRIC_PREFIX + name: value for name, value in figures.items()}


def reduce_over_processes(metrics: Metrics, accelerator: Any) -> dict[str, float]:
    """The mean of every metric over processes, or the maximum if its name ends in `_max`."""
    if not metrics:
        return {}
    local = torch.stack([value.detach().double() for value in metrics.values()])
    everyone = accelerator.gather(local).view(-1, len(metrics))
    means, largest = everyone.mean(0).tolist(), everyone.amax(0).tolist()
    return {
        name: largest[place] if name.endswith("_max") else means[place]
        for place, name in enumerate(metrics)
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
        generated: `StepFigures.generated` of this process.
        accelerator: adds up over processes.
        length_limit: longest completion in tokens.
    """
    local = torch.stack([count_batch_totals(batch) for batch in batches]).sum(0)
    totals = accelerator.reduce(torch.cat([local, local.new_tensor(generated)]), reduction="sum")
    counts = WindowCounts.from_totals(totals[:6], length_limit, accelerator.num_processes)
    prompts, rows, tokens, truncated, hybrid, prefix = totals[6:].tolist()
    figures = {
        "rows_generated": rows,
        "tokens_generated": tokens,
        "rows_trained": counts.rows,
        "tokens_trained": counts.tokens + prompts,
    }
    # A step that trains on rows of an earlier generation has sampled none, so it has no share.
    means = {"truncated": (truncated, rows), "prefix_tokens": (prefix, hybrid)}
    figures |= {name: total / count for name, (total, count) in means.items() if count}
    return UpdateWindow(counts, figures)


def count_batch_totals(batch: Mapping[str, Tensor]) -> Tensor:
    """Totals of a micro-batch, (7,) float64: `count_window_totals`, tokens of active prompts."""
    active = batch.get("active")
    prompts = batch["prompt_mask"].sum(-1).double()
    counted = prompts.sum() if active is None else (prompts * active).sum()
    totals = count_window_totals(
        batch["completion_mask"], batch.get("expert_row"), active, batch.get("imitated")
    )
    return torch.cat([totals, counted[None]])
