"""Which sub-phases a checkpoint can have when its losses are known up to an error only.

Every loss of a run lies in an interval of its own, printed value minus to plus the error. Labels
follow from the losses by Eq. 5-9 of the paper, so each choice of losses inside that box gives one
labelling of the run. Here the set of labels is found exactly, without drawing losses at random:

Fix the smallest loss m and the checkpoint k that has it. Each other loss is then anywhere from m
(or the lower end of its interval, if higher) to its upper end, independently of the others; so a
label is possible if its own range allows it and every checkpoint that must not be Stable can be
elsewhere. The possible labels change only at values of m where m, or a threshold computed from m,
equals an end of an interval; between two such values it suffices to test one m.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retu.core.errors import InputError
from retu.labeling.subphases import (
    ADAPTATION,
    BETWEEN_STABLE,
    MILD,
    SEVERE,
    STABLE,
)
from retu.scaling.law import BoolArray


@dataclass(frozen=True)
class LossCase:
    """What each loss can be, relative to the smallest one, which checkpoint `minimum` has."""

    minimum: int
    stable: list[bool]
    above: list[bool]
    mild: list[bool]
    severe: list[bool]

    def is_label_possible(self, i: int, label: str) -> bool:
        """Whether checkpoint `i` can have this label, whatever the others then have."""
        k, others = self.minimum, range(len(self.stable))
        if label == STABLE:
            return self.stable[i]
        if not self.above[i]:
            return False
        if label == ADAPTATION:
            return i < k and all(self.above[j] for j in others if j < i)
        if label == BETWEEN_STABLE:
            before = k < i or any(self.stable[:i])
            after = k > i or any(self.stable[i + 1 :])
            return before and after
        here = self.mild[i] if label == MILD else self.severe[i]
        return here and i > k and all(self.above[j] for j in others if j > i)

    def is_labelling_possible(self, labels: Sequence[str]) -> bool:
        """Whether the whole run can have these labels at once.

        With the set of Stable checkpoints as given, the others may be anywhere above, and each
        kind of label follows from their places.
        """
        stable = [i for i, label in enumerate(labels) if label == STABLE]
        if self.minimum not in stable:
            return False
        needs = {STABLE: self.stable, MILD: self.mild, SEVERE: self.severe}
        placed = {
            i: ADAPTATION if i < stable[0] else BETWEEN_STABLE if i < stable[-1] else None
            for i in range(len(labels))
        }
        return all(
            needs.get(label, self.above)[i]
            and (label == STABLE or placed[i] == (None if label in (MILD, SEVERE) else label))
            for i, label in enumerate(labels)
        )


def list_loss_cases(
    loss: npt.ArrayLike, error: float, delta: float, delta2: float
) -> list[LossCase]:
    """Every essentially different case of losses within `error` of `loss`, shape (n,).

    Cases that need an exact coincidence of two numbers are left out.

    Raises:
        InputError: `error` is not positive, or a loss could be zero.
    """
    centre = np.asarray(loss, dtype=np.float64)
    low, high = centre - error, centre + error
    if not error > 0 or not (low > 0).all():
        raise InputError(
            f"labels: error {error} of losses from {centre.min()}; it must be positive and smaller "
            "than every loss"
        )
    mild, severe = 1 + delta, 1 + delta2
    ends = np.concatenate([low, high])
    edges = np.unique(np.concatenate([ends, ends / mild, ends / severe]))
    edges = edges[(edges >= low.min()) & (edges <= high.min())]
    cases = []
    for m in (edges[:-1] + edges[1:]) / 2:
        least = np.maximum(low, m)
        for k in map(int, np.flatnonzero(low < m)):
            cases.append(
                LossCase(
                    minimum=k,
                    stable=_set_minimum_flag(least < mild * m, k, True),
                    above=_set_minimum_flag(high > mild * m, k, False),
                    mild=_set_minimum_flag((high > mild * m) & (least < severe * m), k, False),
                    severe=_set_minimum_flag(high > severe * m, k, False),
                )
            )
    return cases


def list_possible_labels(cases: Sequence[LossCase], i: int) -> list[str]:
    """Labels that checkpoint `i` can have, in the order of the paper."""
    names = (ADAPTATION, STABLE, BETWEEN_STABLE, MILD, SEVERE)
    return [name for name in names if any(case.is_label_possible(i, name) for case in cases)]


def _set_minimum_flag(flags: BoolArray, k: int, value: bool) -> list[bool]:
    """The flags with that of the smallest loss set: it is Stable by definition."""
    return [value if i == k else bool(flag) for i, flag in enumerate(flags)]
