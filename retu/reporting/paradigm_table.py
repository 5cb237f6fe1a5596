"""The table of figure 2: what each paradigm reached from each start, how steadily, at what cost."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from retu.core.markdown import (
    MISSING,
    TextTable,
    interval,
    make_table,
    number,
    significant,
)
from retu.reporting.aggregate import (
    BRANCH,
    branch_means,
    paradigms_of,
    spread_ratio,
    start_measures,
)
from retu.reporting.compute_units import choose_unit
from retu.reporting.paradigm_styles import (
    REFERENCE,
    choices,
    kind_of,
    method_looks,
    method_of,
)
from retu.reporting.result_tables import rank_of, scaled, texts
from retu.reporting.tidy_files import (
    IDENTIFIED,
    NO_DATASET,
    PURE_SFT,
    models_of,
    ordered_datasets,
)
from retu.reporting.token_cuts import cut_columns

BEFORE_COLLAPSE = "best before collapse"
PARADIGM_COLUMNS = (
    *("model", "paradigm", "kind", "dataset", "sft_step", "recipe", "in_figure", "n_seeds"),
    *("n_points", "best_smoothed", "best_score", "a_post", "a_post_low", "a_post_high", "verdict"),
    *("end_score", "spread", "spread_over_seeds", "spread_ratio", "spread_ratio_low"),
    *("spread_ratio_high", "n_collapsed", "x_collapse_eflops", "x_sft_eflops", "x_total_eflops"),
    *("x_near_best_eflops", "cut_share"),
)


def paradigm_table(
    curves: pd.DataFrame, fits: pd.DataFrame, order: Sequence[str], highlight: str | None = None
) -> pd.DataFrame:
    """One row per paradigm and start, `PARADIGM_COLUMNS`; means over seeds.

    Scores in percent, compute in EFLOPs of SFT and RL together. What is measured is told in
    `aggregate.run_measures`. `in_figure` marks the rows that figure 2 has in full colour.

    A run that collapsed has no ceiling; in its place stands the best score before the collapse,
    without an interval, as in the paper (appendix F). `spread_ratio` compares the spread with that
    of DAPO_d from the same start; its 90% interval is the one for normal scores (F distribution).
    """
    rows = start_measures(curves, fits)
    rows = rows.merge(ceilings_of(fits), on=BRANCH, how="left")
    collapsed = rows["n_collapsed"] > 0
    rows["a_post"] = rows["a_post"].where(~collapsed, rows["best_before_collapse"])
    rows["verdict"] = rows["verdict"].fillna("").mask(collapsed, BEFORE_COLLAPSE)
    rows.loc[collapsed, ["a_post_low", "a_post_high"]] = np.nan
    rows["kind"] = rows["paradigm"].map(kind_of)
    rows["in_figure"] = False
    for model, choice in choices(curves, order, highlight).items():
        rows["in_figure"] |= (rows["model"] == model) & choice.shows(rows)
    return in_order(add_ratio(rows), order)[list(PARADIGM_COLUMNS)]


def ceilings_of(fits: pd.DataFrame) -> pd.DataFrame:
    """Mean ceiling, pooled interval and common verdict of every branch."""
    means = branch_means(fits)[[*BRANCH, "a_post", "a_post_low", "a_post_high"]]
    verdicts = fits.groupby(BRANCH, sort=False)["verdict"].agg(common_verdict).reset_index()
    return means.merge(verdicts, on=BRANCH)


def common_verdict(verdicts: pd.Series) -> str:
    """What all seeds say; where they differ, the first that is not `identified`."""
    return next((str(v) for v in verdicts if v != IDENTIFIED), IDENTIFIED)


def add_ratio(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the spread relative to that of the reference method from the same start."""
    start = ["model", "dataset", "sft_step"]
    reference = rows[rows["paradigm"].map(method_of) == REFERENCE].drop_duplicates(start)
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
    itself = paired["paradigm"].map(method_of) == REFERENCE
    paired.loc[itself, columns[1:]] = np.nan
    return paired


def in_order(rows: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """By model; Pure SFT and the base model first; then by data set, step and method."""
    stage = (rows["dataset"] == NO_DATASET) + 2 * (rows["sft_step"] > 0)
    keys = pd.DataFrame(
        {
            "model": rank_of(rows["model"], models_of(rows)),
            "stage": stage,  # Pure SFT 0, RL from the base model 1, after SFT 2
            "dataset": rank_of(rows["dataset"], ordered_datasets(rows, order)),
            "sft_step": rows["sft_step"],
            "method": rank_of(
                rows["paradigm"].map(method_of), list(method_looks(paradigms_of(rows)))
            ),
            "recipe": rows["recipe"],
        }
    )
    places = keys.sort_values(keys.columns.tolist(), kind="stable").index
    return rows.loc[places].reset_index(drop=True)


def paradigm_table_text(table: pd.DataFrame) -> TextTable:
    """The rows of figure 2 for people; model and recipe appear only when they must."""
    rows = table[table["in_figure"]].reset_index(drop=True)
    unit = choose_unit(rows["x_total_eflops"])
    ends = zip(rows["a_post_low"], rows["a_post_high"], strict=True)
    columns: list[tuple[str, bool, Sequence[str]]] = [
        ("Start", False, start_labels(rows)),
        *[(name.capitalize(), False, texts(rows[name])) for name in needed(rows)],
        ("Paradigm", False, texts(rows["paradigm"])),
        ("Best (median of 5)", True, [number(v) for v in rows["best_smoothed"]]),
        ("Best (raw)", True, [number(v) for v in rows["best_score"]]),
        ("A_post", True, [number(v) for v in rows["a_post"]]),
        ("90% interval", True, [interval(low, high) for low, high in ends]),
        ("Verdict", False, [text or MISSING for text in rows["verdict"]]),
        ("At the end", True, [number(v) for v in rows["end_score"]]),
        ("SD, last third", True, [number(v, 2) for v in rows["spread"]]),
        (f"SD / {REFERENCE}", True, ratio_labels(rows)),
    ]
    if (rows["n_seeds"] > 1).any():
        columns.append(("SD over seeds", True, [number(v, 2) for v in rows["spread_over_seeds"]]))
    columns += [
        *cut_columns(rows["cut_share"].tolist()),
        (f"Collapsed ({unit.name})", False, collapse_labels(rows, unit.per_eflop)),
        (f"Compute ({unit.name})", True, scaled(rows["x_total_eflops"], unit.per_eflop)),
        ("To 95% of its best", True, scaled(rows["x_near_best_eflops"], unit.per_eflop)),
    ]
    return make_table(columns)


def needed(rows: pd.DataFrame) -> list[str]:
    """Which of model and recipe tell rows apart that would otherwise look the same."""
    same = ["model", "paradigm", "dataset", "sft_step"]
    recipe = ["recipe"] if rows.duplicated(same).any() else []
    return (["model"] if rows["model"].nunique() > 1 else []) + recipe


def start_labels(rows: pd.DataFrame) -> list[str]:
    """Where a row starts: the base model or a checkpoint; Pure SFT names its data set."""
    labels = []
    for name, dataset, step in zip(
        rows["paradigm"], rows["dataset"], rows["sft_step"], strict=True
    ):
        checkpoint = f"{dataset}, step {step}" if step else "base model"
        labels.append(f"base model, {dataset}" if name == PURE_SFT else checkpoint)
    return labels


def ratio_labels(rows: pd.DataFrame) -> list[str]:
    """The ratio of spreads with its interval, a dash where there is no reference."""
    ends = zip(rows["spread_ratio_low"], rows["spread_ratio_high"], strict=True)
    spans = [interval(low, high) for low, high in ends]
    return [
        number(ratio) if span == MISSING else f"{number(ratio)} {span}"
        for ratio, span in zip(rows["spread_ratio"], spans, strict=True)
    ]


def collapse_labels(rows: pd.DataFrame, per_eflop: float) -> list[str]:
    """`no`, or `yes at X` with the compute of the last point before it, and of how many seeds."""
    labels = []
    for collapsed, seeds, x in zip(
        rows["n_collapsed"], rows["n_seeds"], rows["x_collapse_eflops"], strict=True
    ):
        share = "" if seeds == 1 else f" ({collapsed} of {seeds} seeds)"
        labels.append(f"yes at {significant(x * per_eflop)}{share}" if collapsed else "no")
    return labels
