"""Table 3 (data sets), Table 4 (branches) and the sub-phase table, as data and as text."""

from collections.abc import Sequence

import pandas as pd

from retu.core.markdown import (
    MISSING,
    TextTable,
    format_integer,
    format_interval,
    format_number,
    format_signed,
    format_significant,
    make_table,
)
from retu.reporting.compute_units import choose_unit
from retu.reporting.tidy_files import (
    NO_DATASET,
    PURE_RL,
    PURE_SFT,
    SFT_THEN_RL,
    STATS_COLUMNS,
    list_models,
    order_datasets,
)
from retu.reporting.token_cuts import CUT_SHARE, ensure_cut_share, format_cut_columns

ROLE_ORDER = ("sft", "validation", "rl", "benchmark")
ROLE_NAMES = {"sft": "SFT", "validation": "validation", "rl": "RL", "benchmark": "benchmark"}
STUDY_TABLE_4_COLUMNS = (
    *("model", "dataset", "sft_step", "x_sft_eflops", "subphase", "paradigm", "recipe", "seed"),
    *("p_sft", "epsilon", "pl_rl", "c_mid", "b", "a_post", "a_post_low", "a_post_high"),
    *("a_post_profile_low", "a_post_profile_high", "best_score", "best_smoothed"),
    *("end_score", "end_low", "end_high", "n_points", "n_fit", "collapsed", "x_end_eflops"),
    *("x_max_eflops", "noise", "rmse", "r2", "heldout_rmse", "at_bound", "protocol", "verdict"),
)


def build_table_3(stats: pd.DataFrame) -> pd.DataFrame:
    """Data sets by role (SFT, validation, RL, benchmark), in the study's order within a role."""
    rank = {role: place for place, role in enumerate(ROLE_ORDER)}
    places = stats["role"].map(lambda role: rank.get(role, len(ROLE_ORDER)))
    rows = stats.loc[places.sort_values(kind="stable").index, list(STATS_COLUMNS)]
    return rows.reset_index(drop=True)


def format_table_3(table: pd.DataFrame) -> TextTable:
    """Table 3 for people: a dash where a quantity is unknown."""
    return make_table(
        [
            ("Data set", False, format_text_cells(table["dataset"])),
            (
                "Role",
                False,
                [ROLE_NAMES.get(role, role) for role in format_text_cells(table["role"])],
            ),
            ("Rows", True, [format_integer(value) for value in table["rows"]]),
            ("Prompt (tokens)", True, [format_number(v) for v in table["mean_prompt_tokens"]]),
            ("Response (tokens)", True, [format_number(v) for v in table["mean_response_tokens"]]),
            ("Steps", True, [format_number(v) for v in table["mean_steps"]]),
            ("Win rate", True, [format_number(v, 2) for v in table["win_rate"]]),
            ("Attempts", True, [format_integer(value) for value in table["attempts"]]),
            ("Selection", False, format_text_cells(table["selection"])),
        ]
    )


def build_table_4(fits: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """One row per branch and seed: Pure RL, other one-stage runs, then the data sets in order."""
    keys = pd.DataFrame(
        {
            "model": rank_names(fits["model"], list_models(fits)),
            "stage": rank_names(fits["paradigm"], (PURE_RL,), SFT_THEN_RL),
            "paradigm": fits["paradigm"],
            "dataset": rank_names(fits["dataset"], [NO_DATASET, *order_datasets(fits, order)]),
            "sft_step": fits["sft_step"],
            "recipe": fits["recipe"],
            "seed": fits["seed"],
        }
    )
    return sort_rows(fits[list(STUDY_TABLE_4_COLUMNS)], keys)


def rank_names(names: pd.Series, first: Sequence[str], last: str = "") -> pd.Series:
    """Sort keys: the place in `first`, then everything else, then `last`."""
    place = {name: i for i, name in enumerate(first)} | ({last: len(first) + 1} if last else {})
    return names.map(lambda name: place.get(name, len(first)))


def sort_rows(table: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table in the order of their keys, the first column first; ties stay."""
    places = keys.sort_values(keys.columns.tolist(), kind="stable").index
    return table.loc[places].reset_index(drop=True)


def label_branches(table: pd.DataFrame) -> list[str]:
    """What a branch is called: its data set, or its paradigm when it has no SFT stage."""
    labels = []
    for paradigm, dataset in zip(table["paradigm"], table["dataset"], strict=True):
        one_stage = paradigm if dataset == NO_DATASET else f"{paradigm}, {dataset}"
        labels.append(dataset if paradigm == SFT_THEN_RL else one_stage)
    return labels


def format_table_4(table: pd.DataFrame) -> TextTable:
    """Table 4 for people; model, recipe and seed appear only when the study has several.

    So does the highest share of cut answers of a branch, where it is known (`token_cuts.add_cuts`).
    """
    unit = choose_unit([*table["x_sft_eflops"], *table["x_max_eflops"]])
    ends = zip(table["a_post_low"], table["a_post_high"], strict=True)
    at_end = zip(table["end_low"], table["end_high"], strict=True)
    columns = [
        ("Data set", False, label_branches(table)),
        *[
            (name.capitalize(), False, format_text_cells(table[name]))
            for name in find_varying_columns(table)
        ],
        ("SFT step", True, [format_integer(value) for value in table["sft_step"]]),
        (f"x_sft ({unit.name})", True, format_compute(table["x_sft_eflops"], unit.per_eflop)),
        ("Sub-phase", False, [label or MISSING for label in format_text_cells(table["subphase"])]),
        ("P_sft", True, [format_number(value) for value in table["p_sft"]]),
        ("ε", True, [format_number(value) for value in table["epsilon"]]),
        ("PL_rl", True, [format_signed(value) for value in table["pl_rl"]]),
        (f"C_mid ({unit.name})", True, format_compute(table["c_mid"], unit.per_eflop)),
        ("B", True, [format_significant(value, 2) for value in table["b"]]),
        ("A_post", True, [format_number(value) for value in table["a_post"]]),
        ("90% interval", True, [format_interval(low, high) for low, high in ends]),
        ("Best score", True, [format_number(value) for value in table["best_score"]]),
        ("Curve at the end", True, [format_number(value) for value in table["end_score"]]),
        ("90% at the end", True, [format_interval(low, high) for low, high in at_end]),
        *(format_cut_columns(table[CUT_SHARE].tolist()) if CUT_SHARE in table else []),
        ("Verdict", False, [label or MISSING for label in format_text_cells(table["verdict"])]),
    ]
    return make_table(columns)


def add_sft_scores(
    subphases: pd.DataFrame, curves: pd.DataFrame, order: Sequence[str]
) -> pd.DataFrame:
    """SFT checkpoints by model, data set, seed and step, with their score and cut answers."""
    rows = subphases.assign(
        rank=rank_names(subphases["dataset"], order_datasets(subphases, order)),
        model_rank=rank_names(subphases["model"], list_models(subphases)),
    )
    rows = rows.sort_values(["model_rank", "rank", "seed", "sft_step"], kind="stable")
    keys = ["model", "dataset", "seed", "sft_step"]
    pure = ensure_cut_share(curves[curves["paradigm"] == PURE_SFT])
    scores = pure.drop_duplicates(keys)[[*keys, "score", CUT_SHARE]]
    return rows.merge(scores, on=keys, how="left")


def format_subphase_table(
    subphases: pd.DataFrame, curves: pd.DataFrame, order: Sequence[str]
) -> TextTable:
    """Every SFT checkpoint: loss, ratio, margins, label, P_sft, cut answers, branch or not."""
    rows = add_sft_scores(subphases, curves, order)
    unit, labels = choose_unit(rows["x_sft_eflops"]), format_text_cells(rows["subphase"])
    return make_table(
        [
            ("Data set", False, format_text_cells(rows["dataset"])),
            *[
                (name.capitalize(), False, format_text_cells(rows[name]))
                for name in find_varying_columns(rows)
            ],
            ("SFT step", True, [format_integer(value) for value in rows["sft_step"]]),
            (f"x_sft ({unit.name})", True, format_compute(rows["x_sft_eflops"], unit.per_eflop)),
            ("Validation loss", True, [format_number(value, 4) for value in rows["val_loss"]]),
            ("Ratio to minimum", True, [format_number(value, 3) for value in rows["ratio"]]),
            *[
                (f"Margin to {name}", True, [format_signed(v, 3) for v in rows[column]])
                for name, column in (("Stable", "margin_stable"), ("Severe", "margin_severe"))
            ],
            ("Sub-phase", False, [label or MISSING for label in labels]),
            ("P_sft", True, [format_number(value) for value in rows["score"]]),
            *format_cut_columns(rows[CUT_SHARE].tolist()),
            ("RL branch", False, ["yes" if branch else "no" for branch in rows["branch"]]),
        ]
    )


def find_varying_columns(table: pd.DataFrame) -> list[str]:
    """Which of model, recipe and seed take more than one value and so need a column."""
    names = [name for name in ("model", "recipe", "seed") if name in table.columns]
    return [name for name in names if table[name].nunique() > 1]


def format_text_cells(column: pd.Series) -> list[str]:
    """Cells as text, a dash for empty ones."""
    return [MISSING if pd.isna(value) else str(value) for value in column]


def format_compute(eflops: pd.Series, per_eflop: float) -> list[str]:
    """Compute in the table's unit, three significant digits."""
    return [format_significant(value) for value in eflops * per_eflop]
