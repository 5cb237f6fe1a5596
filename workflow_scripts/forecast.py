r"""Replay every RL branch: forecast its later points from its first ones, and compare.

    python -m workflow_scripts.forecast --curves curves.csv --spec '{"fractions": [0.3, 0.5]}' \
        --out forecasts.csv --out-summary forecast_scores.csv

The spec takes the fields of `ForecastSpec`. `forecasts.csv` has one row
for each hidden point of each branch and fraction; forecasts of a branch that cannot be replayed
(too few points, the same score everywhere, an early collapse) stay empty and the log says why.
`forecast_scores.csv` compares the model with simple rules. Priors of a branch come from other data
sets only.
"""

from pathlib import Path

import pandas as pd

from retu.core.errors import InputError
from retu.core.tables import read_table, shorten_floats, write_csv
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.scaling.forecasting.forecast_settings import ForecastSpec
from retu.scaling.forecasting.replay_tables import PREDICTED, read_branches, replay_branches
from retu.scaling.measured_branches import FITTED_CURVE_COLUMNS


def main() -> None:
    """Read curves.csv, write forecasts.csv and forecast_scores.csv."""
    read_spec = make_spec_reader(ForecastSpec)
    options = parse_arguments(__doc__, curves=Path, spec=read_spec, out=Path, out_summary=Path)
    curves = read_table(options.curves, FITTED_CURVE_COLUMNS)
    try:
        branches = read_branches(curves)
    except InputError as error:
        raise InputError(f"{options.curves}: {error}") from error
    tables, summary = [], []
    for fraction in options.spec.fractions:
        rows, scores = replay_branches(branches, fraction, options.spec)
        tables.append(rows)
        summary += scores
    measures = ["median_rmse", "mean_rmse", "coverage", "best_mae"]
    write_csv(shorten_floats(pd.DataFrame(summary), measures), options.out_summary)
    write_csv(shorten_floats(pd.concat(tables, ignore_index=True), PREDICTED), options.out)


if __name__ == "__main__":
    run_main(main)
