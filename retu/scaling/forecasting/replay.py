"""Replay of finished branches: hide their later points and forecast them.

Nothing of the hidden part may reach a forecast. The prior of a branch comes from other data sets
only (Pure RL counts as a data set of its own). Settings are the same for all: nothing is tuned per
data set, though the defaults were chosen once with the released branches in view.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from retu.core.errors import InputError
from retu.scaling.branch import Branch
from retu.scaling.forecasting.forecast_settings import MIN_POINTS
from retu.scaling.forecasting.predict import GainPrior, check_curve, learn_prior

FURTHER = 1.2
"""PL_rl in gains that a branch has reached: its ceiling lies beyond."""


@dataclass(frozen=True)
class FinishedBranch:
    """A finished branch.

    Attributes:
        dataset: group that is left out as a whole.
        curve: all points.
    """

    dataset: str
    curve: Branch

    @property
    def p_sft(self) -> float:
        """Score before RL, percent."""
        return self.curve.p_sft

    @property
    def end(self) -> int:
        """Index of the first point of a collapse, or the number of points."""
        return self.curve.end

    @property
    def best(self) -> float:
        """Smoothed best score after x = 0 and before a collapse, percent; NaN without."""
        return self.curve.best_smoothed

    def count_training_points(self, fraction: float) -> int:
        """Number of training points: x = 0 and the first `fraction` of those after it."""
        return 1 + max(MIN_POINTS - 1, int(fraction * (self.curve.x.size - 1)))

    def take_training_part(self, fraction: float) -> Branch:
        """Training part; InputError if nothing can be forecast from it."""
        n = self.count_training_points(fraction)
        seen = self.curve.take_first(n)
        return check_curve(seen.x, seen.score, seen.error)

    def explain_refusal(self, fraction: float) -> str:
        """Why the branch cannot be replayed, or nothing."""
        if self.count_training_points(fraction) >= self.curve.x.size:
            return f"only {self.curve.x.size} points, none left to forecast"
        if self.count_training_points(fraction) >= self.end:
            return "collapsed within the part that a forecast may see"
        try:
            self.take_training_part(fraction)
        except InputError as error:
            return str(error)
        return ""


def learn_prior_without(branches: Sequence[FinishedBranch], hidden: Collection[str]) -> GainPrior:
    """Prior of the gain from the branches of all data sets but `hidden`.

    A branch that was never evaluated after x = 0 has no gain to learn from.
    """
    shown = [branch for branch in branches if branch.dataset not in hidden]
    seen = [branch for branch in shown if branch.end > 1]
    p_sft = np.array([branch.p_sft for branch in seen])
    reached = np.array([branch.best for branch in seen]) - p_sft
    return learn_prior(p_sft, FURTHER * reached)
