"""Released curves by SFT data set: scores, the robust fit, and the published law beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from retu.reporting.charts.curve_layers import draw_curves, select_branch
from retu.reporting.charts.page_chart import ChartText, PageChart, Spec, finish_chart
from retu.reporting.charts.series import FROM_BASE, Series, list_series
from retu.reporting.charts.spec_parts import (
    COMPUTE_DIGITS,
    IS_SHOWN,
    LAW_SHARES,
    SCORE_DIGITS,
    look_up_series,
    make_axis,
    make_frame,
    make_tip,
    round_digits,
    round_significant,
)
from retu.reporting.compute_units import ComputeUnit, choose_unit
from retu.reporting.drawing import compute_score_limits, select_rows
from retu.reporting.style import INK
from retu.reporting.tidy_files import NO_DATASET, PURE_SFT, order_datasets
from retu.scaling.law import compute_gain

HEIGHT = 230  # pixels, of a panel
COLUMNS = 2
PUBLISHED = "published"
LAW_COLUMNS = ("p_sft", "epsilon", "pl_rl", "c_mid", "b")
CAPTION = (
    "One panel an SFT data set, all on one scale of scores. A point is a released evaluation, a"
    " coloured line the robust fit; colour is the sub-phase in which RL starts. Point at a branch"
    " to see its 95% intervals, its numbers and, broken, its published law. A button switches a"
    " branch off and on; with Shift it leaves that branch alone. Drag to move, turn the wheel with"
    " Ctrl to"
    " zoom, double-click to see all again. A cross is the last score before a collapse."
)


def draw_released_chart(
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    table: pd.DataFrame,
    order: Sequence[str] = (),
    static: str = "",
) -> PageChart | None:
    """The chart of a study of released curves, or None if it has no RL branch.

    Args:
        curves: overall rows of curves.csv; fits: those of the robust protocol; subphases.
        table: the audit's Table 4, for the published parameters (`*_published`).
        order: SFT data sets.
        static: data URI of the figure for paper; drawn from the chart if empty.
    """
    rows = curves[curves["paradigm"] != PURE_SFT]
    if rows.empty:
        return None
    series = list_series(curves, fits, subphases, order)
    datasets = order_datasets(rows, order)
    base = [NO_DATASET] if NO_DATASET in set(rows["dataset"]) else []
    limits = compute_score_limits(
        rows["score"].to_numpy(dtype=float), fits["a_post"].dropna().to_numpy(dtype=float)
    )
    panels = [
        draw_dataset(name, (rows, fits, table), series, limits) for name in [*datasets, *base]
    ]
    text = ChartText(
        "released",
        "Released curves and their fits, by SFT data set",
        CAPTION,
        f"Released scores of {len(series)} RL branches against RL compute with robust fits, one"
        f" panel for each of {len(datasets)} SFT data sets.",
    )
    frame = make_frame(series)
    frame["usermeta"]["columns"] = COLUMNS
    return finish_chart(text, frame | {"columns": COLUMNS, "concat": panels}, static)


def draw_dataset(
    dataset: str,
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    series: Sequence[Series],
    limits: tuple[float, float],
) -> Spec:
    """The panel of one data set; `tables` are evaluations, fits and Table 4."""
    rows, fits, table = (select_rows(part, dataset=dataset) for part in tables)
    unit = choose_unit(rows["x_rl_eflops"])
    largest = float(rows["x_rl_eflops"].max()) * unit.per_eflop
    x = make_axis("x", f"RL compute ({unit.name})", (-0.02 * largest, 1.03 * largest))
    y = make_axis("y", "", limits) | {"title": None}
    place = [one.key for one in series].index(series_of(rows, series).key)
    layers = draw_curves(rows, fits, series, unit, f"zoom{place}")
    return {
        "title": f"{FROM_BASE if dataset == NO_DATASET else dataset}: score (%)",
        "height": HEIGHT,
        "encoding": {"x": x, "y": y},
        "layer": [*layers, draw_published_laws(table, series, unit)],
    }


def series_of(rows: pd.DataFrame, series: Sequence[Series]) -> Series:
    """The first of the series that rows have evaluations of."""
    return next(one for one in series if len(select_branch(rows, one)))


def draw_published_laws(table: pd.DataFrame, series: Sequence[Series], unit: ComputeUnit) -> Spec:
    """The published law of the branch that is pointed at, as far as its points were fitted."""
    lines: list[dict[str, Any]] = []
    for place, one in enumerate(series):
        _, dataset, step, paradigm, _ = one.key
        for row in select_rows(table, dataset=dataset, sft_step=step, paradigm=paradigm).to_dict(
            "records"
        ):
            p_sft, epsilon, pl_rl, c_mid, b = (float(row[f"{n}_{PUBLISHED}"]) for n in LAW_COLUMNS)
            if np.isfinite([p_sft, epsilon, pl_rl, c_mid, b]).all() and c_mid > 0:
                x = LAW_SHARES * float(row["x_end_eflops"])
                y = p_sft + compute_gain(x, epsilon=epsilon, pl_rl=pl_rl, c_mid=c_mid, b=b)
                shown = round_significant(x * unit.per_eflop, COMPUTE_DIGITS)
                ceiling = round(p_sft + pl_rl, 1)
                lines.append(
                    {"b": place, "x": shown, "y": round_digits(y, SCORE_DIGITS), "limit": ceiling}
                )
    return {
        "data": {"values": lines},
        "transform": [
            {"filter": f"{IS_SHOWN} && focus === datum.b"},
            {"flatten": ["x", "y"]},
            look_up_series("title"),
        ],
        "mark": {"type": "line", "color": INK, "strokeDash": [5, 3], "strokeWidth": 1.6}
        | {"clip": True, "aria": False},
        "encoding": {
            "detail": {"field": "b"},
            "tooltip": [
                make_tip("title", "Published law of"),
                make_tip("limit", "Published ceiling (%)", ".1f"),
            ],
        },
    }
