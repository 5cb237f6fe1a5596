"""All branches refitted by a grid of recipes, and the page on that."""

import pandas as pd

from retu.config.analysis import FitSettings
from retu.reporting.fit_sensitivity import (
    RefitTable,
    drop_benchmarks,
    refit_branches,
)
from retu.reporting.sensitivity_text import tabulate_branch_ranges, tabulate_sensitivity
from retu.scaling.curve_checks import check_numbers
from retu.scaling.fit_recipes import Recipe
from retu.scaling.measured_branches import extract_branches


def refit_all(curves: pd.DataFrame, recipes: list[Recipe], settings: FitSettings) -> RefitTable:
    """Refit the branches of a curve table once for each set of benchmarks left out."""
    check_numbers(curves)
    branches = {}
    for left_out in dict.fromkeys(recipe.left_out for recipe in recipes):
        measured = extract_branches(drop_benchmarks(curves, left_out))
        branches[left_out] = [(found.key, found.branch) for found in measured]
    return refit_branches(branches, recipes, settings)


def render_sensitivity_page(branches: pd.DataFrame, summary: pd.DataFrame) -> str:
    """The tables as a Markdown page."""
    count = int(summary["n_recipes"].max())
    return (
        f"# Sensitivity of the ceilings to the way of fitting\n\n{count} recipes, every branch"
        " refitted by each.\n\n## How often the order of the data sets comes out\n\n"
        f"{tabulate_sensitivity(summary).format_markdown()}\n##"
        f" Branches\n\n{tabulate_branch_ranges(branches).format_markdown()}"
    )
