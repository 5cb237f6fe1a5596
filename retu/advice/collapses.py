"""Branches that collapsed before a budget: whether they were ahead, and where to ask again."""

from collections.abc import Mapping, Sequence

import numpy as np

from retu.advice.advice_record import Obstacle
from retu.advice.candidates import Candidate
from retu.advice.score_draws import UNIT_SHARE, draw_scores, find_obstacle
from retu.core.rounding import round_down


def describe_collapses(
    usable: Sequence[Candidate], lacking: Mapping[str, Obstacle | None], budget: float | None
) -> list[str]:
    """A sentence a branch that collapsed before the budget: how it stood against the others.

    Args:
        usable: the branches that can be forecast from their own points.
        lacking: why each of them says nothing about the budget, or nothing, by name.
        budget: the RL compute that is asked about.
    """
    fallen = [one for one in usable if lacking[one.name]]
    return [describe_collapse(one, usable) for one in fallen] if budget else []


def describe_collapse(one: Candidate, usable: Sequence[Candidate]) -> str:
    """How a branch stood against the best other one at its last point before the collapse."""
    assert one.branch is not None
    last = round_down(float(one.branch.x[one.branch.end - 1]), 3)
    told = f"{one.name} collapsed after {last:g}"
    middle = {
        other.name: float(np.median(draw_scores(other, last, UNIT_SHARE * last).budget))
        for other in usable
        if not find_obstacle(other, last)
    }
    mine = middle.pop(one.name)
    if not middle:
        return f"{told}; no other RL curve to compare it with up to there"
    best = max(middle.values())
    place = "ahead" if mine > best else "behind"
    return f"{told}; up to there it is {place} ({mine:.1f} against {best:.1f}): --budget {last:g}"
