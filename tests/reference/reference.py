"""The same training in float64, with plain PyTorch: row by row, without padding, means by hand.

Nothing of the trainers is used here but the definition of the model. Updates are SGD, or Adam with
decoupled weight decay, after the gradient's norm has been cut to a limit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

IGNORED = -100


@dataclass(frozen=True)
class UpdateFigures:
    """Loss and gradient norm (before it is cut) of an update."""

    loss: float
    grad_norm: float


@dataclass
class ReferenceOptimiser:
    """SGD, or AdamW where `betas` are given; `rates` are learning rates by step.

    Biases and the scales of norms do not decay.
    """

    named: dict[str, Tensor]
    rates: Sequence[float]
    limit: float
    betas: tuple[float, float] | None = None
    epsilon: float = 0.0
    decay: float = 0.0

    def __post_init__(self) -> None:
        self.first = {name: torch.zeros_like(weight) for name, weight in self.named.items()}
        self.second = {name: torch.zeros_like(weight) for name, weight in self.named.items()}
        self.done = 0

    def apply(self, loss: Tensor) -> UpdateFigures:
        """Take a step down a loss."""
        gradients = torch.autograd.grad(loss, list(self.named.values()))
        norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))
        cut = min(1.0, self.limit / (norm + 1e-6))
        rate, self.done = self.rates[self.done], self.done + 1
        for (name, weight), gradient in zip(self.named.items(), gradients, strict=True):
            weight.data -= rate * self.find_direction(name, weight.data, gradient * cut)
        return UpdateFigures(float(loss.detach()), norm)

    def find_direction(self, name: str, weight: Tensor, gradient: Tensor) -> Tensor:
        """What a learning rate of 1 would take from a weight."""
        if self.betas is None:
            return gradient
        one, two = self.betas
        self.first[name] = one * self.first[name] + (1 - one) * gradient
        self.second[name] = two * self.second[name] + (1 - two) * gradient**2
        mean = self.first[name] / (1 - one**self.done)
        scale = (self.second[name] / (1 - two**self.done)).sqrt() + self.epsilon
        decays = not name.endswith("bias") and "norm" not in name
        return mean / scale + self.decay * weight * decays


def compute_token_statistics(model: Any, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Of tokens 1 to T-1 of a text: log-probabilities, and entropies of their distributions."""
    logits = model(input_ids=torch.tensor([list(ids)])).logits[0, :-1]
    every = logits.log_softmax(-1)
    chosen = every.gather(-1, torch.tensor(list(ids[1:]))[:, None])[:, 0]
    return chosen, -(every.exp() * every).sum(-1)


def compute_reference_sft_loss(
    model: Any, rows: Sequence[dict[str, list[int]]], reduction: str = "token"
) -> Tensor:
    """The mean of -log p over all learnt tokens of an update's rows, or the mean of rows' means."""
    losses = []
    for row in rows:
        chosen, _ = compute_token_statistics(model, row["input_ids"])
        learnt = torch.tensor(row["labels"][1:]) != IGNORED
        losses.append(-chosen[learnt])
    if reduction == "row":
        return torch.stack([loss.mean() for loss in losses]).mean()
    return torch.cat(losses).mean()


def list_batches(rows: int, batch: int, steps: int, seed: int) -> list[list[int]]:
    """The rows of every update: each pass in an order of its own, the rest of it an update."""
    batches: list[list[int]] = []
    while len(batches) < steps:
        passed = len(batches) // math.ceil(rows / batch)
        order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed + passed))
        batches += [order[start : start + batch].tolist() for start in range(0, rows, batch)]
    return batches[:steps]


def list_rates(scheduler: str, peak: float, warmup: int, steps: int) -> list[float]:
    """Learning rates of all steps: rising linearly, then constant or falling to 0."""

    def compute_rate(step: int) -> float:
        if step < warmup:
            return step / warmup
        share = (step - warmup) / (steps - warmup)
        shapes = {
            "constant": 1.0,
            "linear": 1 - share,
            "cosine": (1 + math.cos(math.pi * share)) / 2,
        }
        return shapes[scheduler]

    return [peak * compute_rate(step) for step in range(steps)]


def train_reference(
    model: Any,
    losses: Sequence[Callable[[Any], Tensor]],
    make: Callable[[dict[str, Tensor]], ReferenceOptimiser],
) -> tuple[list[UpdateFigures], dict[str, Tensor]]:
    """Train a float64 copy of a model; its updates and its weights at the end."""
    model = model.double().train(False)
    named = dict(model.named_parameters())
    optimiser = make(named)
    return [optimiser.apply(loss(model)) for loss in losses], named
