"""The decisions about one pool, one after the other: how far each branch has run by them."""

import itertools
from collections.abc import Callable

from retu.advice.decision import Decision

Checkpoint = tuple[str, int]
"""Data set and SFT step."""


def find_reached_rungs(
    read_decision: Callable[[int], Decision], rung: int | None = None
) -> dict[Checkpoint, int]:
    """Checkpoint -> the last rung that its branch runs, by the decisions before `rung`.

    Args:
        read_decision: gives the decision after so many rungs (0: where RL starts).
        rung: None takes all decisions, up to the one that finishes the search.
    """
    reached: dict[Checkpoint, int] = {}
    for count in itertools.count() if rung is None else range(rung):
        decision = read_decision(count)
        reached |= dict.fromkeys(decision.list_running(), count + 1)
        if decision.finished:
            break
    return reached


def count_decisions(read_decision: Callable[[int], Decision]) -> int:
    """How many decisions a finished search took."""
    return next(count + 1 for count in itertools.count() if read_decision(count).finished)
