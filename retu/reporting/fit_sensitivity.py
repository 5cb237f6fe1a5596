"""How much the ceilings, and what is said about them, depend on the way to fit.

Three tables: every branch over all recipes, every data set by every recipe, and for groups of
recipes how often the paper's order of the data sets comes out. Next to the fitted ceiling stand the
score at a compute that branches share, and the highest median of five observed scores, which
depends on the benchmarks only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from retu.config.analysis import FitSettings
from retu.core.errors import InputError
from retu.evaluation.scores import OVERALL, list_out_of_distribution
from retu.reporting.result_tables import rank_names
from retu.reporting.tidy_files import NO_DATASET, SFT_THEN_RL
from retu.scaling.branch import Branch
from retu.scaling.correlation import correlate_pairs
from retu.scaling.fit_recipes import BENCHMARK_AXIS, Recipe, format_axis_value, refit_cases
from retu.scaling.law import FloatArray

REFIT_POINT_KEY = ["study", "model", "dataset", "sft_step", "paradigm", "recipe", "seed", "rl_step"]
CEILING, COMMON, OBSERVED = "a_post", "common_score", "best_smoothed"
MEASURE_TITLES = {
    CEILING: "fitted ceiling",
    COMMON: "score at equal RL compute",
    OBSERVED: "best observed (median of five)",
}
BRANCH_COLUMNS = (
    *("benchmarks", "dataset", "sft_step", "paradigm", "seed", "n_recipes", "a_post_min"),
    *("a_post_median", "a_post_max", "a_post_range", "rank_best", "rank_worst", "n_branches"),
)
RECIPE_COLUMNS = (
    *("unchanged", "dataset", "min_val_loss"),
    *(f"{m}{end}" for m in MEASURE_TITLES for end in ("", "_rank", "_pearson", "_spearman")),
)
SUMMARY_COLUMNS = (
    *("measure", "axis", "value", "n_recipes", "share_exact_order", "share_lowest_loss_on_top"),
    *("pearson_min", "pearson_median", "pearson_max"),
)


@dataclass(frozen=True)
class RefitTable:
    """All branches by all recipes.

    Attributes:
        recipes: the R recipes.
        branches: keys of the B branches.
        values: for every measure the values in percent, shape (R, B): fitted ceilings, scores at
            the common compute, and the best median of five before a collapse.
    """

    recipes: list[Recipe]
    branches: pd.DataFrame
    values: dict[str, FloatArray]


def drop_benchmarks(curves: pd.DataFrame, left_out: Sequence[str]) -> pd.DataFrame:
    """The curves with some benchmarks taken out of the overall score and out of the table.

    The overall score stays the mean over problems (paper appendix on evaluation), now of those
    that are left; benchmarks that are out of distribution were never in it.

    Raises:
        InputError: an unknown benchmark, or none left.
    """
    if not left_out:
        return curves
    unknown = [name for name in left_out if name not in set(curves["benchmark"])]
    if unknown:
        raise InputError(f"--spec: axes.benchmarks: no benchmark {unknown[0]!r} in the curves")
    apart = list_out_of_distribution(curves)
    rest = curves[~curves["benchmark"].isin([OVERALL, *apart, *left_out])]
    if rest.empty:
        raise InputError("--spec: axes.benchmarks: leaves no benchmark; leave out fewer")
    counted = rest.assign(recipe=rest["recipe"].fillna(""))
    counted["weighted"] = counted["score"] * counted["n_problems"]
    sums = counted.groupby([*REFIT_POINT_KEY, "x_sft_eflops", "x_rl_eflops"], sort=False)[
        ["weighted", "n_problems", "n_samples"]
    ].sum()
    overall = sums.reset_index().assign(benchmark=OVERALL)
    overall["score"] = overall["weighted"] / overall["n_problems"]
    return pd.concat([counted, overall], ignore_index=True).drop(columns="weighted")


def refit_branches(
    branches: dict[tuple[str, ...], list[tuple[dict[str, object], Branch]]],
    recipes: list[Recipe],
    settings: FitSettings,
) -> RefitTable:
    """Refit all branches by all recipes.

    Args:
        branches: for each set of benchmarks left out the branches with their keys, the same
            branches in the same order.
        recipes: the grid.
        settings: smallest number of points, and the common compute (none: no score there).
    """
    keys = pd.DataFrame([key for key, _ in next(iter(branches.values()))])
    values = {measure: np.full((len(recipes), len(keys)), np.nan) for measure in MEASURE_TITLES}
    x_common = settings.common_compute or float("nan")
    for place in range(len(keys)):
        own = {left_out: measured[place][1] for left_out, measured in branches.items()}
        cases = [(own[recipe.left_out], recipe.protocol) for recipe in recipes]
        found = refit_cases(cases, settings.min_points, x_common)
        values[CEILING][:, place], values[COMMON][:, place] = found.T
        values[OBSERVED][:, place] = [own[recipe.left_out].best_smoothed for recipe in recipes]
    return RefitTable(recipes, keys, values)


def build_branch_table(refits: RefitTable, order: Sequence[str]) -> pd.DataFrame:
    """One row a branch and set of benchmarks: range of A_post over recipes, and of its rank.

    Leaving a benchmark out changes what is measured, not how it is fitted, so ceilings of other
    sets of benchmarks are never mixed.

    Args:
        refits: all refits.
        order: data sets from first to last; branches without one come before them.
    """
    left_out = [recipe.left_out for recipe in refits.recipes]
    tables = []
    for place, members in enumerate(dict.fromkeys(left_out)):
        rows = [i for i, names in enumerate(left_out) if names == members]
        text = format_axis_value(BENCHMARK_AXIS, list(members))
        tables.append(build_range_table(refits, rows).assign(benchmarks=text, place=place))
    table = pd.concat(tables, ignore_index=True)
    table["rank"] = rank_names(table["dataset"], [NO_DATASET, *order])
    keys = ["place", "rank", "sft_step", "seed"]
    return table.sort_values(keys, kind="stable", ignore_index=True)[list(BRANCH_COLUMNS)]


def build_range_table(refits: RefitTable, rows: Sequence[int]) -> pd.DataFrame:
    """One row a branch over some of the recipes."""
    values = pd.DataFrame(refits.values[CEILING][rows])
    table = refits.branches[["dataset", "sft_step", "paradigm", "seed"]].copy()
    groups = [table[name] for name in ("dataset", "seed")]
    ranks = values.T.groupby(groups).rank(ascending=False, method="min")
    table["n_recipes"] = values.notna().sum()
    table["a_post_min"], table["a_post_median"] = values.min(), values.median()
    table["a_post_max"] = values.max()
    table["a_post_range"] = table["a_post_max"] - table["a_post_min"]
    table["rank_best"] = ranks.min(axis=1).astype("Int64")
    table["rank_worst"] = ranks.max(axis=1).astype("Int64")
    table["n_branches"] = table.groupby(["dataset", "seed"])["sft_step"].transform("size")
    return table


def build_recipe_table(refits: RefitTable, losses: pd.Series) -> pd.DataFrame:
    """One row a recipe and SFT data set: highest values, their order, and r with the losses.

    Args:
        refits: all refits.
        losses: minimum validation loss by data set, the study's order.
    """
    after_sft = (refits.branches["paradigm"] == SFT_THEN_RL).to_numpy()
    datasets = refits.branches["dataset"].to_numpy()
    names = [name for name in losses.index if (datasets[after_sft] == name).any()]
    places = [np.flatnonzero(after_sft & (datasets == name)) for name in names]
    loss = [float(losses[name]) for name in names]
    rows = []
    for i, recipe in enumerate(refits.recipes):
        table = pd.DataFrame({"dataset": names, "min_val_loss": loss})
        for measure, values in refits.values.items():
            # A data set all of whose branches have too few points has no ceiling.
            table[measure] = [float(pd.Series(values[i, place]).max()) for place in places]
            # Of two equal values neither leads: several ceilings may be 100 percent.
            ranks = table[measure].rank(ascending=False, method="max")
            table[f"{measure}_rank"] = ranks.astype("Int64")
            found = correlate_pairs(loss, table[measure].tolist())
            table[f"{measure}_pearson"], table[f"{measure}_spearman"] = (
                found.pearson,
                found.spearman,
            )
        for place, (axis, value) in enumerate(recipe.values.items()):
            table.insert(place, axis, value)
        rows.append(table.assign(recipe=i, unchanged=recipe.unchanged))
    whole = pd.concat(rows, ignore_index=True)
    return whole[["recipe", *refits.recipes[0].values, *RECIPE_COLUMNS]]


def build_sensitivity_summary(recipes: pd.DataFrame) -> pd.DataFrame:
    """For all recipes and for each value of each axis: how often the paper's order comes out.

    `share_exact_order`: highest values rise as minimum losses fall, all data sets in order;
    `share_lowest_loss_on_top`: the set of the lowest loss has the highest value.
    """
    axes = [name for name in recipes.columns if name not in ("recipe", *RECIPE_COLUMNS)]
    groups = [("all recipes", "", recipes)]
    for axis in axes:
        parts = recipes.groupby(axis, sort=False)
        groups += [(axis, str(value), rows) for value, rows in parts]
    records = [
        summarise_recipes(measure, axis, value, rows)
        for measure in MEASURE_TITLES
        for axis, value, rows in groups
        if measure == CEILING or value == "" or axis == BENCHMARK_AXIS
    ]
    return pd.DataFrame(records, columns=list(SUMMARY_COLUMNS))


def summarise_recipes(measure: str, axis: str, value: str, rows: pd.DataFrame) -> dict[str, Any]:
    """One row of the summary."""
    each = rows.groupby("recipe")
    lowest = rows["min_val_loss"] == rows["min_val_loss"].min()
    on_top = rows.loc[lowest].groupby("recipe")[f"{measure}_rank"].min() == 1
    pearson = each[f"{measure}_pearson"].first()
    return {
        "measure": measure,
        "axis": axis,
        "value": value,
        "n_recipes": len(each),
        # Losses of different sets are distinct, so rank correlation -1 is the exact order.
        "share_exact_order": float((each[f"{measure}_spearman"].first() < -1 + 1e-9).mean()),
        "share_lowest_loss_on_top": float(on_top.mean()),
        "pearson_min": float(pearson.min()),
        "pearson_median": float(pearson.median()),
        "pearson_max": float(pearson.max()),
    }
