"""All branches refitted by a grid of recipes, and the page on that."""

import pandas as pd

from retu.config.analysis import Fit
from retu.reporting.fit_sensitivity import (
    Refits,
    refit,
    without_benchmarks,
)
from retu.reporting.sensitivity_text import branch_text, summary_text
from retu.scaling.curve_checks import check_numbers
from retu.scaling.fit_recipes import Recipe
from retu.scaling.measured_branches import measured_branches


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
