"""Full batches on several processes: filled with rows without a loss, none is trained on twice.

Processes take batches in turns, and the last of a pass are filled up: the library does so with the
pass's first rows, which then count twice, in an update that is larger than one process makes it.
Here they are filled with rows of which nothing is learnt. The losses are means over learnt tokens
of all processes, so an update is the one that a single process makes.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import Sampler

from retu.core.errors import InputError
from retu.training.memory.labels import IGNORED_LABEL

if TYPE_CHECKING:
    from datasets import Dataset


def add_empty_rows(dataset: "Dataset", count: int) -> "Dataset":
    """The rows, and behind them so many without a loss."""
    from datasets import Dataset, concatenate_datasets

    # The shortest row there is: two tokens, of which none is learnt.
    empty = dict(dataset[0], input_ids=dataset[0]["input_ids"][:2], labels=[IGNORED_LABEL] * 2)
    if "seq_lengths" in empty:
        empty["seq_lengths"] = [2]
    rest = Dataset.from_list([empty] * count, features=dataset.features)
    return concatenate_datasets([dataset, rest])


def fill_batches(dataset: "Dataset", rows: int) -> "Dataset":
    """A validation set with so many rows without a loss that batches of `rows` are full."""
    missing = -len(dataset) % rows
    return add_empty_rows(dataset, missing) if missing else dataset


class FilledSampler(Sampler[int]):
    """Row order of each pass over the training set, padded with an empty row at its end.

    Args:
        rows: of the set, without the empty one.
        multiple: what the length of a pass is filled up to a multiple of.
        seed: of the order, which is that of a single process.
    """

    def __init__(self, rows: int, multiple: int, seed: int | None) -> None:
        self.order = SeedableRandomSampler(range(rows), data_seed=seed)
        self.rows = rows
        self.missing = -rows % multiple

    def __len__(self) -> int:
        return self.rows + self.missing

    def __iter__(self) -> Iterator[int]:
        yield from self.order
        yield from [self.rows] * self.missing

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.order.set_epoch(epoch)


def check_updates(rows: int, args: Any, processes: int, sharing: int) -> None:
    """Refuse a layout of shared sequences that would end a pass with updates of empty rows alone.

    Args:
        rows: of the training set.
        args: the trainer's.
        processes: of the job.
        sharing: how many of them take the same sequences; 1: nothing is refused.

    Raises:
        InputError: names the layout and what fits.
    """
    if sharing == 1:
        return
    together = args.per_device_train_batch_size * processes
    batch_size = together // sharing * args.gradient_accumulation_steps
    filled = rows + -rows % together
    if math.ceil(filled / batch_size) != math.ceil(rows / batch_size):
        raise InputError(
            f"execution.sft: {processes} processes that share sequences take {together} rows at a"
            f" time, which would end a pass over {rows} rows with an empty update of {batch_size};"
            " make batch_size a multiple of micro_batch times processes"
        )
