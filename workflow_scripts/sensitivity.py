r"""Rule `sensitivity`: refit every branch under a grid of reasonable recipes.

    python -m workflow_scripts.sensitivity --curves curves.csv --subphases subphases.csv \
        --spec '{"protocol": {}, "fit": {}, "axes": {"cap_factor": [1.5, 2.0]}}' \
        --out sensitivity.csv --out-recipes sensitivity_recipes.csv \
        --out-summary sensitivity_summary.csv --out-md sensitivity.md

Point fits only. `sensitivity.csv` has one row a branch and set of benchmarks,
`sensitivity_recipes.csv` one a recipe and SFT data set, `sensitivity_summary.csv` one a group of
recipes.
"""

from pathlib import Path

import pandas as pd

from workflow_scripts.atomic import write_text
from workflow_scripts.errors import InputError
from workflow_scripts.reporting.schema import SUBPHASE_COLUMNS
from workflow_scripts.reporting.sensitivity import (
    Refits,
    branch_table,
    recipe_table,
    refit,
    summary_table,
    without_benchmarks,
)
from workflow_scripts.reporting.sensitivity_text import branch_text, summary_text
from workflow_scripts.scaling.checks import check_numbers
from workflow_scripts.scaling.measured import CURVE_COLUMNS, measured_branches
from workflow_scripts.scaling.recipes import Recipe, recipes_of
from workflow_scripts.script import arguments, run, specification
from workflow_scripts.study.analysis import Fit
from workflow_scripts.study.jobs import SensitivityJob
from workflow_scripts.tables_io import read_table, shorten, write_csv


def refit_all(curves: pd.DataFrame, recipes: list[Recipe], settings: Fit) -> Refits:
    """Refit the branches of a curve table once for each set of benchmarks left out."""
    check_numbers(curves)
    branches = {}
    for left_out in dict.fromkeys(recipe.left_out for recipe in recipes):
        measured = measured_branches(without_benchmarks(curves, left_out))
        branches[left_out] = [(found.key, found.branch) for found in measured]
    return refit(branches, recipes, settings)


def page(branches: pd.DataFrame, summary: pd.DataFrame) -> str:
    """The tables as a Markdown page."""
    count = int(summary["n_recipes"].max())
    return (
        f"# Sensitivity of the ceilings to the way of fitting\n\n{count} recipes, every branch"
        " refitted by each.\n\n## How often the order of the data sets comes out\n\n"
        f"{summary_text(summary).markdown()}\n## Branches\n\n{branch_text(branches).markdown()}"
    )


def main() -> None:
    """Read curves.csv and subphases.csv, write the tables and the page."""
    outputs = dict.fromkeys(("out", "out_recipes", "out_summary", "out_md"), Path)
    options = arguments(
        __doc__, curves=Path, subphases=Path, spec=specification(SensitivityJob), **outputs
    )
    curves = read_table(options.curves, CURVE_COLUMNS)
    losses = read_table(options.subphases, SUBPHASE_COLUMNS)
    minima = losses.groupby("dataset", sort=False)["min_val_loss"].mean()
    try:
        refits = refit_all(curves, recipes_of(options.spec), options.spec.fit)
    except InputError as error:
        raise InputError(f"{options.curves}: {error}") from error
    branches = shorten(branch_table(refits, list(minima.index)))
    recipes = shorten(recipe_table(refits, minima))
    summary = shorten(summary_table(recipes))
    write_csv(branches, options.out)
    write_csv(recipes, options.out_recipes)
    write_csv(summary, options.out_summary)
    write_text(options.out_md, page(branches, summary))


if __name__ == "__main__":
    run(main)
