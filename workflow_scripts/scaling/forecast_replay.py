"""Replay of finished branches: hide their later points and choose settings to forecast them.

Nothing of the hidden part may reach a forecast. The prior of a branch comes from other data sets
only (Pure RL counts as a data set of its own), and so do the tuned settings: for data set S they
are those with the best mean log score on the other sets, each forecast with a prior from the sets
that are neither itself nor S. Branches of S therefore play no part in forecasts of S but for the
points that each of them shows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workflow_scripts.errors import InputError
from workflow_scripts.scaling.branch import Branch
from workflow_scripts.scaling.forecast import GainPrior, checked_curve, in_units, learn_prior
from workflow_scripts.scaling.forecast_model import (
    Curves,
    condition,
    gather,
    moments,
    rise_on_grid,
    stack,
)
from workflow_scripts.scaling.forecast_settings import MIN_POINTS, ForecastSettings, ForecastSpec
from workflow_scripts.scaling.law import FloatArray

MIN_DATA_SETS = 4
"""Tuning for one data set needs two others to try on and more to learn their priors from."""


@dataclass(frozen=True)
class Finished:
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

    def cut(self, fraction: float) -> int:
        """Number of training points: x = 0 and the first `fraction` of those after it."""
        return 1 + max(MIN_POINTS - 1, int(fraction * (self.curve.x.size - 1)))

    def head(self, fraction: float) -> Branch:
        """Training part; InputError if nothing can be forecast from it."""
        n = self.cut(fraction)
        seen = self.curve.first(n)
        return checked_curve(seen.x, seen.score, seen.error)

    def refusal(self, fraction: float) -> str:
        """Why the branch cannot be replayed, or nothing."""
        if self.cut(fraction) >= self.curve.x.size:
            return f"only {self.curve.x.size} points, none left to forecast"
        if self.cut(fraction) >= self.end:
            return "collapsed within the part that a forecast may see"
        try:
            self.head(fraction)
        except InputError as error:
            return str(error)
        return ""


def prior_without(branches: Sequence[Finished], hidden: Collection[str]) -> GainPrior:
    """Prior of the gain from the branches of all data sets but `hidden`.

    A branch that was never evaluated after x = 0 has no gain to learn from.
    """
    shown = [branch for branch in branches if branch.dataset not in hidden]
    seen = [branch for branch in shown if branch.end > 1]
    p_sft = np.array([branch.p_sft for branch in seen])
    return learn_prior(p_sft, np.array([branch.best for branch in seen]) - p_sft)


def tune(
    branches: Sequence[Finished], fraction: float, spec: ForecastSpec
) -> dict[str, ForecastSettings]:
    """Settings for every data set, chosen on the others.

    Args:
        branches: finished branches; those that cannot be replayed serve priors only.
        fraction: share of the points that forecasts see.
        spec: candidates and defaults.

    Returns:
        By data set; the defaults of `spec` where fewer than `MIN_DATA_SETS` can be replayed.
    """
    scored = [branch for branch in branches if not branch.refusal(fraction)]
    names = sorted({branch.dataset for branch in branches})
    if len({branch.dataset for branch in scored}) < MIN_DATA_SETS:
        return dict.fromkeys(names, spec.settings)
    candidates = spec.candidates()
    scores = log_scores(branches, scored, names, fraction, candidates)
    dataset = np.array([branch.dataset for branch in scored])
    chosen = {}
    for i, name in enumerate(names):
        others = sorted(set(dataset) - {name})
        # Data sets count the same: branches of one resemble each other, and one has a third of all.
        by_set = [scores[:, i, dataset == other].mean(axis=1) for other in others]
        # Rounded, so that the last bits of a sum cannot decide between equal candidates.
        chosen[name] = candidates[int(np.argmax(np.mean(by_set, axis=0).round(9)))]
    return chosen


def log_scores(
    branches: Sequence[Finished],
    scored: Sequence[Finished],
    names: Sequence[str],
    fraction: float,
    candidates: Sequence[ForecastSettings],
) -> FloatArray:
    """Mean log density of each branch's hidden points before a collapse.

    The density is Gaussian with the mean and the variance of the forecast, noise included, and in
    units of the branch; only differences between candidates mean something.

    Returns:
        Shape (candidates, left-out data sets `names`, `scored` branches).
    """
    curves = stack([branch.head(fraction) for branch in scored])
    x_new, truth = _hidden(scored, fraction, curves)
    phi_new = rise_on_grid(x_new, candidates[0])
    priors = [_priors(branches, scored, name, curves) for name in names]
    # Candidates that differ in gain_spread only share the costly part.
    shared = {replace(candidate, gain_spread=1.0) for candidate in candidates}
    evidence = {settings: gather(curves, settings) for settings in shared}
    result = np.empty((len(candidates), len(names), len(scored)))
    for i, candidate in enumerate(candidates):
        seen = evidence[replace(candidate, gain_spread=1.0)]
        noise = candidate.noise**2 * candidate.tail / (candidate.tail - 2)
        for j, (mean, sd) in enumerate(priors):
            posterior = condition(seen, mean, candidate.gain_spread * sd)
            centre, variance = moments(posterior, x_new, phi_new)
            density = (truth - centre) ** 2 / (variance + noise) + np.log(variance + noise)
            result[i, j] = -0.5 * np.nanmean(density, axis=1)
    return result


def _hidden(
    scored: Sequence[Finished], fraction: float, curves: Curves
) -> tuple[FloatArray, FloatArray]:
    """Compute and rise of the hidden points in units of each branch; NaN pads the rises."""
    parts = [slice(branch.cut(fraction), branch.end) for branch in scored]
    shape = len(scored), max(part.stop - part.start for part in parts)
    x, rise = np.ones(shape), np.full(shape, np.nan)
    for i, (branch, part) in enumerate(zip(scored, parts, strict=True)):
        size = part.stop - part.start
        x[i, :size] = branch.curve.x[part] / curves.spent[i]
        rise[i, :size] = (branch.curve.score[part] - curves.p_sft[i]) / curves.unit[i]
    return x, rise


def _priors(
    branches: Sequence[Finished], scored: Sequence[Finished], left_out: str, curves: Curves
) -> tuple[FloatArray, FloatArray]:
    """Mean and SD of the gain of every scored branch, in its units, without two data sets."""
    by_name = {
        name: prior_without(branches, {name, left_out})
        for name in {branch.dataset for branch in scored}
    }
    pairs = [
        in_units(by_name[branch.dataset], curves.p_sft[[i]], curves.unit[[i]])
        for i, branch in enumerate(scored)
    ]
    return (
        np.concatenate([mean for mean, _ in pairs]),
        np.concatenate([sd for _, sd in pairs]),
    )
