"""Fits of anyone's curves: a table of fits, and every curve with its band and its forecast."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retu.config.analysis import FitJob
from retu.core.errors import InputError
from retu.core.tables import shorten_floats
from retu.scaling.branch import Branch
from retu.scaling.drawn_scores import compute_score_band
from retu.scaling.fit_result import BranchFit, FittedBranch, describe_observations
from retu.scaling.fitting.curve_fits import tabulate_curve_fits
from retu.scaling.fitting.fit_tables import fit_one_by_one
from retu.scaling.forecasting.forecast_settings import ForecastSettings
from retu.scaling.forecasting.predict import GainPrior, forecast_branch
from retu.scaling.law import SCORE_MAX, FloatArray
from retu.scaling.measured_branches import MeasuredBranch

GRID_POINTS = 60
"""Places at which a curve is drawn, besides those where it was measured."""
NOTHING_TO_FIT = "nothing to fit"
"""The reason of a curve whose scores are all 0 or all 100 percent."""
EFLOPS_SUFFIX = "_eflops"


@dataclass(frozen=True)
class LoggedFits:
    """What is told of curves.

    Attributes:
        table: a row a curve: `curve`, the columns of `fit_curves` (those that end in `_eflops`
            end in the unit of x), and `forecast_score`, `forecast_low`, `forecast_high` where a
            forecast was asked for.
        points: a row a curve and place: `curve`, x (by the name of its unit), `measured` (NaN
            where nothing was), `score`, `low`, `high` of the fitted curve, percent.
        x_unit: what x counts.
        forecast_at: x of the forecast.
        includes_collapse: the protocol fits what follows a collapse, too.
    """

    table: pd.DataFrame
    points: pd.DataFrame
    x_unit: str
    forecast_at: float | None = None
    includes_collapse: bool = False

    @property
    def x_column(self) -> str:
        """The name of x in `points`."""
        return f"x_{self.x_unit.replace(' ', '_')}"


def fit_logged_curves(
    branches: list[MeasuredBranch],
    job: FitJob,
    x_unit: str = "eflops",
    forecast_at: float | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> LoggedFits:
    """Fit every curve.

    Args:
        branches: the curves, x in `x_unit`.
        job: protocol, draws and seed.
        x_unit: what x counts: step, eflops, tokens, gpu_hours, ...
        forecast_at: x at which scores are forecast.
        tell: called after every fit with the number that are done.

    Raises:
        InputError: no curve has enough points.
    """
    refuse_short_curves(branches, job.fit.min_points)
    fitted, traces, forecasts = [], [], []
    for done, (measured, fit) in enumerate(
        zip(branches, fit_one_by_one(branches, job), strict=True), start=1
    ):
        fit = drop_flat_fit(measured.branch, fit)
        traces.append(trace_curve(measured, fit, forecast_at))
        if forecast_at is not None:
            forecasts.append(forecast_score(measured.branch, fit, forecast_at, job))
        # Of a fit that is traced nothing but the row is needed: a thousand have many draws.
        fitted.append(FittedBranch(fit.fit, {}))
        tell(done)
    table = tabulate_curve_fits(branches, fitted, job)
    if forecast_at is not None:
        table = pd.concat([table, shorten_floats(pd.DataFrame(forecasts))], axis=1)
    unit = x_unit.replace(" ", "_")
    renamed = table.rename(columns=lambda name: name.replace(EFLOPS_SUFFIX, f"_{unit}"))
    points = pd.concat(traces, ignore_index=True).rename(columns={"x": f"x_{unit}"})
    includes = not job.protocol.stop_at_collapse
    return LoggedFits(renamed, shorten_floats(points), x_unit, forecast_at, includes)


def is_flat(branch: Branch) -> bool:
    """Whether all scores before a collapse are 0, or all 100 percent: no law can be seen there."""
    kept = branch.score[: branch.end]
    return bool((kept == 0).all() or (kept == SCORE_MAX).all())


def drop_flat_fit(branch: Branch, fitted: FittedBranch) -> FittedBranch:
    """The fit, or none of a curve that is flat at an end of the scale."""
    if not is_flat(branch):
        return fitted
    facts = describe_observations(branch)
    return FittedBranch(BranchFit(**facts, n_fit=fitted.fit.n_fit, reason=NOTHING_TO_FIT), {})


def refuse_short_curves(branches: list[MeasuredBranch], least: int) -> None:
    """Refuse to fit when no curve has enough points for it.

    Raises:
        InputError: names the longest curve.
    """
    longest = max(branches, key=lambda measured: measured.branch.x.size)
    count = longest.branch.x.size
    if count < least:
        raise InputError(
            f"{longest.title}: {count} point{'' if count == 1 else 's'}, x = 0 included, and no"
            f" other curve has more; a fit needs at least {least}: evaluate more checkpoints"
        )


def forecast_score(branch: Branch, fitted: FittedBranch, x: float, job: FitJob) -> dict[str, float]:
    """Score at `x` with a 90% interval, percent; NaN where the curve allows no forecast.

    A run that collapsed allows none beyond its collapse: the law before is not what it follows.
    Beyond the data, by the posterior, it is the forecast of `forecast_branch`: of a score that is
    measured there. Else, and by least squares, it is the fitted curve.
    """
    kept = branch.take_first(branch.end)
    unknown = (np.full(1, np.nan),) * 3
    if is_flat(branch) or (branch.end < branch.x.size and x > kept.x[-1]):
        values = unknown
    elif x < kept.x[-1] or job.protocol.method != "posterior":
        band = compute_score_band(fitted, np.array([x]))
        values = (band.median, band.low, band.high)
    else:
        settings = ForecastSettings(n_draws=max(job.fit.n_bootstrap, 100), seed=job.fit.seed)
        try:
            made = forecast_branch(kept.x, kept.score, kept.error, GainPrior(), settings, [x])
            values = (made.median, made.low, made.high)
        except InputError:
            # Too few points, or the same score at all of them; the verdict says so.
            values = unknown
    names = ("forecast_score", "forecast_low", "forecast_high")
    return {name: float(value[0]) for name, value in zip(names, values, strict=True)}


def trace_curve(
    measured: MeasuredBranch, fitted: FittedBranch, forecast_at: float | None
) -> pd.DataFrame:
    """The measured points of a curve and its fitted law there, up to twice its end and beyond."""
    branch = measured.branch
    x = list_places(branch, forecast_at)
    band = compute_score_band(fitted, x)
    measured_at = pd.Series(branch.score, branch.x).groupby(level=0).last()
    return pd.DataFrame(
        {
            "curve": measured.key["curve"],
            "x": x,
            "measured": measured_at.reindex(x).to_numpy(),
            **band._asdict(),
        }
    ).rename(columns={"median": "score"})


def list_places(branch: Branch, forecast_at: float | None) -> FloatArray:
    """Where a curve is told: measured points, a grid to twice its end, and the forecast."""
    asked = [] if forecast_at is None else [forecast_at]
    end = max([2 * branch.x[branch.end - 1], branch.x[-1], *asked])
    # Dense on a linear and on a logarithmic axis.
    grid = [end * np.geomspace(1e-3, 1, GRID_POINTS // 2), np.linspace(0, end, GRID_POINTS // 2)]
    return np.unique(np.concatenate([branch.x, *grid, asked]))
