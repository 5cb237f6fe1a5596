"""Table 4 of an audit: every branch as published, by the released kit, by the paper's own protocol
and by ours, with what of it the data identify."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from retu.audit.report.compared_values import (
    AUDIT_BRANCH_KEY,
    AUDIT_PROTOCOLS,
    KIT,
    PAPER,
    PUBLISHED,
    ROBUST,
    ProtocolFits,
)
from retu.audit.report.published_differences import (
    DIFFERENCE_COLUMNS,
    add_differences,
    list_difference_columns,
)
from retu.core.markdown import (
    MISSING,
    TextTable,
    format_integer,
    format_interval,
    format_number,
    format_signed,
    make_table,
)
from retu.core.tables import read_table
from retu.reporting.result_tables import format_text_cells, label_branches, rank_names
from retu.reporting.tidy_files import (
    IDENTIFIED,
    NO_DATASET,
    PURE_RL,
    SFT_THEN_RL,
    fill_text_cells,
)
from retu.scaling.fit_result import ENDS_EARLY, LEANS, PASSED, WIDE

AGREES_WITHIN = 0.15
"""Points between two values of PL_rl that count as equal: printed to 0.1, from P_sft to 0.1."""
PUBLISHED_PARAMETERS = ("epsilon", "pl_rl", "a_post", "c_mid", "b")
VERDICT_COLUMNS = ("at_bound", "verdict", "reason")
INTERVALS = ("a_post_low", "a_post_high", "a_post_profile_low", "a_post_profile_high")
PLACE_COLUMNS = tuple(
    f"{p}_{e}" for p in ("end", "double", "common") for e in ("score", "low", "high")
)
FACT_COLUMNS_4 = ("x_sft_eflops", "subphase", "p_sft", "n_points", "collapsed", "x_end_eflops")
FROM_ROBUST = (
    *INTERVALS,
    *PLACE_COLUMNS,
    "x_common_eflops",
    "best_score",
    "best_smoothed",
    "noise",
)
YES, NO = "yes", "no"
TABLE_4_KEY = ("dataset", "sft_step", "paradigm")
AUDIT_TABLE_4_COLUMNS = (
    *TABLE_4_KEY, *FACT_COLUMNS_4, "x_sft_eflops_published", "subphase_published",
    "p_sft_published",
    "a_post_table_published", "tau", "lts_share",
    *(f"{name}_{which}" for which in (PUBLISHED,
    *AUDIT_PROTOCOLS) for name in PUBLISHED_PARAMETERS),
    *(f"{name}_{which}" for which in AUDIT_PROTOCOLS for name in VERDICT_COLUMNS),
    *FROM_ROBUST, "kit_agrees", "paper_agrees", "fixed_point",
    *DIFFERENCE_COLUMNS,
)  # fmt: skip


def build_audit_table_4(
    published: pd.DataFrame,
    protocols: dict[str, ProtocolFits],
    fixed_points: pd.DataFrame,
    order: Sequence[str],
) -> pd.DataFrame:
    """One row a fitted branch, columns `AUDIT_TABLE_4_COLUMNS`.

    NaN and empty text stand where nothing is published.

    Args:
        published: claims/table_4.csv.
        protocols: fits by protocol name.
        fixed_points: which published PL_rl trimming can end at; may have no rows.
        order: SFT data sets from first to last.
    """
    robust = protocols[ROBUST].fits
    table = robust[[*AUDIT_BRANCH_KEY, "paradigm", *FACT_COLUMNS_4, *FROM_ROBUST]].copy()
    table = table.merge(rename_published_columns(published), on=AUDIT_BRANCH_KEY, how="left")
    for name in AUDIT_PROTOCOLS:
        part = protocols[name].fits[[*AUDIT_BRANCH_KEY, *PUBLISHED_PARAMETERS, *VERDICT_COLUMNS]]
        named = {column: f"{column}_{name}" for column in (*PUBLISHED_PARAMETERS, *VERDICT_COLUMNS)}
        table = table.merge(part.rename(columns=named), on=AUDIT_BRANCH_KEY, how="left")
    for name in (KIT, PAPER):
        table[f"{name}_agrees"] = compare_with_published(table, name)
    table = add_differences(table)
    table["fixed_point"] = mark_fixed_points(table, fixed_points)
    table["subphase_published"] = table["subphase_published"].fillna("")
    keys = pd.DataFrame(
        {"rank": rank_names(table["dataset"], [NO_DATASET, *order]), "step": table["sft_step"]}
    )
    index = keys.sort_values(["rank", "step"], kind="stable").index
    return table.loc[index, list(AUDIT_TABLE_4_COLUMNS)].reset_index(drop=True)


def read_table_4(path: Path) -> pd.DataFrame:
    """The finished table back from its CSV; empty cells of text columns are empty text."""
    table = fill_text_cells(read_table(path, AUDIT_TABLE_4_COLUMNS))
    text = ("subphase_published", "kit_agrees", "paper_agrees", "fixed_point")
    words = [*text, *(f"verdict_{name}" for name in AUDIT_PROTOCOLS)]
    return table.assign(**{name: table[name].fillna("").astype(str) for name in words})


def rename_published_columns(published: pd.DataFrame) -> pd.DataFrame:
    """The published values under names that say so."""
    names = {"subphase_in_figure_3": "subphase", "a_post_figure_3": "a_post"}
    own = published.rename(columns=names)
    named = ["epsilon", "pl_rl", "a_post", "c_mid", "b", "p_sft", "x_sft_eflops", "subphase"]
    renamed = {name: f"{name}_{PUBLISHED}" for name in named}
    renamed["a_post_table_4"] = "a_post_table_published"
    return own.rename(columns=renamed)[[*AUDIT_BRANCH_KEY, "tau", "lts_share", *renamed.values()]]


def compare_with_published(table: pd.DataFrame, protocol: str) -> pd.Series:
    """Whether a protocol gives the published PL_rl: yes, no, or empty without a published one."""
    difference = (table[f"pl_rl_{protocol}"] - table[f"pl_rl_{PUBLISHED}"]).abs()
    # A hair of tolerance: 0.15 in binary digits is a little more or less than 0.15.
    close = np.where(difference <= AGREES_WITHIN + 1e-9, YES, NO)
    return pd.Series(np.where(table[f"pl_rl_{PUBLISHED}"].notna(), close, ""), index=table.index)


def mark_fixed_points(table: pd.DataFrame, fixed_points: pd.DataFrame) -> list[str]:
    """For each miss of the paper protocol: is the published PL_rl another fixed point?"""
    known = {
        (str(row["dataset"]), int(row["sft_step"])): YES if row["is_fixed_point"] else NO
        for row in fixed_points.to_dict("records")
    }
    branches = zip(table["dataset"], table["sft_step"], table["paper_agrees"], strict=True)
    return [known.get((name, step), "") if agrees == NO else "" for name, step, agrees in branches]


def list_branch_columns(table: pd.DataFrame) -> list[tuple[str, bool, list[str]]]:
    """The columns that name a branch."""
    return [
        ("Data set", False, label_branches(table)),
        ("SFT step", True, [format_integer(step) for step in table["sft_step"]]),
    ]


def tabulate_parameters(table: pd.DataFrame) -> TextTable:
    """What the paper's protocol and the kit make of the published parameters."""
    published = {name: table[f"{name}_{PUBLISHED}"] for name in ("pl_rl", "c_mid", "b", "p_sft")}
    return make_table(
        [
            *list_branch_columns(table),
            ("Sub-phase (drawn)", False, format_subphases(table)),
            ("P_sft published", True, [format_number(value) for value in published["p_sft"]]),
            ("P_sft here", True, [format_number(value) for value in table["p_sft"]]),
            ("PL_rl published", True, [format_signed(value) for value in published["pl_rl"]]),
            *[
                (f"PL_rl {name}", True, [format_signed(value) for value in table[f"pl_rl_{name}"]])
                for name in (PAPER, KIT, ROBUST)
            ],
            *list_difference_columns(table, "pl_rl"),
            ("C_mid published", True, [format_number(value, 0) for value in published["c_mid"]]),
            ("C_mid paper", True, [format_number(value) for value in table[f"c_mid_{PAPER}"]]),
            ("B published", True, [format_number(value) for value in published["b"]]),
            ("B paper", True, [format_number(value) for value in table[f"b_{PAPER}"]]),
            ("Paper protocol agrees", False, format_yes_no(table["paper_agrees"])),
            ("Other fixed point", False, format_yes_no(table["fixed_point"])),
        ]
    )


def tabulate_ceilings(table: pd.DataFrame) -> TextTable:
    """The ceilings side by side, and the scores that the data do identify."""
    ceilings = [
        (f"A_post {name}", True, [format_number(value) for value in table[f"a_post_{name}"]])
        for name in (PUBLISHED, KIT, PAPER, ROBUST)
    ]
    common = sorted({f"{value:g}" for value in table["x_common_eflops"].dropna()})
    ends = {
        name: [
            format_interval(low, high)
            for low, high in zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
        ]
        for name in ("a_post", "end", "common")
    }
    return make_table(
        [
            *list_branch_columns(table),
            *ceilings,
            *list_difference_columns(table, "a_post"),
            ("90% interval", True, ends["a_post"]),
            ("Ceiling is", False, fill_dashes(table[f"verdict_{ROBUST}"])),
            ("Because", False, fill_dashes(table[f"reason_{ROBUST}"])),
            ("End (EFLOPs)", True, [format_number(value, 0) for value in table["x_end_eflops"]]),
            ("Score at the end", True, [format_number(value) for value in table["end_score"]]),
            ("90% at the end", True, ends["end"]),
            (
                f"Score at {' / '.join(common)}",
                True,
                [format_number(v) for v in table["common_score"]],
            ),
            ("90% there", True, ends["common"]),
        ]
    )


def fill_dashes(column: pd.Series) -> list[str]:
    """Words, a dash where there are none."""
    return [text or MISSING for text in format_text_cells(column)]


def format_subphases(table: pd.DataFrame) -> list[str]:
    """Sub-phase by the formula, and in brackets the drawn one where it differs."""
    pairs = zip(table["subphase"], table["subphase_published"], table["paradigm"], strict=True)
    cells = []
    for ours, drawn, paradigm in pairs:
        differs = drawn and ours and drawn != ours and paradigm == SFT_THEN_RL
        cells.append(f"{ours} ({drawn})" if differs else ours or drawn or MISSING)
    return cells


def format_yes_no(column: pd.Series) -> list[str]:
    """Yes and no, a dash where the question does not arise."""
    return [text or MISSING for text in column.fillna("").astype(str)]


def count_branches(table: pd.DataFrame) -> dict[str, int]:
    """How many branches are fitted, published, reproduced and identified."""
    listed = table[table[f"pl_rl_{PUBLISHED}"].notna()]
    misses = listed[listed["paper_agrees"] == NO]
    bound = listed[f"at_bound_{PAPER}"].fillna(False).astype(bool)
    measured = table[table["p_sft_published"].notna()]
    same_start = (measured["p_sft"] - measured["p_sft_published"]).abs() <= 0.1 + 1e-9
    plain = listed["lts_share"] == 0
    return {
        "branches": len(table),
        "published": len(listed),
        "starts": len(measured),
        "starts_agree": int(same_start.sum()),
        "paper_agrees": int((listed["paper_agrees"] == YES).sum()),
        "kit_agrees": int((listed["kit_agrees"] == YES).sum()),
        "plain": int(plain.sum()),
        "plain_agree": int((plain & (listed["paper_agrees"] == YES)).sum()),
        "misses": len(misses),
        "misses_fixed": int((misses["fixed_point"] == YES).sum()),
        "bound_agree": int((bound & (listed["paper_agrees"] == YES)).sum()),
        "kit_above_100": int((listed[f"a_post_{KIT}"] > 100).sum()),
        **count_reasons(table),
        **{
            f"{place}_narrow": count_narrow_intervals(table, place)
            for place in ("end", "double", "common")
        },
        "pure_rl": int((table["paradigm"] == PURE_RL).sum()),
    }


def count_reasons(table: pd.DataFrame) -> dict[str, int]:
    """How many robust ceilings are identified, and why the others are not."""
    reason = table[f"reason_{ROBUST}"].astype(object).fillna("")
    named = {"early": ENDS_EARLY, "wide": WIDE, "leans": LEANS, "passed": PASSED}
    known = table[f"verdict_{ROBUST}"] == IDENTIFIED
    return {
        "robust_identified": int(known.sum()),
        **{f"robust_{name}": int((reason == text).sum()) for name, text in named.items()},
        "robust_otherwise": int((~known & ~reason.isin(list(named.values()))).sum()),
    }


def count_narrow_intervals(table: pd.DataFrame, place: str, width: float = 2.0) -> int:
    """How many branches have an interval of the score at a place narrower than `width` points."""
    return int(((table[f"{place}_high"] - table[f"{place}_low"]) < width).sum())
