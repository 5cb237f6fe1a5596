"""Forecasts of the later points of every branch, and what became of them."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from retu.evaluation.scores import OVERALL
from retu.scaling.forecasting.forecast_scores import (
    BASELINES,
    MODEL,
    BranchScore,
    score_baseline,
    score_forecast,
    summarise_method,
)
from retu.scaling.forecasting.forecast_settings import ForecastSettings, ForecastSpec
from retu.scaling.forecasting.predict import Forecast, forecast_branch
from retu.scaling.forecasting.replay import FinishedBranch, learn_prior_without
from retu.scaling.measured_branches import FITTED_BRANCH_KEY, extract_branches

PREDICTED = ["forecast", "low", "high"]


ReplayKey = tuple[object, ...]


def read_branches(curves: pd.DataFrame) -> dict[ReplayKey, tuple[FinishedBranch, pd.DataFrame]]:
    """Every RL branch with its `overall` rows, in the order of the branch columns.

    Raises:
        InputError: no branch, or one with a missing or repeated point or unordered compute.
    """
    points = curves[curves["benchmark"] == OVERALL].groupby(FITTED_BRANCH_KEY, dropna=False)
    branches = {}
    for measured in extract_branches(curves):
        key = tuple(measured.key.values())
        finished = FinishedBranch(str(measured.key["dataset"]), measured.branch)
        rows = points.get_group(key).sort_values("rl_step", ignore_index=True)
        branches[key] = (finished, rows)
    return branches


def replay_branches(
    branches: Mapping[ReplayKey, tuple[FinishedBranch, pd.DataFrame]],
    fraction: float,
    spec: ForecastSpec,
) -> tuple[pd.DataFrame, list[dict[str, object]]]:
    """Forecast all branches at one fraction.

    Returns:
        The rows of forecasts.csv and those of forecast_scores.csv.
    """
    known = [branch for branch, _ in branches.values()]
    tables = []
    scores: dict[str, list[BranchScore]] = {method: [] for method in (MODEL, *BASELINES)}
    for key, (branch, overall) in branches.items():
        made = None
        reason = branch.explain_refusal(fraction)
        if reason:
            print(f"from {fraction:.0%}, {' '.join(map(str, key))}: not forecast: {reason}")
        else:
            made = forecast_hidden_points(known, branch, fraction, spec.settings)
            scores[MODEL].append(score_forecast(branch, fraction, made))
            for name, rule in BASELINES.items():
                scores[name].append(score_baseline(branch, fraction, rule))
        tables.append(tabulate_hidden_points(branch, overall, fraction, made))
    summary = [
        {"method": method, "fraction": fraction, **asdict(summarise_method(found))}
        for method, found in scores.items()
    ]
    return pd.concat(tables, ignore_index=True), summary


def forecast_hidden_points(
    known: list[FinishedBranch], branch: FinishedBranch, fraction: float, settings: ForecastSettings
) -> Forecast:
    """Forecast all hidden points of a branch, with the prior of the other data sets."""
    prior = learn_prior_without(known, {branch.dataset})
    seen, later = (
        branch.take_training_part(fraction),
        branch.curve.x[branch.count_training_points(fraction) :],
    )
    return forecast_branch(seen.x, seen.score, seen.error, prior, settings, later)


def tabulate_hidden_points(
    branch: FinishedBranch, overall: pd.DataFrame, fraction: float, made: Forecast | None
) -> pd.DataFrame:
    """Rows of forecasts.csv for the hidden points of one branch."""
    cut = min(branch.count_training_points(fraction), len(overall))
    columns = [*FITTED_BRANCH_KEY, "x_rl_eflops", "rl_step", "score"]
    rows = overall.loc[cut:, columns].rename(columns={"score": "observed"})
    rows.insert(len(FITTED_BRANCH_KEY), "fraction", fraction)
    rows.insert(len(FITTED_BRANCH_KEY) + 1, "x_cut_eflops", branch.curve.x[cut - 1])
    rows.insert(len(FITTED_BRANCH_KEY) + 2, "n_train", cut)
    for name in PREDICTED:
        rows[name] = np.nan
    if made is not None:
        rows[PREDICTED] = np.stack([made.median, made.low, made.high], axis=1)
    return rows.assign(pre_collapse=np.arange(cut, len(overall)) < branch.end)
