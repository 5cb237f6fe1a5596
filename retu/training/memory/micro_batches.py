"""Micro-batches by tokens: as many rows as memory holds, of similar length.

How an update's rows are dealt out to micro-batches changes no loss: losses are sums over the update
by its totals. It decides what is in memory at once and how much of it is padding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_ends

from retu.config.execution import TrainingExecution
from retu.training.memory.labels import IGNORED_LABEL

ACTIVATION_BYTES = 2**30
"""What the activations of a micro-batch may take on a CPU where the study does not say."""
EVALUATED_OVER_TRAINED = 4
"""Tokens at a time in validation over those in training: no activation is kept there."""
EVALUATED_ON_GPU = 2**16
"""Tokens of a validation batch on a GPU where the study does not say."""


def estimate_token_bytes(config: Any) -> int:
    """About how many bytes of activations a token of a training step needs, in float32.

    By layer: norms, attention's projections and residuals, about 14 numbers for each of the hidden
    state, and 5 for each of the feed-forward network.
    """
    text = config.get_text_config()
    hidden, mlp = text.hidden_size, getattr(text, "intermediate_size", 4 * text.hidden_size)
    return int(4 * text.num_hidden_layers * (14 * hidden + 5 * mlp))


def find_token_budget(training: TrainingExecution, device: str, config: Any) -> int | None:
    """Tokens of a micro-batch at most, padding included; None: there is no limit.

    Args:
        training: what the study says.
        device: `cpu` or `cuda`.
        config: the model's configuration.
    """
    if training.tokens_at_a_time is not None or device != "cpu":
        return training.tokens_at_a_time
    return max(1, ACTIVATION_BYTES // estimate_token_bytes(config))


def find_evaluation_budget(training: TrainingExecution, device: str, config: Any) -> int:
    """Tokens of a validation batch at most, padding included; arguments as above."""
    budget = find_token_budget(training, device, config)
    return EVALUATED_ON_GPU if budget is None else EVALUATED_OVER_TRAINED * budget


def fit_micro_batch(
    args: Any, training: TrainingExecution, longest: int, budget: int | None
) -> bool:
    """Give the trainer's arguments smaller micro-batches if one would be larger than the budget.

    Args:
        args: the trainer's, changed in place: an update takes the same rows, in more micro-batches.
        training: a `micro_batch` that the study names stays, as does what DeepSpeed was told.
        longest: tokens of the longest row.
        budget: tokens of a micro-batch, padding included.

    Returns:
        whether they were changed.
    """
    share = args.per_device_train_batch_size
    fixed = training.micro_batch is not None or training.zero is not None
    if budget is None or fixed or share * longest <= budget:
        return False
    size = max(n for n in range(1, share + 1) if share % n == 0 and n <= max(1, budget // longest))
    args.per_device_train_batch_size = size
    args.gradient_accumulation_steps *= share // size
    if getattr(args, "steps_per_generation", None) is not None:
        args.steps_per_generation *= share // size
    return bool(size < share)


def split_by_tokens(lengths: Sequence[int], budget: int, most: int) -> list[list[int]]:
    """Indices of rows in batches of at most `most` rows and `budget` tokens, padding included.

    A row that is longer than the budget is a batch of its own. The longest rows come first: what
    does not fit into memory is known at once.
    """
    batches: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if not batches or len(batches[-1]) >= room:
            batches.append([])
            room = max(1, min(most, budget // max(1, lengths[index])))
        batches[-1].append(index)
    return batches


def order_by_length(lengths: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Indices of rows, by rising length, in groups of the given sizes."""
    order = lengths.argsort(stable=True)
    return list(order.split(list(sizes)))


def bucket_rows(batches: Sequence[dict[str, Tensor]], pad: int) -> list[dict[str, Tensor]]:
    """The rows of an update's micro-batches, dealt out by length and without needless padding.

    Args:
        batches: `input_ids`, `labels` and `attention_mask`, (B, T), padded on the right.
        pad: the padding token's id.

    Returns:
        as many micro-batches, of the same sizes.
    """
    width = max(batch["input_ids"].shape[1] for batch in batches)
    fill = {"input_ids": pad, "labels": IGNORED_LABEL}
    rows = {
        name: torch.cat(
            [
                pad_ends(batch[name], (0, width - batch[name].shape[1]), value=fill.get(name, 0))
                for batch in batches
            ]
        )
        for name in batches[0]
    }
    lengths = rows["attention_mask"].sum(-1)
    groups = order_by_length(lengths, [len(batch["input_ids"]) for batch in batches])
    return [
        {name: tensor[group, : int(lengths[group].max())] for name, tensor in rows.items()}
        for group in groups
    ]
