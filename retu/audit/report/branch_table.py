"""Table 4 of an audit: every branch as published, by the released kit, by the paper's own protocol
and by ours, with what of it the data identify."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from retu.audit.report.compared_values import (
    BRANCH,
    KIT,
    PAPER,
    PROTOCOLS,
    PUBLISHED,
    ROBUST,
    Fitted,
)
from retu.core.markdown import (
    MISSING,
    TextTable,
    integer,
    interval,
    make_table,
    number,
    signed,
)
from retu.core.tables import read_table
from retu.reporting.result_tables import branch_labels, rank_of, texts
from retu.reporting.tidy_files import (
    IDENTIFIED,
    NO_DATASET,
    PURE_RL,
    SFT_THEN_RL,
    with_text,
)
from retu.scaling.fit_result import ENDS_EARLY, LEANS, PASSED, WIDE

AGREES_WITHIN = 0.15
"""Points between two values of PL_rl that count as equal: printed to 0.1, from P_sft to 0.1."""
PARAMETERS = ("epsilon", "pl_rl", "a_post", "c_mid", "b")
VERDICTS = ("at_bound", "verdict", "reason")
INTERVALS = ("a_post_low", "a_post_high", "a_post_profile_low", "a_post_profile_high")
PLACES = tuple(f"{p}_{e}" for p in ("end", "double", "common") for e in ("score", "low", "high"))
FACTS = ("x_sft_eflops", "subphase", "p_sft", "n_points", "collapsed", "x_end_eflops")
FROM_ROBUST = (*INTERVALS, *PLACES, "x_common_eflops", "best_score", "best_smoothed", "noise")
YES, NO = "yes", "no"
KEY = ("dataset", "sft_step", "paradigm")
COLUMNS = (
    *KEY, *FACTS, "x_sft_eflops_published", "subphase_published", "p_sft_published",
    "a_post_table_published", "tau", "lts_share",
    *(f"{name}_{which}" for which in (PUBLISHED, *PROTOCOLS) for name in PARAMETERS),
    *(f"{name}_{which}" for which in PROTOCOLS for name in VERDICTS),
    *FROM_ROBUST, "kit_agrees", "paper_agrees", "fixed_point",
)  # fmt: skip


def table_4(
    published: pd.DataFrame,
    protocols: dict[str, Fitted],
    fixed_points: pd.DataFrame,
    order: Sequence[str],
) -> pd.DataFrame:
    """One row a fitted branch, columns `COLUMNS`; NaN and empty text where nothing is published.

    Args:
        published: claims/table_4.csv.
        protocols: fits by protocol name.
        fixed_points: which published PL_rl trimming can end at; may have no rows.
        order: SFT data sets from first to last.
    """
    robust = protocols[ROBUST].fits
    table = robust[[*BRANCH, "paradigm", *FACTS, *FROM_ROBUST]].copy()
    table = table.merge(published_columns(published), on=BRANCH, how="left")
    for name in PROTOCOLS:
        part = protocols[name].fits[[*BRANCH, *PARAMETERS, *VERDICTS]]
        named = {column: f"{column}_{name}" for column in (*PARAMETERS, *VERDICTS)}
        table = table.merge(part.rename(columns=named), on=BRANCH, how="left")
    for name in (KIT, PAPER):
        table[f"{name}_agrees"] = agreement(table, name)
    table["fixed_point"] = fixed_column(table, fixed_points)
    table["subphase_published"] = table["subphase_published"].fillna("")
    keys = pd.DataFrame(
        {"rank": rank_of(table["dataset"], [NO_DATASET, *order]), "step": table["sft_step"]}
    )
    index = keys.sort_values(["rank", "step"], kind="stable").index
    return table.loc[index, list(COLUMNS)].reset_index(drop=True)


def read_table_4(path: Path) -> pd.DataFrame:
    """The finished table back from its CSV; empty cells of text columns are empty text."""
    table = with_text(read_table(path, COLUMNS))
    text = ("subphase_published", "kit_agrees", "paper_agrees", "fixed_point")
    words = [*text, *(f"verdict_{name}" for name in PROTOCOLS)]
    return table.assign(**{name: table[name].fillna("").astype(str) for name in words})


def published_columns(published: pd.DataFrame) -> pd.DataFrame:
    """The published values under names that say so."""
    names = {"subphase_in_figure_3": "subphase", "a_post_figure_3": "a_post"}
    own = published.rename(columns=names)
    named = ["epsilon", "pl_rl", "a_post", "c_mid", "b", "p_sft", "x_sft_eflops", "subphase"]
    renamed = {name: f"{name}_{PUBLISHED}" for name in named}
    renamed["a_post_table_4"] = "a_post_table_published"
    return own.rename(columns=renamed)[[*BRANCH, "tau", "lts_share", *renamed.values()]]


def agreement(table: pd.DataFrame, protocol: str) -> pd.Series:
    """Whether a protocol gives the published PL_rl: yes, no, or empty without a published one."""
    difference = (table[f"pl_rl_{protocol}"] - table[f"pl_rl_{PUBLISHED}"]).abs()
    # A hair of tolerance: 0.15 in binary digits is a little more or less than 0.15.
    close = np.where(difference <= AGREES_WITHIN + 1e-9, YES, NO)
    return pd.Series(np.where(table[f"pl_rl_{PUBLISHED}"].notna(), close, ""), index=table.index)


def fixed_column(table: pd.DataFrame, fixed_points: pd.DataFrame) -> list[str]:
    """For each miss of the paper protocol: is the published PL_rl another fixed point?"""
    known = {
        (str(row["dataset"]), int(row["sft_step"])): YES if row["is_fixed_point"] else NO
        for row in fixed_points.to_dict("records")
    }
    branches = zip(table["dataset"], table["sft_step"], table["paper_agrees"], strict=True)
    return [known.get((name, step), "") if agrees == NO else "" for name, step, agrees in branches]


def branch_columns(table: pd.DataFrame) -> list[tuple[str, bool, list[str]]]:
    """The columns that name a branch."""
    return [
        ("Data set", False, branch_labels(table)),
        ("SFT step", True, [integer(step) for step in table["sft_step"]]),
    ]


def parameters_text(table: pd.DataFrame) -> TextTable:
    """What the paper's protocol and the kit make of the published parameters."""
    published = {name: table[f"{name}_{PUBLISHED}"] for name in ("pl_rl", "c_mid", "b", "p_sft")}
    return make_table(
        [
            *branch_columns(table),
            ("Sub-phase (drawn)", False, subphases(table)),
            ("P_sft published", True, [number(value) for value in published["p_sft"]]),
            ("P_sft here", True, [number(value) for value in table["p_sft"]]),
            ("PL_rl published", True, [signed(value) for value in published["pl_rl"]]),
            *[
                (f"PL_rl {name}", True, [signed(value) for value in table[f"pl_rl_{name}"]])
                for name in (PAPER, KIT, ROBUST)
            ],
            ("C_mid published", True, [number(value, 0) for value in published["c_mid"]]),
            ("C_mid paper", True, [number(value) for value in table[f"c_mid_{PAPER}"]]),
            ("B published", True, [number(value) for value in published["b"]]),
            ("B paper", True, [number(value) for value in table[f"b_{PAPER}"]]),
            ("Paper protocol agrees", False, marks(table["paper_agrees"])),
            ("Other fixed point", False, marks(table["fixed_point"])),
        ]
    )


def identified_text(table: pd.DataFrame) -> TextTable:
    """The ceilings side by side, and the scores that the data do identify."""
    ceilings = [
        (f"A_post {name}", True, [number(value) for value in table[f"a_post_{name}"]])
        for name in (PUBLISHED, KIT, PAPER, ROBUST)
    ]
    common = sorted({f"{value:g}" for value in table["x_common_eflops"].dropna()})
    ends = {
        name: [
            interval(low, high)
            for low, high in zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
        ]
        for name in ("a_post", "end", "common")
    }
    return make_table(
        [
            *branch_columns(table),
            *ceilings,
            ("90% interval", True, ends["a_post"]),
            ("Ceiling is", False, [text or MISSING for text in texts(table[f"verdict_{ROBUST}"])]),
            ("Because", False, [text or MISSING for text in texts(table[f"reason_{ROBUST}"])]),
            ("End (EFLOPs)", True, [number(value, 0) for value in table["x_end_eflops"]]),
            ("Score at the end", True, [number(value) for value in table["end_score"]]),
            ("90% at the end", True, ends["end"]),
            (f"Score at {' / '.join(common)}", True, [number(v) for v in table["common_score"]]),
            ("90% there", True, ends["common"]),
        ]
    )


def subphases(table: pd.DataFrame) -> list[str]:
    """Sub-phase by the formula, and in brackets the drawn one where it differs."""
    pairs = zip(table["subphase"], table["subphase_published"], table["paradigm"], strict=True)
    cells = []
    for ours, drawn, paradigm in pairs:
        differs = drawn and ours and drawn != ours and paradigm == SFT_THEN_RL
        cells.append(f"{ours} ({drawn})" if differs else ours or drawn or MISSING)
    return cells


def marks(column: pd.Series) -> list[str]:
    """Yes and no, a dash where the question does not arise."""
    return [text or MISSING for text in column.fillna("").astype(str)]


def counts(table: pd.DataFrame) -> dict[str, int]:
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
        **reasons(table),
        **{f"{place}_narrow": narrow(table, place) for place in ("end", "double", "common")},
        "pure_rl": int((table["paradigm"] == PURE_RL).sum()),
    }


def reasons(table: pd.DataFrame) -> dict[str, int]:
    """How many robust ceilings are identified, and why the others are not."""
    reason = table[f"reason_{ROBUST}"].astype(object).fillna("")
    named = {"early": ENDS_EARLY, "wide": WIDE, "leans": LEANS, "passed": PASSED}
    known = table[f"verdict_{ROBUST}"] == IDENTIFIED
    return {
        "robust_identified": int(known.sum()),
        **{f"robust_{name}": int((reason == text).sum()) for name, text in named.items()},
        "robust_otherwise": int((~known & ~reason.isin(list(named.values()))).sum()),
    }


def narrow(table: pd.DataFrame, place: str, width: float = 2.0) -> int:
    """How many branches have an interval of the score at a place narrower than `width` points."""
    return int(((table[f"{place}_high"] - table[f"{place}_low"]) < width).sum())
