"""Table 3 (data sets), Table 4 (branches) and the sub-phase table, as data and as text."""

from collections.abc import Sequence

import pandas as pd

from retu.core.markdown import (
    MISSING,
    TextTable,
    integer,
    interval,
    make_table,
    number,
    signed,
    significant,
)
from retu.reporting.compute_units import choose_unit
from retu.reporting.tidy_files import (
    NO_DATASET,
    PURE_RL,
    PURE_SFT,
    SFT_THEN_RL,
    STATS_COLUMNS,
    models_of,
    ordered_datasets,
)
from retu.reporting.token_cuts import CUT_SHARE, cut_columns, with_cuts

ROLES = ("sft", "validation", "rl", "benchmark")
ROLE_NAMES = {"sft": "SFT", "validation": "validation", "rl": "RL", "benchmark": "benchmark"}
TABLE_4_COLUMNS = (
    *("model", "dataset", "sft_step", "x_sft_eflops", "subphase", "paradigm", "recipe", "seed"),
    *("p_sft", "epsilon", "pl_rl", "c_mid", "b", "a_post", "a_post_low", "a_post_high"),
    *("a_post_profile_low", "a_post_profile_high", "best_score", "best_smoothed"),
    *("end_score", "end_low", "end_high", "n_points", "n_fit", "collapsed", "x_end_eflops"),
    *("x_max_eflops", "noise", "rmse", "r2", "heldout_rmse", "at_bound", "protocol", "verdict"),
)


def table_3(stats: pd.DataFrame) -> pd.DataFrame:
    """Data sets by role (SFT, validation, RL, benchmark), in the study's order within a role."""
    rank = {role: place for place, role in enumerate(ROLES)}
    places = stats["role"].map(lambda role: rank.get(role, len(ROLES)))
    rows = stats.loc[places.sort_values(kind="stable").index, list(STATS_COLUMNS)]
    return rows.reset_index(drop=True)


def table_3_text(table: pd.DataFrame) -> TextTable:
    """Table 3 for people: a dash where a quantity is unknown."""
    return make_table(
        [
            ("Data set", False, texts(table["dataset"])),
            ("Role", False, [ROLE_NAMES.get(role, role) for role in texts(table["role"])]),
            ("Rows", True, [integer(value) for value in table["rows"]]),
            ("Prompt (tokens)", True, [number(v) for v in table["mean_prompt_tokens"]]),
            ("Response (tokens)", True, [number(v) for v in table["mean_response_tokens"]]),
            ("Steps", True, [number(v) for v in table["mean_steps"]]),
            ("Win rate", True, [number(v, 2) for v in table["win_rate"]]),
            ("Attempts", True, [integer(value) for value in table["attempts"]]),
            ("Selection", False, texts(table["selection"])),
        ]
    )


def table_4(fits: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """One row per branch and seed: Pure RL, other one-stage runs, then the data sets in order."""
    keys = pd.DataFrame(
        {
            "model": rank_of(fits["model"], models_of(fits)),
            "stage": rank_of(fits["paradigm"], (PURE_RL,), SFT_THEN_RL),
            "paradigm": fits["paradigm"],
            "dataset": rank_of(fits["dataset"], [NO_DATASET, *ordered_datasets(fits, order)]),
            "sft_step": fits["sft_step"],
            "recipe": fits["recipe"],
            "seed": fits["seed"],
        }
    )
    rows = fits.loc[
        keys.sort_values(keys.columns.tolist(), kind="stable").index, list(TABLE_4_COLUMNS)
    ]
    return rows.reset_index(drop=True)


def rank_of(names: pd.Series, first: Sequence[str], last: str = "") -> pd.Series:
    """Sort keys: the place in `first`, then everything else, then `last`."""
    place = {name: i for i, name in enumerate(first)} | ({last: len(first) + 1} if last else {})
    return names.map(lambda name: place.get(name, len(first)))


def branch_labels(table: pd.DataFrame) -> list[str]:
    """What a branch is called: its data set, or its paradigm when it has no SFT stage."""
    labels = []
    for paradigm, dataset in zip(table["paradigm"], table["dataset"], strict=True):
        one_stage = paradigm if dataset == NO_DATASET else f"{paradigm}, {dataset}"
        labels.append(dataset if paradigm == SFT_THEN_RL else one_stage)
    return labels


def table_4_text(table: pd.DataFrame) -> TextTable:
    """Table 4 for people; model, recipe and seed appear only when the study has several.

    So does the highest share of cut answers of a branch, where it is known (`cuts.add_cuts`).
    """
    unit = choose_unit([*table["x_sft_eflops"], *table["x_max_eflops"]])
    ends = zip(table["a_post_low"], table["a_post_high"], strict=True)
    at_end = zip(table["end_low"], table["end_high"], strict=True)
    columns = [
        ("Data set", False, branch_labels(table)),
        *[(name.capitalize(), False, texts(table[name])) for name in varying(table)],
        ("SFT step", True, [integer(value) for value in table["sft_step"]]),
        (f"x_sft ({unit.name})", True, scaled(table["x_sft_eflops"], unit.per_eflop)),
        ("Sub-phase", False, [label or MISSING for label in texts(table["subphase"])]),
        ("P_sft", True, [number(value) for value in table["p_sft"]]),
        ("ε", True, [number(value) for value in table["epsilon"]]),
        ("PL_rl", True, [signed(value) for value in table["pl_rl"]]),
        (f"C_mid ({unit.name})", True, scaled(table["c_mid"], unit.per_eflop)),
        ("B", True, [significant(value, 2) for value in table["b"]]),
        ("A_post", True, [number(value) for value in table["a_post"]]),
        ("90% interval", True, [interval(low, high) for low, high in ends]),
        ("Best score", True, [number(value) for value in table["best_score"]]),
        ("Curve at the end", True, [number(value) for value in table["end_score"]]),
        ("90% at the end", True, [interval(low, high) for low, high in at_end]),
        *(cut_columns(table[CUT_SHARE].tolist()) if CUT_SHARE in table else []),
        ("Verdict", False, [label or MISSING for label in texts(table["verdict"])]),
    ]
    return make_table(columns)


def subphase_table_text(
    subphases: pd.DataFrame, curves: pd.DataFrame, order: Sequence[str]
) -> TextTable:
    """Every SFT checkpoint: loss, ratio, margins, label, P_sft, cut answers, branch or not."""
    rank = rank_of(subphases["dataset"], ordered_datasets(subphases, order))
    rows = subphases.assign(rank=rank, model_rank=rank_of(subphases["model"], models_of(subphases)))
    rows = rows.sort_values(["model_rank", "rank", "seed", "sft_step"], kind="stable")
    keys = ["model", "dataset", "seed", "sft_step"]
    pure = with_cuts(curves[curves["paradigm"] == PURE_SFT])
    scores = pure.drop_duplicates(keys)[[*keys, "score", CUT_SHARE]]
    rows = rows.merge(scores, on=keys, how="left")
    unit = choose_unit(rows["x_sft_eflops"])
    return make_table(
        [
            ("Data set", False, texts(rows["dataset"])),
            *[(name.capitalize(), False, texts(rows[name])) for name in varying(rows)],
            ("SFT step", True, [integer(value) for value in rows["sft_step"]]),
            (f"x_sft ({unit.name})", True, scaled(rows["x_sft_eflops"], unit.per_eflop)),
            ("Validation loss", True, [number(value, 4) for value in rows["val_loss"]]),
            ("Ratio to minimum", True, [number(value, 3) for value in rows["ratio"]]),
            ("Margin to Stable", True, [signed(value, 3) for value in rows["margin_stable"]]),
            ("Margin to Severe", True, [signed(value, 3) for value in rows["margin_severe"]]),
            ("Sub-phase", False, [label or MISSING for label in texts(rows["subphase"])]),
            ("P_sft", True, [number(value) for value in rows["score"]]),
            *cut_columns(rows[CUT_SHARE].tolist()),
            ("RL branch", False, ["yes" if branch else "no" for branch in rows["branch"]]),
        ]
    )


def varying(table: pd.DataFrame) -> list[str]:
    """Which of model, recipe and seed take more than one value and so need a column."""
    names = [name for name in ("model", "recipe", "seed") if name in table.columns]
    return [name for name in names if table[name].nunique() > 1]


def texts(column: pd.Series) -> list[str]:
    """Cells as text, a dash for empty ones."""
    return [MISSING if pd.isna(value) else str(value) for value in column]


def scaled(eflops: pd.Series, per_eflop: float) -> list[str]:
    """Compute in the table's unit, three significant digits."""
    return [significant(value) for value in eflops * per_eflop]
