"""The table of figure 2: what each paradigm reached from each start, how steadily, at what cost."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from retu.core.markdown import (
    MISSING,
    TextTable,
    format_interval,
    format_number,
    format_significant,
    make_table,
)
from retu.reporting.aggregate import (
    BRANCH_KEY,
    average_branches,
    list_paradigms,
    measure_starts,
    spread_ratio,
)
from retu.reporting.compute_units import choose_unit
from retu.reporting.paradigm_styles import (
    REFERENCE,
    assign_looks,
    choose_panels,
    get_paradigm_kind,
    strip_sft_stage,
)
from retu.reporting.result_tables import (
    format_compute,
    format_text_cells,
    rank_names,
    sort_rows,
)
from retu.reporting.tidy_files import (
    IDENTIFIED,
    NO_DATASET,
    PURE_SFT,
    list_models,
    order_datasets,
)
from retu.reporting.token_cuts import format_cut_columns

BEFORE_COLLAPSE = "best before collapse"
PARADIGM_COLUMNS = (
    *("model", "paradigm", "kind", "dataset", "sft_step", "recipe", "in_figure", "n_seeds"),
    *("n_points", "best_smoothed", "best_score", "a_post", "a_post_low", "a_post_high", "verdict"),
    *("end_score", "spread", "spread_over_seeds", "spread_ratio", "spread_ratio_low"),
    *("spread_ratio_high", "n_collapsed", "x_collapse_eflops", "x_sft_eflops", "x_total_eflops"),
    *("x_near_best_eflops", "cut_share"),
)


def build_paradigm_table(
    curves: pd.DataFrame, fits: pd.DataFrame, order: Sequence[str], highlight: str | None = None
) -> pd.DataFrame:
    """One row per paradigm and start, `PARADIGM_COLUMNS`; means over seeds.

    Scores in percent, compute in EFLOPs of SFT and RL together. What is measured is told in
    `measure_run`. `in_figure` marks the rows that figure 2 has in full colour.

    A run that collapsed has no ceiling; in its place stands the best score before the collapse,
    without an interval, as in the paper (appendix F). `spread_ratio` compares the spread with that
    of DAPO_d from the same start; its 90% interval is the one for normal scores (F distribution).
    """
    rows = measure_starts(curves, fits)
    rows = rows.merge(average_ceilings(fits), on=BRANCH_KEY, how="left")
    collapsed = rows["n_collapsed"] > 0
    rows["a_post"] = rows["a_post"].where(~collapsed, rows["best_before_collapse"])
    rows["verdict"] = rows["verdict"].fillna("").mask(collapsed, BEFORE_COLLAPSE)
    rows.loc[collapsed, ["a_post_low", "a_post_high"]] = np.nan
    rows["kind"] = rows["paradigm"].map(get_paradigm_kind)
    rows["in_figure"] = False
    for model, choice in choose_panels(curves, order, highlight).items():
        rows["in_figure"] |= (rows["model"] == model) & choice.mask_shown(rows)
    return sort_paradigm_rows(add_spread_ratio(rows), order)[list(PARADIGM_COLUMNS)]


def average_ceilings(fits: pd.DataFrame) -> pd.DataFrame:
    """Mean ceiling, pooled interval and common verdict of every branch."""
    means = average_branches(fits)[[*BRANCH_KEY, "a_post", "a_post_low", "a_post_high"]]
    verdicts = (
        fits.groupby(BRANCH_KEY, sort=False)["verdict"].agg(find_common_verdict).reset_index()
    )
    return means.merge(verdicts, on=BRANCH_KEY)


def find_common_verdict(verdicts: pd.Series) -> str:
    """What all seeds say; where they differ, the first that is not `identified`."""
    return next((str(v) for v in verdicts if v != IDENTIFIED), IDENTIFIED)


def add_spread_ratio(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the spread relative to that of the reference method from the same start."""
    start = ["model", "dataset", "sft_step"]
    reference = rows[rows["paradigm"].map(strip_sft_stage) == REFERENCE].drop_duplicates(start)
    paired = rows.merge(
        reference[[*start, "spread", "spread_freedom"]],
        on=start,
        how="left",
        suffixes=("", "_reference"),
    )
    names = ["spread", "spread_freedom", "spread_reference", "spread_freedom_reference"]
    ratios = [spread_ratio(*values) for values in paired[names].itertuples(index=False)]
    columns = ["spread_ratio", "spread_ratio_low", "spread_ratio_high"]
    paired[columns] = np.array(ratios, dtype=float).reshape(-1, len(columns))
    itself = paired["paradigm"].map(strip_sft_stage) == REFERENCE
    paired.loc[itself, columns[1:]] = np.nan
    return paired


def sort_paradigm_rows(rows: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """By model; Pure SFT and the base model first; then by data set, step and method."""
    stage = (rows["dataset"] == NO_DATASET) + 2 * (rows["sft_step"] > 0)
    keys = pd.DataFrame(
        {
            "model": rank_names(rows["model"], list_models(rows)),
            "stage": stage,  # Pure SFT 0, RL from the base model 1, after SFT 2
            "dataset": rank_names(rows["dataset"], order_datasets(rows, order)),
            "sft_step": rows["sft_step"],
            "method": rank_names(
                rows["paradigm"].map(strip_sft_stage), list(assign_looks(list_paradigms(rows)))
            ),
            "recipe": rows["recipe"],
        }
    )
    return sort_rows(rows, keys)


def tabulate_paradigms(table: pd.DataFrame) -> TextTable:
    """The rows of figure 2 for people; model and recipe appear only when they must."""
    rows = table[table["in_figure"]].reset_index(drop=True)
    unit = choose_unit(rows["x_total_eflops"])
    ends = zip(rows["a_post_low"], rows["a_post_high"], strict=True)
    columns: list[tuple[str, bool, Sequence[str]]] = [
        ("Start", False, format_starts(rows)),
        *[
            (name.capitalize(), False, format_text_cells(rows[name]))
            for name in find_needed_columns(rows)
        ],
        ("Paradigm", False, format_text_cells(rows["paradigm"])),
        ("Best (median of 5)", True, [format_number(v) for v in rows["best_smoothed"]]),
        ("Best (raw)", True, [format_number(v) for v in rows["best_score"]]),
        ("A_post", True, [format_number(v) for v in rows["a_post"]]),
        ("90% interval", True, [format_interval(low, high) for low, high in ends]),
        ("Verdict", False, [text or MISSING for text in rows["verdict"]]),
        ("At the end", True, [format_number(v) for v in rows["end_score"]]),
        ("SD, last third", True, [format_number(v, 2) for v in rows["spread"]]),
        (f"SD / {REFERENCE}", True, format_ratios(rows)),
    ]
    if (rows["n_seeds"] > 1).any():
        columns.append(
            ("SD over seeds", True, [format_number(v, 2) for v in rows["spread_over_seeds"]])
        )
    columns += [
        *format_cut_columns(rows["cut_share"].tolist()),
        (f"Collapsed ({unit.name})", False, format_collapses(rows, unit.per_eflop)),
        (f"Compute ({unit.name})", True, format_compute(rows["x_total_eflops"], unit.per_eflop)),
        ("To 95% of its best", True, format_compute(rows["x_near_best_eflops"], unit.per_eflop)),
    ]
    return make_table(columns)


def find_needed_columns(rows: pd.DataFrame) -> list[str]:
    """Which of model and recipe tell rows apart that would otherwise look the same."""
    same = ["model", "paradigm", "dataset", "sft_step"]
    recipe = ["recipe"] if rows.duplicated(same).any() else []
    return (["model"] if rows["model"].nunique() > 1 else []) + recipe


def format_starts(rows: pd.DataFrame) -> list[str]:
    """Where a row starts: the base model or a checkpoint; Pure SFT names its data set."""
    labels = []
    for name, dataset, step in zip(
        rows["paradigm"], rows["dataset"], rows["sft_step"], strict=True
    ):
        checkpoint = f"{dataset}, step {step}" if step else "base model"
        labels.append(f"base model, {dataset}" if name == PURE_SFT else checkpoint)
    return labels


def format_ratios(rows: pd.DataFrame) -> list[str]:
    """The ratio of spreads with its interval, a dash where there is no reference."""
    ends = zip(rows["spread_ratio_low"], rows["spread_ratio_high"], strict=True)
    spans = [format_interval(low, high) for low, high in ends]
    return [
        format_number(ratio) if span == MISSING else f"{format_number(ratio)} {span}"
        for ratio, span in zip(rows["spread_ratio"], spans, strict=True)
    ]


def format_collapses(rows: pd.DataFrame, per_eflop: float) -> list[str]:
    """`no`, or `yes at X` with the compute of the last point before it, and of how many seeds."""
    labels = []
    for collapsed, seeds, x in zip(
        rows["n_collapsed"], rows["n_seeds"], rows["x_collapse_eflops"], strict=True
    ):
        share = "" if seeds == 1 else f" ({collapsed} of {seeds} seeds)"
        labels.append(f"yes at {format_significant(x * per_eflop)}{share}" if collapsed else "no")
    return labels
