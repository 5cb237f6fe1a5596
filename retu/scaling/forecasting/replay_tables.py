"""Forecasts of the later points of every branch, and what became of them."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from retu.evaluation.scores import OVERALL
from retu.scaling.forecasting.forecast_scores import (
    MODEL,
    RULES,
    BranchScore,
    score_model,
    score_rule,
    summarise,
)
from retu.scaling.forecasting.forecast_settings import ForecastSettings, ForecastSpec
from retu.scaling.forecasting.predict import Forecast, forecast
from retu.scaling.forecasting.replay import Finished, prior_without
from retu.scaling.measured_branches import BRANCH, measured_branches

PREDICTED = ["forecast", "low", "high"]


Key = tuple[object, ...]


def read_branches(curves: pd.DataFrame) -> dict[Key, tuple[Finished, pd.DataFrame]]:
    """Every RL branch with its `overall` rows, in the order of the branch columns.

    Raises:
        InputError: no branch, or one with a missing or repeated point or unordered compute.
    """
    points = curves[curves["benchmark"] == OVERALL].groupby(BRANCH, dropna=False)
    branches = {}
    for measured in measured_branches(curves):
        key = tuple(measured.key.values())
        finished = Finished(str(measured.key["dataset"]), measured.branch)
        rows = points.get_group(key).sort_values("rl_step", ignore_index=True)
        branches[key] = (finished, rows)
    return branches


def replay(
    branches: Mapping[Key, tuple[Finished, pd.DataFrame]], fraction: float, spec: ForecastSpec
) -> tuple[pd.DataFrame, list[dict[str, object]]]:
    """Forecast all branches at one fraction.

    Returns:
        The rows of forecasts.csv and those of forecast_scores.csv.
    """
    known = [branch for branch, _ in branches.values()]
    tables = []
    scores: dict[str, list[BranchScore]] = {method: [] for method in (MODEL, *RULES)}
    for key, (branch, overall) in branches.items():
        made = None
        reason = branch.refusal(fraction)
        if reason:
            print(f"from {fraction:.0%}, {' '.join(map(str, key))}: not forecast: {reason}")
        else:
            made = forecast_rest(known, branch, fraction, spec.settings)
            scores[MODEL].append(score_model(branch, fraction, made))
            for name, rule in RULES.items():
                scores[name].append(score_rule(branch, fraction, rule))
        tables.append(hidden_rows(branch, overall, fraction, made))
    summary = [
        {"method": method, "fraction": fraction, **asdict(summarise(found))}
        for method, found in scores.items()
    ]
    return pd.concat(tables, ignore_index=True), summary


def forecast_rest(
    known: list[Finished], branch: Finished, fraction: float, settings: ForecastSettings
) -> Forecast:
    """Forecast all hidden points of a branch, with the prior of the other data sets."""
    prior = prior_without(known, {branch.dataset})
    seen, later = branch.head(fraction), branch.curve.x[branch.cut(fraction) :]
    return forecast(seen.x, seen.score, seen.error, prior, settings, later)


def hidden_rows(
    branch: Finished, overall: pd.DataFrame, fraction: float, made: Forecast | None
) -> pd.DataFrame:
    """Rows of forecasts.csv for the hidden points of one branch."""
    cut = min(branch.cut(fraction), len(overall))
    columns = [*BRANCH, "x_rl_eflops", "rl_step", "score"]
    rows = overall.loc[cut:, columns].rename(columns={"score": "observed"})
    rows.insert(len(BRANCH), "fraction", fraction)
    rows.insert(len(BRANCH) + 1, "x_cut_eflops", branch.curve.x[cut - 1])
    rows.insert(len(BRANCH) + 2, "n_train", cut)
    for name in PREDICTED:
        rows[name] = np.nan
    if made is not None:
        rows[PREDICTED] = np.stack([made.median, made.low, made.high], axis=1)
    return rows.assign(pre_collapse=np.arange(cut, len(overall)) < branch.end)
