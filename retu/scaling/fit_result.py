"""What a fit of one branch says: parameters, intervals, a verdict and its reason."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from retu.scaling.branch import Branch
from retu.scaling.law import FloatArray

CeilingVerdict = Literal["identified", "bound", "not identified"]
FitFacts = dict[str, Any]
"""Some fields of a `BranchFit` by name."""
NAN = float("nan")
TOO_FEW, WIDE, PASSED = "too few points", "wide interval", "reached more"
ENDS_EARLY = "the curve ends before half of its rise"
LEANS = "the interval moves with the prior"
FALLS = "the scores fall"
CUT_OFF = "the ceiling is cut off at 100 percent"
REASONS: dict[str, CeilingVerdict] = {
    "fit at the bound": "bound",
    "draws at the bound": "bound",
    "profile meets the bound": "bound",
    CUT_OFF: "bound",
    WIDE: "not identified",
    PASSED: "not identified",
    "no gain": "not identified",
    TOO_FEW: "not identified",
    FALLS: "not identified",
    ENDS_EARLY: "not identified",
    LEANS: "not identified",
}
"""Why a ceiling is not known, and the verdict.

By least squares: PL_rl equals its upper bound in the fit, in more than `bound_share` of the draws,
or at the end of the profile interval; no score is above P_sft. By the posterior: more than
`bound_share` of it would be above 100 percent; the ceiling is below P_sft; C_mid may be beyond the
last point; an end of the interval moves by more than `prior_share` of its width under the second
prior. By both: there are too few points; an interval is wider than `identified_width`; the best
median of five is above the interval by more than chance, so that the law does not describe the
branch."""
MEDIAN_OF_FIVE = 0.536
"""Standard error of the median of five Gaussian values, in their standard deviations."""
REFERENCE_PLACES = ("end", "double", "common")
"""Where curves are read: at the end of the branch, at twice its compute, at a common compute."""


@dataclass(frozen=True)
class BranchFit:
    """The fitted law of one branch; scores and gains in points, compute in EFLOPs.

    Attributes:
        n_points, n_fit: points of the branch, and those with weight in the fit; x = 0 counts.
        collapsed: the branch collapses after x_end_eflops.
        x_end_eflops: last compute before a collapse.
        p_sft: measured score at x = 0.
        epsilon: fitted offset at x = 0 from P_sft; of either sign for a free origin.
        pl_rl, c_mid, b, a_post: parameters of the law; NaN where nothing was fitted, and c_mid
            and b also where there is no gain whose shape they could describe.
        a_post_low, a_post_high: interval of the ceiling, of the posterior or the bootstrap.
        a_post_profile_low, a_post_profile_high: profile interval of the ceiling; NaN for a
            posterior.
        noise: standard deviation of a score around the law.
        lag1: correlation of neighbouring residuals; far above 0, the law leaves something out and
            the profile interval, which assumes independent noise, is too narrow.
        p_beyond: probability that the ceiling is more than `Fit.beyond` points above the end of
            the curve; NaN by least squares.
        prior_shift: how far the interval of the ceiling moves under the second prior, in shares
            of its width; NaN by least squares.
        rmse, r2: over the points that were fitted; r2 is NaN for constant scores.
        heldout_rmse: refitted without the last points before a collapse (`Fit.held_out`), over
            these points.
        best_score, best_smoothed: highest score after RL, and highest median of five.
        end_score, double_score, common_score: the curve at x_end, at twice x_end and at the common
            compute, each with the ends of its interval.
        at_bound: PL_rl of the fit equals its upper bound.
        verdict: "bound" if the upper bound sets the ceiling or may do so; "not identified" if it is
            not known for another reason; else "identified".
        reason: why it is not identified, one of `REASONS`; empty if it is.
    """

    n_points: int
    n_fit: int
    collapsed: bool
    x_end_eflops: float
    p_sft: float
    epsilon: float = NAN
    pl_rl: float = NAN
    a_post: float = NAN
    a_post_low: float = NAN
    a_post_high: float = NAN
    a_post_profile_low: float = NAN
    a_post_profile_high: float = NAN
    c_mid: float = NAN
    b: float = NAN
    noise: float = NAN
    lag1: float = NAN
    p_beyond: float = NAN
    prior_shift: float = NAN
    rmse: float = NAN
    r2: float = NAN
    heldout_rmse: float = NAN
    best_score: float = NAN
    best_smoothed: float = NAN
    end_score: float = NAN
    end_low: float = NAN
    end_high: float = NAN
    double_score: float = NAN
    double_low: float = NAN
    double_high: float = NAN
    common_score: float = NAN
    common_low: float = NAN
    common_high: float = NAN
    at_bound: bool = False
    verdict: CeilingVerdict = "not identified"
    reason: str = TOO_FEW


class FittedBranch(NamedTuple):
    """A fit and, by name, its draws (each of shape (D,)); no draws where nothing was fitted.

    `start_score`, `a_post`, `c_mid` and `b` of a draw are its law: `compute_drawn_scores`.
    """

    fit: BranchFit
    draws: dict[str, FloatArray]


def describe_observations(branch: Branch) -> FitFacts:
    """What the measured points say without any fit."""
    after = branch.score[1:]
    return {
        "n_points": branch.x.size,
        "collapsed": branch.end < branch.x.size,
        "x_end_eflops": float(branch.x[branch.end - 1]),
        "p_sft": branch.p_sft,
        "best_score": float(after.max()) if after.size else NAN,
        "best_smoothed": branch.best_smoothed,
    }


def compute_lag1_correlation(residual: FloatArray) -> float:
    """Correlation of residuals with their successors; NaN where they do not vary."""
    centred = residual - residual.mean()
    total = float((centred**2).sum())
    return float((centred[1:] * centred[:-1]).sum()) / total if total > 0 else NAN
