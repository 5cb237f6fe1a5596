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

from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.core.tables import read_table, shorten, write_csv
from retu.planning.jobs import SensitivityJob
from retu.reporting.fit_sensitivity import (
    branch_table,
    recipe_table,
    summary_table,
)
from retu.reporting.sensitivity_page import page, refit_all
from retu.reporting.tidy_files import SUBPHASE_COLUMNS
from retu.runtime.script import arguments, run, specification
from retu.scaling.fit_recipes import recipes_of
from retu.scaling.measured_branches import CURVE_COLUMNS


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
