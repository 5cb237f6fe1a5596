"""How good forecasts are: errors of the model and of the simple rules that it has to beat.

Every method sees the same first points of a branch and is judged on the hidden points before a
collapse (no method here foresees one) and on the smoothed best score of the branch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from retu.scaling.branch import Branch
from retu.scaling.engine import solve_rows
from retu.scaling.fit_rows import Bounds, CurveRows
from retu.scaling.forecasting.predict import Forecast
from retu.scaling.forecasting.replay import FinishedBranch
from retu.scaling.law import FloatArray, compute_gain
from retu.scaling.smoothing import find_smoothed_best

MODEL = "forecast"
LAST_POINTS = 5
TIGHT_CAP, LOOSE_CAP = 1.5, 100.0
"""Upper bounds of PL_rl: times the largest gain so far; in points, as in the released code."""


@dataclass(frozen=True)
class BranchScore:
    """Errors of one method on one branch, points.

    Attributes:
        rmse: root mean square error on the hidden points before a collapse.
        coverage: share of those inside the interval; NaN for a method without one.
        best_error: absolute error of the smoothed best score of the branch.
    """

    rmse: float
    coverage: float
    best_error: float


@dataclass(frozen=True)
class MethodScore:
    """Errors of one method over n branches, points; NaN where there is no branch."""

    n: int
    median_rmse: float
    mean_rmse: float
    coverage: float
    best_mae: float


def predict_least_squares(head: Branch, x_new: FloatArray, cap: float) -> FloatArray:
    """Plain least squares through P_sft with PL_rl at most `cap` points; scores at `x_new`."""
    rise = (head.score - head.score[0])[None]
    best = solve_rows(CurveRows(head.x, rise, np.ones_like(rise), np.array([cap])), Bounds())
    epsilon, pl_rl, c_mid, b = (float(values[0]) for values in best[:4])
    predicted: FloatArray = head.score[0] + compute_gain(
        x_new, epsilon=epsilon, pl_rl=pl_rl, c_mid=c_mid, b=b
    )
    return predicted


def predict_tight_least_squares(head: Branch, x_new: FloatArray) -> FloatArray:
    """Least squares with PL_rl at most 1.5 times the largest gain so far."""
    return predict_least_squares(head, x_new, TIGHT_CAP * float(head.score.max() - head.score[0]))


def predict_loose_least_squares(head: Branch, x_new: FloatArray) -> FloatArray:
    """Least squares with PL_rl up to 100 points, even where that is a score above 100."""
    return predict_least_squares(head, x_new, LOOSE_CAP)


def predict_best_so_far(head: Branch, x_new: FloatArray) -> FloatArray:
    """The best score so far."""
    return np.full(x_new.shape, head.score.max())


def predict_last_median(head: Branch, x_new: FloatArray) -> FloatArray:
    """The median of the last five scores."""
    return np.full(x_new.shape, np.median(head.score[-LAST_POINTS:]))


BASELINES: dict[str, Callable[[Branch, FloatArray], FloatArray]] = {
    "least squares, cap 1.5": predict_tight_least_squares,
    "least squares, cap 100": predict_loose_least_squares,
    "best so far": predict_best_so_far,
    "last-5 median": predict_last_median,
}


def score_forecast(branch: FinishedBranch, fraction: float, made: Forecast) -> BranchScore:
    """Errors of a forecast `made` at all hidden points of the branch."""
    hidden = slice(0, branch.end - branch.count_training_points(fraction))
    truth = branch.curve.score[branch.count_training_points(fraction) : branch.end]
    inside = (truth >= made.low[hidden]) & (truth <= made.high[hidden])
    later = made.observed[:, hidden]
    head = branch.curve.score[1 : branch.count_training_points(fraction)]
    # What will be the smoothed best is itself a maximum over noisy scores, so it is drawn too.
    whole = np.concatenate([np.broadcast_to(head, (len(later), head.size)), later], axis=1)
    best = float(np.median(find_smoothed_best(whole)))
    return BranchScore(
        _compute_rmse(truth - made.median[hidden]), float(inside.mean()), abs(best - branch.best)
    )


def score_baseline(
    branch: FinishedBranch, fraction: float, rule: Callable[[Branch, FloatArray], FloatArray]
) -> BranchScore:
    """Errors of one of the simple `RULES`; its smoothed best is the larger of seen and foreseen."""
    head = branch.take_training_part(fraction)
    hidden = slice(branch.count_training_points(fraction), branch.end)
    predicted = rule(head, branch.curve.x[hidden])
    best = max(float(find_smoothed_best(head.score[1:])), float(predicted.max()))
    truth = branch.curve.score[hidden]
    return BranchScore(_compute_rmse(truth - predicted), float("nan"), abs(best - branch.best))


def summarise_method(scores: Sequence[BranchScore]) -> MethodScore:
    """Median and mean over branches, each counting the same."""
    if not scores:
        return MethodScore(0, *[float("nan")] * 4)
    rmse = [score.rmse for score in scores]
    return MethodScore(
        n=len(scores),
        median_rmse=float(np.median(rmse)),
        mean_rmse=float(np.mean(rmse)),
        coverage=float(np.mean([score.coverage for score in scores])),
        best_mae=float(np.mean([score.best_error for score in scores])),
    )


def _compute_rmse(residual: FloatArray) -> float:
    return float(np.sqrt(np.mean(residual**2)))
