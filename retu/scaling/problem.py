"""The points of one branch that a protocol fits, in the form that the engine takes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from retu.config.analysis import Protocol
from retu.core.rounding import round_score, round_scores
from retu.scaling.branch import Branch, ListedSettings
from retu.scaling.engine import Solution
from retu.scaling.fit_rows import Bounds, CurveRows
from retu.scaling.law import SCORE_MAX, FloatArray, compute_rise_fraction
from retu.scaling.smoothing import compute_centred_median

ROOM = 10.0
"""Points below P_sft from which gains are counted where the origin is free: an offset from P_sft of
either sign is then an epsilon of at least 0."""


class FittedCurves(NamedTuple):
    """Fitted laws P(x) = base + g(x), one a row, each field of shape (R,); scores in points."""

    base: FloatArray
    epsilon: FloatArray
    pl_rl: FloatArray
    c_mid: FloatArray
    b: FloatArray

    def compute_score(self, x: FloatArray) -> FloatArray:
        """Score of every curve at compute x (EFLOPs): shape (n,) to (R, n)."""
        phi = compute_rise_fraction(x, np.log(self.c_mid)[:, None], self.b[:, None])
        start = (self.base + self.epsilon)[:, None]
        return start + (self.pl_rl - self.epsilon)[:, None] * phi

    @property
    def ceiling(self) -> FloatArray:
        """A_post of every curve, percent."""
        return self.base + self.pl_rl


@dataclass(frozen=True)
class FitProblem:
    """What is fitted, and within which bounds.

    Attributes:
        x: RL compute, EFLOPs, shape (n,).
        gain: scores counted from `base`, points, shape (n,).
        noise: standard error of each score relative to the others, shape (n,), mean square 1.
        unit: what these errors are relative to, points; NaN where all scores count alike.
        p_sft: measured score of the checkpoint, percent.
        base: score from which gains are counted: P_sft, or `ROOM` below it for a free origin.
        bounds: ranges of the parameters.
        protocol: the protocol.
    """

    x: FloatArray
    gain: FloatArray
    noise: FloatArray
    unit: float
    p_sft: float
    base: float
    bounds: Bounds
    protocol: Protocol

    @property
    def room(self) -> float:
        """How far below P_sft gains are counted from."""
        return self.p_sft - self.base

    @property
    def has_free_origin(self) -> bool:
        """Whether P_sft is fitted as one noisy score among others."""
        return self.protocol.origin == "free"

    def scale_errors(self, error: FloatArray) -> FloatArray:
        """Standard errors of other scores of the branch in the units of `noise`."""
        return np.ones_like(error) if np.isnan(self.unit) else error / self.unit

    @property
    def observed_scores(self) -> FloatArray:
        """The scores that are fitted, percent, shape (n,)."""
        return self.gain + self.base

    @property
    def has_no_gain(self) -> bool:
        """No score is above P_sft: the bounded fit is PL_rl = 0, and the shape is undefined."""
        return float(self.gain.max()) <= self.room

    def is_too_short(self, min_points: int) -> bool:
        """Fewer points than a fit is asked to have, or none after x = 0."""
        return self.x.size < min_points or not (self.x > 0).any()

    @property
    def n_parameters(self) -> int:
        """Free parameters of the law: PL_rl, C_mid, B and, where fitted, epsilon."""
        return 4 if self.bounds.fit_epsilon else 3

    def make_rows(
        self, gain: FloatArray, weight: FloatArray, p_sft: FloatArray | float
    ) -> CurveRows:
        """Rows at x with the bound of PL_rl that their own gains set; (R, n), (R, n), (R,)."""
        return CurveRows(self.x, gain, weight, self.compute_cap(gain, weight, p_sft))

    def compute_cap(
        self, gain: FloatArray, weight: FloatArray, p_sft: FloatArray | float
    ) -> FloatArray:
        """Upper bound of PL_rl counted from `base`, points, shape (R,)."""
        protocol = self.protocol
        seen = compute_centred_median(gain) if protocol.cap_on == "smoothed" else gain
        largest = np.where(weight > 0, seen, -np.inf).max(axis=1) - self.room
        limit = protocol.cap_points or SCORE_MAX - p_sft
        factor = protocol.cap_factor
        top = np.minimum(limit, np.inf if factor is None else factor * largest)
        bound: FloatArray = np.maximum(np.broadcast_to(top, largest.shape), 0.0) + self.room
        return bound

    def make_curves(
        self, solution: Solution, base: FloatArray | float | None = None
    ) -> FittedCurves:
        """The laws that a solution of rows of this problem stands for."""
        start = np.broadcast_to(self.base if base is None else base, solution.pl_rl.shape)
        return FittedCurves(start, solution.epsilon, solution.pl_rl, solution.c_mid, solution.b)


def make_problem(branch: Branch, protocol: Protocol, listed: ListedSettings) -> FitProblem:
    """Choose the points of a branch that a protocol fits, and its bounds."""
    end = branch.x.size if protocol.window == "all" or listed.end is None else listed.end
    if protocol.stop_at_collapse:
        end = min(end, branch.end)
    start = listed.start if protocol.window == "listed" else 0
    if protocol.skip_share > 0:
        start = max(
            start, int(np.searchsorted(branch.x[:end], protocol.skip_share * branch.x[end - 1]))
        )
    window = slice(start, end)
    score, p_sft = branch.score, branch.p_sft
    if protocol.decimals is not None:
        score = round_scores(score, protocol.decimals)
        p_sft = round_score(p_sft, protocol.decimals)
    error = branch.error[window]
    unit = float(np.sqrt(np.mean(error**2))) if error.size else 1.0
    base = p_sft - ROOM if protocol.origin == "free" else p_sft
    gain = score[window] - base
    if protocol.decimals is not None:
        # The difference of two rounded scores is one, too.
        gain = round_scores(gain, protocol.decimals)
    return FitProblem(
        x=branch.x[window],
        gain=gain,
        noise=error / unit if protocol.weights == "binomial" else np.ones(error.size),
        unit=unit if protocol.weights == "binomial" else float("nan"),
        p_sft=p_sft,
        base=base,
        bounds=Bounds(
            b_min=protocol.b_min,
            b_max=protocol.b_max,
            c_mid_below=protocol.c_mid_below,
            c_mid_above=protocol.c_mid_above,
            fit_epsilon=protocol.origin == "free"
            or (protocol.origin == "listed" and listed.free_epsilon),
        ),
        protocol=protocol,
    )
