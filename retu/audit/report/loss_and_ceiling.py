"""Does a lower minimum validation loss go with a higher ceiling? One answer a column set.

A column set gives every SFT data set one number, the highest over its branches: the ceiling as
published, by the kit, by the paper's protocol or by ours, the best observed score (median of
five), or the score at a compute that branches share. Intervals of the numbers and of r come from
the draws: the highest of all branches in every draw, so a maximum over noise is drawn as
such. Fisher's interval is given beside them; it accounts only for the small number of data sets.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from retu.audit.report.compared_values import KIT, PAPER, PUBLISHED, ROBUST, ProtocolFits
from retu.core.markdown import (
    MISSING,
    TextTable,
    format_interval,
    format_number,
    make_table,
)
from retu.reporting.tidy_files import SFT_THEN_RL, order_datasets
from retu.scaling.correlation import TOO_FEW_DATASETS, correlate_pairs
from retu.scaling.draw_statistics import compute_central_interval, correlate_columns
from retu.scaling.fit_recipes import BENCHMARK_AXIS, EVERY_BENCHMARK

OBSERVED, COMMON = "best observed", "equal compute"
COLUMN_SET_SOURCES = {
    KIT: (KIT, "a_post"),
    PAPER: (PAPER, "a_post"),
    ROBUST: (ROBUST, "a_post"),
    OBSERVED: (ROBUST, "best_smoothed"),
    COMMON: (ROBUST, "common_score"),
}
"""Column set -> protocol and measure that it is made of."""
RELEASED_ONLY = "published, released sets only"
COLUMN_SETS = (PUBLISHED, *COLUMN_SET_SOURCES)
TITLES = {
    PUBLISHED: "A_post as published",
    RELEASED_ONLY: "A_post as published, released sets only",
    KIT: "A_post, released kit",
    PAPER: "A_post, paper protocol",
    ROBUST: "A_post, robust",
    OBSERVED: "Best observed, median of five",
    COMMON: "Score at equal RL compute",
}
VALUE_COLUMNS = (
    *("column_set", "dataset", "min_val_loss", "value", "low", "high", "sft_step", "subphase"),
    *("verdict", "released"),
)
CORRELATION_COLUMNS = (
    *("column_set", "n", "pearson", "fisher_low", "fisher_high", "boot_low", "boot_high"),
    *("spearman", "note"),
)


def build_value_table(
    published: pd.DataFrame,
    protocols: dict[str, ProtocolFits],
    subphases: pd.DataFrame,
    order: Sequence[str],
) -> pd.DataFrame:
    """One row a column set and data set, columns `VALUE_COLUMNS`.

    Args:
        published: highest ceilings and minimum losses as printed; names the data sets.
        protocols: fits and draws.
        subphases: minimum losses for the other column sets.
        order: data sets from first to last.
    """
    losses = subphases.groupby("dataset")["min_val_loss"].min()
    rows: list[dict[Any, Any]] = [
        {
            "column_set": PUBLISHED,
            "dataset": str(row["dataset"]),
            "min_val_loss": float(row["min_val_loss"]),
            "value": float(row["highest_a_post"]),
            "released": row["dataset"] in set(protocols[ROBUST].fits["dataset"]),
        }
        for row in published.to_dict("records")
    ]
    names = order_datasets(published, order)
    for column_set in COLUMN_SET_SOURCES:
        tops = {row["dataset"]: row for row in find_top_rows(protocols, column_set)}
        intervals = compute_top_intervals(protocols, column_set)
        for name in [name for name in names if name in tops]:
            low, high = intervals.get(name, (np.nan, np.nan))
            own = {"column_set": column_set, "released": True, "low": low, "high": high}
            rows.append({**own, **tops[name], "min_val_loss": float(losses[name])})
    table = pd.DataFrame(rows, columns=list(VALUE_COLUMNS))
    return table.sort_values(
        ["column_set", "dataset"],
        key=lambda column: column.map({name: i for i, name in enumerate((*COLUMN_SETS, *names))}),
        kind="stable",
        ignore_index=True,
    )


def find_top_rows(protocols: dict[str, ProtocolFits], column_set: str) -> list[dict[Any, Any]]:
    """Highest branch of every data set: dataset, value, sft_step, subphase and verdict."""
    protocol, measure = COLUMN_SET_SOURCES[column_set]
    fits = protocols[protocol].fits
    rows = fits[fits["paradigm"] == SFT_THEN_RL].dropna(subset=[measure])
    tops = rows.loc[rows.groupby("dataset", sort=False)[measure].idxmax()]
    named = tops.rename(columns={measure: "value"})
    return named[["dataset", "value", "sft_step", "subphase", "verdict"]].to_dict("records")


def find_top_draws(protocols: dict[str, ProtocolFits], column_set: str) -> pd.DataFrame:
    """Highest value of every data set (columns) in every draw (rows)."""
    protocol, measure = COLUMN_SET_SOURCES[column_set]
    draws = protocols[protocol].draws
    best: pd.DataFrame = draws.groupby(["draw", "dataset"])[measure].max().unstack("dataset")
    return best


def compute_top_intervals(
    protocols: dict[str, ProtocolFits], column_set: str
) -> dict[str, tuple[float, float]]:
    """90% interval of the highest value of every data set; empty without draws."""
    best = find_top_draws(protocols, column_set)
    return {
        str(name): compute_central_interval(best[name].to_numpy(dtype=np.float64))
        for name in best.columns
        if best[name].notna().any()
    }


def build_correlation_table(
    values: pd.DataFrame, protocols: dict[str, ProtocolFits]
) -> pd.DataFrame:
    """Correlation of every column set with the minimum losses, columns `CORRELATION_COLUMNS`."""
    rows = []
    for column_set, part in values.groupby("column_set", sort=False):
        found = correlate_pairs(part["min_val_loss"].tolist(), part["value"].tolist())
        low, high = np.nan, np.nan
        if column_set in COLUMN_SET_SOURCES and found.note != TOO_FEW_DATASETS:
            low, high = compute_bootstrap_interval(part, find_top_draws(protocols, str(column_set)))
        rows.append(
            {
                "column_set": column_set,
                "n": found.n,
                "pearson": found.pearson,
                "fisher_low": found.low,
                "fisher_high": found.high,
                "boot_low": low,
                "boot_high": high,
                "spearman": found.spearman,
                "note": found.note,
            }
        )
    return pd.DataFrame(rows, columns=list(CORRELATION_COLUMNS))


def compute_bootstrap_interval(part: pd.DataFrame, best: pd.DataFrame) -> tuple[float, float]:
    """90% interval of Pearson r over the draws of the highest values; NaN without draws."""
    names = [name for name in part["dataset"] if name in best.columns]
    if best.empty or len(names) < len(part):
        return np.nan, np.nan
    values = best[names].dropna().to_numpy(dtype=np.float64)
    r = correlate_columns(part["min_val_loss"].to_numpy(dtype=np.float64), values.T)
    defined = r[np.isfinite(r)]
    return compute_central_interval(defined) if defined.size else (np.nan, np.nan)


def correlate_without_benchmarks(recipes: pd.DataFrame) -> pd.DataFrame:
    """Pearson r by our protocol with benchmarks left out: rows column sets, columns the sets left.

    Args:
        recipes: sensitivity_recipes.csv; without an axis `benchmarks` there are no columns.
    """
    measures = {"a_post": ROBUST, "common_score": COMMON, "best_smoothed": OBSERVED}
    if BENCHMARK_AXIS not in recipes.columns:
        return pd.DataFrame(index=pd.Index(list(measures.values()), name="column_set"))
    rows = recipes[recipes["unchanged"].astype(bool) & (recipes[BENCHMARK_AXIS] != EVERY_BENCHMARK)]
    first = rows.drop_duplicates(BENCHMARK_AXIS).set_index(BENCHMARK_AXIS)
    table = first[[f"{measure}_pearson" for measure in measures]].T
    table.index = pd.Index(list(measures.values()), name="column_set")
    table.columns = [f"pearson_{str(name).replace(' ', '_')}" for name in table.columns]
    return table


def add_released_only(values: pd.DataFrame) -> pd.DataFrame:
    """The values with one more column set: the published ones of data sets with released curves.

    It compares like with like; there is nothing to add when every data set has curves.
    """
    published = values[values["column_set"] == PUBLISHED]
    released = published[published["released"].astype(bool)]
    if len(released) == len(published):
        return values
    return pd.concat([values, released.assign(column_set=RELEASED_ONLY)], ignore_index=True)


def tabulate_values(values: pd.DataFrame, order: Sequence[str]) -> TextTable:
    """One row a data set: loss, then every column set with its interval where it has one."""
    published = values[values["column_set"] == PUBLISHED].set_index("dataset")
    names = order_datasets(values, order)
    columns: list[tuple[str, bool, list[str]]] = [
        ("Data set", False, names),
        (
            "Minimum loss",
            True,
            [format_number(published["min_val_loss"].get(n, np.nan), 2) for n in names],
        ),
    ]
    for column_set in [name for name in COLUMN_SETS if name in set(values["column_set"])]:
        rows = values[values["column_set"] == column_set].to_dict("records")
        own = {row["dataset"]: format_value(row) for row in rows}
        columns.append((TITLES[column_set], True, [own.get(n, "not released") for n in names]))
    return make_table(columns)


def format_value(row: dict[Any, Any]) -> str:
    """A value with its interval where it has one."""
    ends = format_interval(float(row["low"]), float(row["high"]))
    value = format_number(float(row["value"]))
    return value if ends == MISSING else f"{value} {ends}"


def tabulate_correlations(correlations: pd.DataFrame) -> TextTable:
    """The correlations for people; with benchmarks left out where that is known."""
    frame = correlations
    fisher = zip(frame["fisher_low"], frame["fisher_high"], strict=True)
    boot = zip(frame["boot_low"], frame["boot_high"], strict=True)
    columns = [
        ("Column set", False, [TITLES[name] for name in frame["column_set"]]),
        ("Data sets", True, [str(n) for n in frame["n"]]),
        ("Pearson r", True, [format_number(value, 2) for value in frame["pearson"]]),
        ("95% Fisher", True, [format_interval(low, high, 2) for low, high in fisher]),
        ("90% interval", True, [format_interval(low, high, 2) for low, high in boot]),
        ("Spearman", True, [format_number(value, 2) for value in frame["spearman"]]),
    ]
    for name in frame.columns:
        if name.startswith("pearson_"):
            title = "r " + name.removeprefix("pearson_").replace("_", " ")
            columns.append((title, True, [format_number(value, 2) for value in frame[name]]))
    return make_table(columns)
