"""What a test of a sentence finds, and the verdict on it."""

from dataclasses import dataclass

import numpy as np

from retu.audit.claims.claim_verdict import HOLDS
from retu.core.arrays import BoolArray, FloatArray
from retu.scaling.draw_statistics import compute_central_interval

SUPPORTS, CONTRADICTS, UNDECIDED = "supports", "contradicts", "undecided"
CANNOT_BE_ASKED = "cannot be asked here"
STUDY_VERDICTS = (SUPPORTS, CONTRADICTS, UNDECIDED, CANNOT_BE_ASKED)


@dataclass(frozen=True)
class SentenceOutcome:
    """What a sentence comes to on a study.

    Attributes:
        holds: whether it holds, shape (draws,).
        effect: how far it does, shape (draws,); its sign is that of `holds` where `what` is in
            points.
        what: what the effect is, with its unit.
        branches: the runs that were compared.
        n_seeds: the fewest seeds that any of them has.
        unknown: why the draws cannot decide whatever they say, such as ceilings that are not
            identified; empty if they can.
        note: what a reader must know to agree.
        covers: what scatters in the draws beside the sampling of problems, and of seeds if there
            are several.
        chance: probability that it holds where draws are too few to tell it; None: their share.
        at_most: an upper bound of that probability, where `holds` is about the surest of several
            comparisons alone; None: the probability itself.
        n_chances: comparisons among which the surest was chosen: it must be so much surer.
    """

    holds: BoolArray
    effect: FloatArray
    what: str
    branches: tuple[str, ...]
    n_seeds: int
    unknown: str = ""
    note: str = ""
    covers: str = ""
    chance: float | None = None
    at_most: float | None = None
    n_chances: int = 1

    @property
    def probability(self) -> float:
        """Probability that the sentence holds: the share of draws, or `chance`."""
        return float(self.holds.mean()) if self.chance is None else self.chance

    @property
    def interval(self) -> tuple[float, float]:
        """The 90% interval of the effect; NaN where it is no number."""
        if not np.isfinite(self.effect).all():
            return float("nan"), float("nan")
        return compute_central_interval(self.effect)

    @property
    def verdict(self) -> str:
        """Supports, contradicts or undecided."""
        if self.unknown:
            return UNDECIDED
        if self.probability >= 1 - (1 - HOLDS) / self.n_chances:
            return SUPPORTS
        most = self.probability if self.at_most is None else self.at_most
        return CONTRADICTS if most <= 1 - HOLDS else UNDECIDED
