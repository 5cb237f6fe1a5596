"""Tables 5 and 6: what more data, and a larger model, do to loss, P_sft, PL_rl and A_post."""

import math
from collections.abc import Sequence

import pandas as pd

from retu.core.markdown import (
    MISSING,
    TextTable,
    format_integer,
    format_interval,
    format_number,
    format_signed,
    make_table,
)
from retu.reporting.compute_units import choose_unit
from retu.reporting.figure_selection import build_selection_table
from retu.reporting.result_tables import (
    find_varying_columns,
    format_compute,
    format_text_cells,
    rank_names,
)
from retu.reporting.tidy_files import NO_DATASET, PURE_RL, SFT_THEN_RL

TABLE_6_COLUMNS = (
    *("model", "dataset", "sft_step", "x_sft_eflops", "recipe", "seed", "val_loss", "subphase"),
    *("p_sft", "pl_rl", "a_post", "a_post_low", "a_post_high", "best_score", "n_points"),
    *("rl_steps", "verdict"),
)


def list_scaled_models(fits: pd.DataFrame, order: Sequence[str]) -> list[str]:
    """The models with RL from checkpoints on two or more of the sets: others compare no sizes."""
    branches = fits[fits["dataset"].isin(order) & (fits["paradigm"] == SFT_THEN_RL)]
    counts = branches.groupby("model", sort=False)["dataset"].nunique()
    return [str(model) for model in counts[counts >= 2].index]


def build_table_5(
    fits: pd.DataFrame, subphases: pd.DataFrame, stats: pd.DataFrame, order: Sequence[str]
) -> pd.DataFrame:
    """Highest ceiling and minimum loss over sets of growing size (paper Table 5).

    Args:
        fits: rows of fits.csv.
        subphases: rows of subphases.csv.
        stats: rows of dataset_stats.csv, for the sizes.
        order: the sets that differ in size.

    Returns:
        The columns of `build_selection_table` and `rows`, the size, unknown for a set that is known
        by name only; smallest first. Correlations are those over these sets.
    """
    chosen = fits[fits["dataset"].isin(order) & fits["model"].isin(list_scaled_models(fits, order))]
    table = build_selection_table(chosen, subphases, order)
    sizes = stats.set_index("dataset")["rows"]
    table.insert(2, "rows", table["dataset"].map(sizes))
    return table.sort_values(["model", "rows"], kind="stable", ignore_index=True)


def format_table_5(table: pd.DataFrame) -> TextTable:
    """Table 5 for people; the model appears only where there are several."""
    ends = zip(table["a_post_low"], table["a_post_high"], strict=True)
    models = [("Model", False, format_text_cells(table["model"]))]
    return make_table(
        [
            *(models if table["model"].nunique() > 1 else []),
            ("Data set", False, format_text_cells(table["dataset"])),
            ("Rows", True, [format_integer(value) for value in table["rows"]]),
            ("Minimum loss", True, [format_number(value, 3) for value in table["min_val_loss"]]),
            ("Highest A_post", True, [format_number(value) for value in table["a_post"]]),
            ("90% interval", True, [format_interval(low, high) for low, high in ends]),
            ("Identified", False, ["yes" if known else "no" for known in table["identified"]]),
            ("Best score", True, [format_number(value) for value in table["best_score"]]),
            ("SFT step", True, [format_integer(value) for value in table["sft_step"]]),
            ("Sub-phase", False, [label or MISSING for label in table["subphase"]]),
        ]
    )


def describe_scale_correlations(table: pd.DataFrame) -> list[str]:
    """A sentence per model: how closely the minimum loss goes with the ceiling over sizes."""
    lines = []
    for model, rows in table.groupby("model", sort=False):
        first = rows.iloc[0]
        if first["note"]:
            lines.append(f"{model}: no correlation of loss and ceiling, {first['note']}.")
            continue
        low, high = first["pearson_a_post_low"], first["pearson_a_post_high"]
        lines.append(
            f"{model}: Pearson r of minimum loss and highest A_post"
            f" {format_number(first['pearson_a_post'], 2)}, 95% interval"
            f" {format_interval(low, high, 2)}, Spearman"
            f" {format_number(first['spearman_a_post'], 2)}, over {len(rows)} sizes."
        )
    return lines


def build_table_6(
    fits: pd.DataFrame,
    curves: pd.DataFrame,
    subphases: pd.DataFrame,
    model: str,
    order: Sequence[str],
) -> pd.DataFrame:
    """RL of one model from step 0 and from its checkpoints, `TABLE_6_COLUMNS` (paper Table 6).

    Step 0 is RL from the base model by the same recipes; its loss is that of the base model before
    SFT on the set, so it stands once for every set. Scores in percent, compute in EFLOPs, losses in
    nats per token; one row per seed.
    """
    own = fits[fits["model"] == model]
    later = own[own["paradigm"] == SFT_THEN_RL]
    zero = own[(own["paradigm"] == PURE_RL) & own["recipe"].isin(set(later["recipe"]))]
    starts = [zero.assign(dataset=name) for name in dict.fromkeys(later["dataset"])]
    rows = pd.concat([*starts, later], ignore_index=True)
    rows = rows.drop(columns="subphase").merge(
        subphases.loc[
            subphases["model"] == model, ["dataset", "seed", "sft_step", "val_loss", "subphase"]
        ],
        on=["dataset", "seed", "sft_step"],
        how="left",
    )
    runs = curves.groupby(["model", "dataset", "sft_step", "recipe", "seed"])
    last = runs["rl_step"].max().to_dict()
    rows["rl_steps"] = [
        last.get((model, dataset if step else NO_DATASET, step, recipe, seed), math.nan)
        for dataset, step, recipe, seed in zip(
            rows["dataset"], rows["sft_step"], rows["recipe"], rows["seed"], strict=True
        )
    ]
    rows = rows.assign(
        subphase=rows["subphase"].fillna(""), rank=rank_names(rows["dataset"], order)
    )
    rows = rows.sort_values(["rank", "sft_step", "recipe", "seed"], kind="stable")
    return rows[list(TABLE_6_COLUMNS)].reset_index(drop=True)


def format_table_6(table: pd.DataFrame) -> TextTable:
    """Table 6 for people; recipe and seed appear only where there are several."""
    unit = choose_unit(table["x_sft_eflops"])
    ends = zip(table["a_post_low"], table["a_post_high"], strict=True)
    return make_table(
        [
            ("Data set", False, format_text_cells(table["dataset"])),
            *[
                (name.capitalize(), False, format_text_cells(table[name]))
                for name in find_varying_columns(table)
            ],
            ("SFT step", True, [format_integer(value) for value in table["sft_step"]]),
            (f"x_sft ({unit.name})", True, format_compute(table["x_sft_eflops"], unit.per_eflop)),
            ("Loss", True, [format_number(value, 3) for value in table["val_loss"]]),
            ("Sub-phase", False, [label or MISSING for label in table["subphase"]]),
            ("P_sft", True, [format_number(value) for value in table["p_sft"]]),
            ("PL_rl", True, [format_signed(value) for value in table["pl_rl"]]),
            ("A_post", True, [format_number(value) for value in table["a_post"]]),
            ("90% interval", True, [format_interval(low, high) for low, high in ends]),
            ("Best score", True, [format_number(value) for value in table["best_score"]]),
            ("RL steps", True, [format_integer(value) for value in table["rl_steps"]]),
            ("Verdict", False, [label or MISSING for label in table["verdict"]]),
        ]
    )
