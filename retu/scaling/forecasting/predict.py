"""Forecast the rest of an RL branch from its first points.

The posterior of the law is the one that fits use (`posterior/`); a forecast adds a slow walk away
from the law beyond the data, without which its intervals are too narrow, and the noise of an
evaluation. What other branches teach is the size of the gain: PL_rl falls as P_sft rises, so its
prior is a line in P_sft, drawn through branches of other data sets. A forecast may lean on such a
prior, while a verdict on a ceiling may not. All else is relative to the branch itself: multiplying
all compute by a number changes nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retu.core.errors import InputError
from retu.scaling.branch import Branch
from retu.scaling.forecasting.forecast_settings import MIN_POINTS, ForecastSettings
from retu.scaling.law import SCORE_MAX, FloatArray
from retu.scaling.posterior.branch_posterior import condition_on_branch, draw_random_laws
from retu.scaling.posterior.prior import Prior
from retu.scaling.posterior.residual_draws import draw_evaluation_noise

MIN_BRANCHES = 4
"""Fewer other branches than this teach nothing: a line through them leaves no residual to trust."""
UNTAUGHT_SHARE = 0.25
"""Without other branches, PL_rl is expected at this share of the points missing to 100."""


@dataclass(frozen=True)
class GainPrior:
    """What PL_rl to expect after a score P_sft: mean + slope (P_sft - centre) and its SD, points.

    The default says nothing learned: see `UNTAUGHT_SHARE`; its SD equals its mean.
    """

    mean: float = float("nan")
    slope: float = 0.0
    centre: float = 0.0
    sd: float = float("nan")

    @property
    def is_learned(self) -> bool:
        """Whether other branches stand behind it."""
        return bool(np.isfinite(self.mean))

    def predict_gain(self, p_sft: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and SD of PL_rl, points, for scores `p_sft`; the mean never leaves 0 to 100."""
        missing = SCORE_MAX - p_sft
        if not self.is_learned:
            return UNTAUGHT_SHARE * missing, np.maximum(UNTAUGHT_SHARE * missing, 1.0)
        mean = np.clip(self.mean + self.slope * (p_sft - self.centre), 0.0, missing)
        return mean, np.full_like(mean, self.sd)


def learn_prior(p_sft: FloatArray, gain: FloatArray) -> GainPrior:
    """Least-squares line through the gains that other branches reached, all arrays (R,).

    With fewer than `MIN_BRANCHES` branches the result is the prior that has learned nothing.
    """
    if p_sft.size < MIN_BRANCHES:
        return GainPrior()
    centre, mean = float(p_sft.mean()), float(gain.mean())
    offset = p_sft - centre
    spread = float(offset @ offset)
    slope = float(offset @ gain) / spread if spread > 0 else 0.0
    residual = gain - mean - slope * offset
    return GainPrior(mean, slope, centre, float(np.sqrt(residual @ residual / (gain.size - 2))))


@dataclass(frozen=True)
class Forecast:
    """Forecast at k values of compute.

    Attributes:
        x: RL compute, EFLOPs, shape (k,).
        median: median of the score without evaluation noise, percent, shape (k,).
        low, high: interval of an observed score (noise included) at the level of the settings.
        draws: joint draws of the score without noise, percent, shape (draws, k).
        observed: the same draws with the noise of one evaluation each.
    """

    x: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray
    draws: FloatArray
    observed: FloatArray


def forecast_branch(
    x: npt.ArrayLike,
    score: npt.ArrayLike,
    error: npt.ArrayLike,
    prior: GainPrior,
    settings: ForecastSettings,
    x_new: npt.ArrayLike,
) -> Forecast:
    """Forecast scores at `x_new` from the first points of a branch; deterministic.

    Args:
        x: RL compute so far, any unit, not decreasing, first 0, shape (n,) with n >= 5.
        score: observed scores, percent, the first being P_sft, shape (n,).
        error: their standard errors, points (`estimate_overall_error`), shape (n,).
        prior: what gain to expect.
        settings: the model.
        x_new: compute to forecast at, in the unit of `x`, not decreasing and not before the last x.

    Raises:
        InputError: too few points, NaN, unordered compute, a score outside 0 to 100, an error that
            is not positive, the same score at all points, or nothing to forecast.
    """
    curve = check_curve(x, score, error)
    later = _check_target(x_new, float(curve.x[-1]))
    rng = np.random.default_rng(settings.seed)
    posterior = condition_on_branch(curve, make_gain_belief(prior, curve, settings))
    laws = draw_random_laws(posterior, settings.n_draws, rng)
    unit = float(np.median(curve.error))
    ahead = later / posterior.spent
    rise = laws.compute_rise(ahead) + unit * draw_score_walk(ahead, settings, rng)
    noise = draw_evaluation_noise(laws, np.full(later.size, unit), rng)
    draws = np.clip(curve.p_sft + rise, 0.0, SCORE_MAX)
    observed = np.clip(curve.p_sft + rise + noise, 0.0, SCORE_MAX)
    tail = (1 - settings.level) / 2
    low, high = np.quantile(observed, [tail, 1 - tail], axis=0)
    return Forecast(later, np.median(draws, axis=0), low, high, draws, observed)


def make_gain_belief(prior: GainPrior, curve: Branch, settings: ForecastSettings) -> Prior:
    """The prior of the law, with the gain's prior learned from other branches."""
    mean, sd = prior.predict_gain(np.array([curve.p_sft]))
    spread = settings.gain_spread if prior.is_learned else 1.0
    least = float(np.median(curve.error))
    return Prior(
        float(mean[0]),
        max(spread * float(sd[0]), least),
        b=settings.b,
        tail=settings.tail,
    )


def draw_score_walk(
    ahead: FloatArray, settings: ForecastSettings, rng: np.random.Generator
) -> FloatArray:
    """Draws of how far scores leave the law, in standard errors, shape (draws, k).

    Brownian in the log of compute from the last point on. `ahead` is compute over the last compute.
    """
    time = settings.drift**2 * np.log(np.maximum(ahead, 1.0))
    steps = np.sqrt(np.diff(time, prepend=0.0))
    walked: FloatArray = (rng.standard_normal((settings.n_draws, ahead.size)) * steps).cumsum(
        axis=1
    )
    return walked


def check_curve(x: npt.ArrayLike, score: npt.ArrayLike, error: npt.ArrayLike) -> Branch:
    """The training part as float64, or the InputError that `forecast` documents."""
    arrays = [np.asarray(values, dtype=np.float64) for values in (x, score, error)]
    curve = Branch(arrays[0], arrays[1], arrays[2])
    if not curve.x.shape == curve.score.shape == curve.error.shape == (curve.x.size,):
        raise InputError("forecast: compute, scores and errors are not of the same length")
    if curve.x.size < MIN_POINTS:
        raise InputError(
            f"forecast: {curve.x.size} points, x = 0 included; at least {MIN_POINTS} are needed"
        )
    if not all(np.isfinite(values).all() for values in arrays):
        raise InputError("forecast: a compute value, score or error is missing or infinite")
    if curve.x[0] != 0 or (np.diff(curve.x) < 0).any() or curve.x[-1] <= 0:
        raise InputError("forecast: compute must start at 0 and must not decrease")
    if not ((curve.score >= 0) & (curve.score <= SCORE_MAX)).all():
        raise InputError("forecast: a score is outside 0 to 100 percent")
    if not (curve.error > 0).all():
        raise InputError("forecast: a standard error is not positive")
    if np.ptp(curve.score) == 0:
        raise InputError(
            f"forecast: all {curve.x.size} scores are {curve.score[0]:g}; a constant curve has no "
            "noise and no gain to go by, so check the evaluation"
        )
    return curve


def _check_target(x_new: npt.ArrayLike, last: float) -> FloatArray:
    later = np.asarray(x_new, dtype=np.float64)
    if later.ndim != 1 or later.size == 0 or not np.isfinite(later).all():
        raise InputError("forecast: no finite compute values to forecast at")
    if later[0] < last or (np.diff(later) < 0).any():
        raise InputError(
            f"forecast: compute to forecast at must rise from {last:g}, the last point"
        )
    return later
