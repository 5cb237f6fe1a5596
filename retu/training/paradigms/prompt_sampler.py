"""The prompts of dynamic sampling: an endless stream, each row computed from its position alone.

TRL's loader deals out as many prompts as updates need; dynamic sampling needs more, and how many
is known only afterwards. Here the prompt at a position depends on the seed and the position alone,
so a resumed run and every process read the same stream.
"""

import functools
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class PromptStream:
    """Passes through a data set, each in another order.

    Attributes:
        rows: rows of the data set.
        seed: the run's seed.
        shuffled: whether passes are shuffled; else all are in the order of the data set.
    """

    rows: int
    seed: int
    shuffled: bool = True

    def get_row_index(self, position: int) -> int:
        """The row of the data set at a position of the stream, counted from 0."""
        cycle, place = divmod(position, self.rows)
        return shuffle_row_indices(self.rows, self.seed, cycle)[place] if self.shuffled else place


# Neighbouring positions share a pass; a round may reach into the next one.
@functools.lru_cache(maxsize=2)
def shuffle_row_indices(rows: int, seed: int, cycle: int) -> tuple[int, ...]:
    """The order of one pass."""
    places = list(range(rows))
    random.Random(f"{seed}/prompts/{cycle}").shuffle(places)
    return tuple(places)
