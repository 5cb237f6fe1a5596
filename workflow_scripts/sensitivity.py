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
from retu.core.tables import read_table, shorten_floats, write_csv
from retu.planning.jobs import SensitivityJob
from retu.reporting.fit_sensitivity import (
    build_branch_table,
    build_recipe_table,
    build_sensitivity_summary,
)
from retu.reporting.sensitivity_page import refit_all, render_sensitivity_page
from retu.reporting.tidy_files import SUBPHASE_COLUMNS
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.scaling.fit_recipes import list_recipes
from retu.scaling.measured_branches import FITTED_CURVE_COLUMNS


def main() -> None:
    """Read curves.csv and subphases.csv, write the tables and the page."""
    outputs = dict.fromkeys(("out", "out_recipes", "out_summary", "out_md"), Path)
    options = parse_arguments(
        __doc__, curves=Path, subphases=Path, spec=make_spec_reader(SensitivityJob), **outputs
    )
    curves = read_table(options.curves, FITTED_CURVE_COLUMNS)
    losses = read_table(options.subphases, SUBPHASE_COLUMNS)
    minima = losses.groupby("dataset", sort=False)["min_val_loss"].mean()
    try:
        refits = refit_all(curves, list_recipes(options.spec), options.spec.fit)
    except InputError as error:
        raise InputError(f"{options.curves}: {error}") from error
    branches = shorten_floats(build_branch_table(refits, list(minima.index)))
    recipes = shorten_floats(build_recipe_table(refits, minima))
    summary = shorten_floats(build_sensitivity_summary(recipes))
    write_csv(branches, options.out)
    write_csv(recipes, options.out_recipes)
    write_csv(summary, options.out_summary)
    write_text(options.out_md, render_sensitivity_page(branches, summary))


if __name__ == "__main__":
    run_main(main)
