"""Fit the RL law to one branch and say whether the data identify its ceiling."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from workflow_scripts.errors import InputError
from workflow_scripts.scaling.bootstrap import draw_ceilings, gain_cap, is_at_bound
from workflow_scripts.scaling.engine import Rows, solve
from workflow_scripts.scaling.law import FloatArray, gain
from workflow_scripts.scaling.settings import SCORE_MAX, FitSettings

Verdict = Literal["identified", "bound", "not identified"]
NAN = float("nan")


@dataclass(frozen=True)
class CurveFit:
    """The fitted law of one branch; scores and gains in points, compute in EFLOPs.

    Attributes:
        epsilon, pl_rl, c_mid, b: parameters of the law; NaN where nothing was fitted, and c_mid
            and b also where there is no gain whose shape they could describe.
        a_post: ceiling P_sft + PL_rl, percent.
        a_post_low, a_post_high: bootstrap interval of the ceiling at the level of the settings.
        rmse: root mean square of the residuals over all points, x = 0 included.
        r2: share of the variance explained over the same points; NaN for constant scores.
        at_bound: PL_rl of the fit equals its upper bound.
        n_points: number of points, x = 0 included.
        verdict: "identified"; "bound" if the upper bound set the ceiling, in the fit or in more
            than `bound_share` of the draws; "not identified" for too few points, for scores that
            never rise above P_sft (then PL_rl is 0 and A_post has no interval), or for an
            interval wider than `identified_width`.
    """

    epsilon: float
    pl_rl: float
    a_post: float
    a_post_low: float
    a_post_high: float
    c_mid: float
    b: float
    rmse: float
    r2: float
    at_bound: bool
    n_points: int
    verdict: Verdict


def fit_curve(
    x: npt.ArrayLike, score: npt.ArrayLike, p_sft: float, settings: FitSettings
) -> CurveFit:
    """Fit one branch.

    The result depends on this branch and the settings only: a new branch changes no other row.

    Args:
        x: RL compute, EFLOPs, not decreasing; the measured point x = 0 is part of a full branch.
        score: score at each x, percent.
        p_sft: score of the SFT checkpoint, percent.
        settings: bounds and protocol.

    Raises:
        InputError: unequal lengths, NaN, negative or decreasing x, scores outside 0 to 100.
    """
    compute, observed = _checked(x, score, p_sft)
    if compute.size < settings.min_points or not (compute > 0).any():
        return _unfitted(compute.size)
    observed_gain = observed - p_sft
    if observed_gain.max() <= 0:
        return _without_gain(observed_gain, p_sft)
    rows, best = _best_fit(compute, observed_gain, p_sft, settings)
    fitted = gain(compute, **best)
    residual = observed_gain - fitted
    draws = draw_ceilings(compute, fitted, residual, p_sft, settings)
    # A draw adds its PL_rl to a P_sft of its own, which can pass the 100 percent that no score can.
    low, high = _central(np.minimum(draws.a_post, 100.0), settings.level)
    at_bound = bool(is_at_bound(np.array([best["pl_rl"]]), rows.cap)[0])
    often_bound = at_bound or float(draws.at_bound.mean()) > settings.bound_share
    return CurveFit(
        **best,
        a_post=p_sft + best["pl_rl"],
        a_post_low=low,
        a_post_high=high,
        rmse=_rmse(residual),
        r2=_r2(observed_gain, residual),
        at_bound=at_bound,
        n_points=compute.size,
        verdict=_verdict(often_bound, high - low, settings),
    )


def _central(values: FloatArray, level: float) -> tuple[float, float]:
    """The quantiles between which the central share `level` of the values lies."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _verdict(often_bound: bool, width: float, settings: FitSettings) -> Verdict:
    if often_bound:
        return "bound"
    return "not identified" if width > settings.identified_width else "identified"


def _best_fit(
    x: FloatArray, observed_gain: FloatArray, p_sft: float, settings: FitSettings
) -> tuple[Rows, dict[str, float]]:
    """Fit one curve: the row that was fitted and its parameters by name."""
    row = observed_gain[None, :]
    weight = np.ones_like(row)
    rows = Rows(x, row, weight, gain_cap(row, weight, np.array([p_sft]), settings))
    best = solve(rows, settings)
    names = ("epsilon", "pl_rl", "c_mid", "b")
    return rows, {name: float(getattr(best, name)[0]) for name in names}


def _unfitted(n_points: int) -> CurveFit:
    """Too few points: no parameter is worth printing."""
    return CurveFit(NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, False, n_points, "not identified")


def _without_gain(observed_gain: FloatArray, p_sft: float) -> CurveFit:
    """RL never rose above P_sft: the bounded fit is PL_rl = 0, and the shape is undefined."""
    return CurveFit(
        epsilon=0.0,
        pl_rl=0.0,
        a_post=p_sft,
        a_post_low=NAN,
        a_post_high=NAN,
        c_mid=NAN,
        b=NAN,
        rmse=_rmse(observed_gain),
        r2=_r2(observed_gain, observed_gain),
        at_bound=False,
        n_points=observed_gain.size,
        verdict="not identified",
    )


def _rmse(residual: FloatArray) -> float:
    return float(np.sqrt(np.mean(residual**2)))


def _r2(observed: FloatArray, residual: FloatArray) -> float:
    total = float(((observed - observed.mean()) ** 2).sum())
    return 1.0 - float((residual**2).sum()) / total if total > 0 else NAN


def _checked(x: npt.ArrayLike, score: npt.ArrayLike, p_sft: float) -> tuple[FloatArray, FloatArray]:
    """Both arrays as float64, or the InputError that `fit_curve` documents."""
    try:
        compute, observed = np.asarray(x, dtype=np.float64), np.asarray(score, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"curve: a compute value or score is not a number ({error})") from error
    if compute.ndim != 1 or compute.shape != observed.shape:
        raise InputError(f"curve: {compute.size} compute values but {observed.size} scores")
    if not (np.isfinite(compute).all() and (compute >= 0).all()):
        raise InputError("curve: a compute value is missing, infinite or negative")
    if (np.diff(compute) < 0).any():
        raise InputError(
            f"curve: compute decreases after {compute[int(np.argmax(np.diff(compute) < 0))]} EFLOPs"
        )
    scores = np.append(observed, p_sft)
    if not ((scores >= 0) & (scores <= SCORE_MAX)).all():
        raise InputError("curve: a score or P_sft is missing or outside 0 to 100 percent")
    return compute, observed
