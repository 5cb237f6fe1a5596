"""Scores of all RL branches of a model against RL compute, with the fitted laws."""

from collections.abc import Sequence

import pandas as pd

from retu.reporting.charts.curve_layers import draw_curves
from retu.reporting.charts.page_chart import (
    ChartText,
    PageChart,
    Spec,
    finish_chart,
    make_chart_name,
)
from retu.reporting.charts.series import Series, list_series
from retu.reporting.charts.spec_parts import make_axis, make_frame, set_single_size
from retu.reporting.compute_units import choose_unit
from retu.reporting.drawing import compute_score_limits, select_rows
from retu.reporting.tidy_files import IDENTIFIED, PURE_SFT

HEIGHT = 380  # pixels
CAPTION = (
    "A point is an evaluation, a line the fitted law of a branch. Colour is the sub-phase in which"
    " RL starts, or the method; the marker is the SFT data set. Point at a branch to see its 95%"
    " intervals and its numbers. A button switches its branch off and on; with Shift it leaves that"
    " branch alone. Drag to move, turn the wheel with Ctrl to zoom, double-click to see all again."
    " A cross is the last score before a collapse."
)


def draw_branch_chart(
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    model: str,
    static: str = "",
    order: Sequence[str] = (),
) -> PageChart | None:
    """The chart of one model, or None if it has no RL branch.

    Args:
        curves: overall rows of curves.csv; fits: fits.csv; subphases: subphases.csv.
        model: whose rows to take.
        static: data URI of the figure for paper; drawn from the chart if empty.
        order: SFT data sets.
    """
    own, fitted, labels = (select_rows(rows, model=model) for rows in (curves, fits, subphases))
    rows = own[own["paradigm"] != PURE_SFT]
    if rows.empty:
        return None
    series = list_series(own, fitted, labels, order)
    text = ChartText(
        make_chart_name("branches", model),
        f"{model}: score against RL compute, by branch",
        CAPTION,
        f"Scores of {len(series)} RL branches of {model} against RL compute, with fitted laws.",
    )
    return finish_chart(text, make_branch_spec(rows, fitted, series), static)


def make_branch_spec(rows: pd.DataFrame, fits: pd.DataFrame, series: Sequence[Series]) -> Spec:
    """The specification; `rows` are the evaluations of the branches that `series` names."""
    unit = choose_unit(rows["x_rl_eflops"])
    largest = float(rows["x_rl_eflops"].max()) * unit.per_eflop
    ceilings = fits.loc[fits["verdict"] == IDENTIFIED, "a_post"].to_numpy(dtype=float)
    limits = compute_score_limits(rows["score"].to_numpy(dtype=float), ceilings)
    x = make_axis("x", f"RL compute ({unit.name})", (-0.02 * largest, 1.03 * largest))
    y = make_axis("y", "Score (%)", limits)
    return {
        **make_frame(series),
        **set_single_size(HEIGHT),
        "encoding": {"x": x, "y": y},
        "layer": draw_curves(rows, fits, series, unit),
    }
