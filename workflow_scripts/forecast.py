r"""Replay every RL branch: forecast its later points from its first ones, and compare.

    python -m workflow_scripts.forecast --curves curves.csv --spec '{"fractions": [0.3, 0.5]}' \
        --out forecasts.csv --out-summary forecast_scores.csv

The spec takes the fields of `scaling.forecast_settings.ForecastSpec`. `forecasts.csv` has one row
for each hidden point of each branch and fraction; forecasts of a branch that cannot be replayed
(too few points, the same score everywhere, an early collapse) stay empty and the log says why.
`forecast_scores.csv` compares the model with simple rules. Priors of a branch come from other data
sets only.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.errors import InputError
from workflow_scripts.evaluation.scores import OVERALL
from workflow_scripts.scaling.forecast import Forecast, forecast
from workflow_scripts.scaling.forecast_replay import Finished, prior_without
from workflow_scripts.scaling.forecast_scores import (
    MODEL,
    RULES,
    BranchScore,
    score_model,
    score_rule,
    summarise,
)
from workflow_scripts.scaling.forecast_settings import ForecastSettings, ForecastSpec, parse_spec
from workflow_scripts.scaling.measured import BRANCH, CURVE_COLUMNS, measured_branches
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import read_table, shorten, write_csv

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


def main() -> None:
    """Read curves.csv, write forecasts.csv and forecast_scores.csv."""
    options = arguments(__doc__, curves=Path, spec=parse_spec, out=Path, out_summary=Path)
    curves = read_table(options.curves, CURVE_COLUMNS)
    try:
        branches = read_branches(curves)
    except InputError as error:
        raise InputError(f"{options.curves}: {error}") from error
    tables, summary = [], []
    for fraction in options.spec.fractions:
        rows, scores = replay(branches, fraction, options.spec)
        tables.append(rows)
        summary += scores
    measures = ["median_rmse", "mean_rmse", "coverage", "best_mae"]
    write_csv(shorten(pd.DataFrame(summary), measures), options.out_summary)
    write_csv(shorten(pd.concat(tables, ignore_index=True), PREDICTED), options.out)


if __name__ == "__main__":
    run(main)
