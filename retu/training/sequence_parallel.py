"""Batches for processes that share sequences, pass after pass.

DeepSpeed's loader notices that a pass is over only when it is asked for more than there is. The
trainer asks for exactly what there is, so every second pass would begin with an empty update and a
run end early; and it cannot go on in the middle of a pass.
"""

import math
from collections.abc import Iterator
from typing import Any


class SequenceParallelLoader:
    """DeepSpeed's sequence-parallel data loader, which starts a new pass whenever it is iterated.

    A resumed run first passes over the batches that have been trained on in this pass.

    Args:
        loader: DeepSpeed's.
        trainer: knows how far the run is.
    """

    def __init__(self, loader: Any, trainer: Any) -> None:
        self.loader = loader
        self.trainer = trainer
        self.begun = False

    def __len__(self) -> int:
        """Batches of a pass, as all processes take them together."""
        return len(self.loader)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.loader.dl.set_epoch(epoch)

    def __iter__(self) -> Iterator[Any]:
        """One pass, or what is left of it."""
        self.loader.iter = iter(self.loader.dl)
        self.loader.micro_batches.clear()
        done = 0 if self.begun else count_trained_batches(self.trainer, len(self))
        self.begun = True
        for index, batch in zip(range(len(self)), self.loader, strict=False):
            if index >= done:
                yield batch


def count_trained_batches(trainer: Any, batches: int) -> int:
    """How many batches of the pass under way were trained on before the run was interrupted."""
    length: int = trainer.args.gradient_accumulation_steps
    steps: int = trainer.state.global_step
    return steps % math.ceil(batches / length) * length
