"""Scores of all RL branches of a model against RL compute, with the fitted laws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from retu.reporting.aggregate import BRANCH_KEY
from retu.reporting.charts.page_chart import (
    ChartText,
    PageChart,
    Spec,
    finish_chart,
    make_chart_name,
)
from retu.reporting.charts.series import Series, list_series
from retu.reporting.charts.spec_parts import (
    COMPUTE_DIGITS,
    FADE,
    FADE_DOTS,
    IS_SHOWN,
    LAW_SHARES,
    SCORE_DIGITS,
    SWITCHES,
    ZOOM,
    bound_scores,
    describe_series,
    encode_branches,
    join_interval,
    look_up_series,
    make_axis,
    make_tip,
    round_digits,
    round_significant,
)
from retu.reporting.compute_units import ComputeUnit, choose_unit
from retu.reporting.drawing import average_laws, compute_score_limits, select_rows
from retu.reporting.tidy_files import PURE_SFT

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
    ceilings = fits.loc[fits["verdict"] == "identified", "a_post"].to_numpy(dtype=float)
    limits = compute_score_limits(rows["score"].to_numpy(dtype=float), ceilings)
    x = make_axis("x", f"RL compute ({unit.name})", (-0.02 * largest, 1.03 * largest))
    y = make_axis("y", "Score (%)", limits)
    points = {
        "data": {"values": list_points(rows, series, unit)},
        "transform": [
            {"flatten": ["x", "y", "low", "high", "n", "step"]},
            {"filter": IS_SHOWN},
            join_interval("low", "high", "interval"),
            look_up_series(series, "title", "subphase"),
        ],
    }
    return {
        "width": "container",
        "height": HEIGHT,
        "autosize": {"type": "fit", "contains": "padding"},
        "params": SWITCHES,
        "usermeta": describe_series(series),
        "encoding": {"x": x, "y": y},
        "layer": [
            points | {"layer": [draw_bars(series), draw_dots(series, rows, unit)]},
            draw_laws(fits, series, unit),
            draw_collapses(rows, fits, series, unit),
        ],
    }


def select_branch(rows: pd.DataFrame, one: Series) -> pd.DataFrame:
    """Rows of a branch."""
    return select_rows(rows, **dict(zip(BRANCH_KEY, one.key, strict=True)))


def list_points(
    rows: pd.DataFrame, series: Sequence[Series], unit: ComputeUnit
) -> list[dict[str, Any]]:
    """A row a branch and seed, its evaluations as lists: names of fields would double the size."""
    found = []
    for place, one in enumerate(series):
        for seed, part in select_branch(rows, one).groupby("seed", sort=True):
            points = part.sort_values("rl_step", kind="stable")
            scores, counts = points["score"].tolist(), points["n_problems"].astype(int).tolist()
            low, high = bound_scores(scores, counts)
            x = (points["x_rl_eflops"] * unit.per_eflop).tolist()
            found.append(
                {
                    "b": place,
                    "seed": str(seed),
                    "x": round_significant(x, COMPUTE_DIGITS),
                    "y": round_digits(scores, SCORE_DIGITS),
                    "low": low,
                    "high": high,
                    "n": counts,
                    "step": points["rl_step"].astype(int).tolist(),
                }
            )
    return found


def draw_laws(fits: pd.DataFrame, series: Sequence[Series], unit: ComputeUnit) -> Spec:
    """A line a branch: the law averaged over its seeds, as far as it was fitted."""
    lines = []
    for place, one in enumerate(series):
        own = select_branch(fits, one)
        x = LAW_SHARES * float(own["x_end_eflops"].max()) if len(own) else np.empty(0)
        law = average_laws(own, x)
        if law is not None:
            shown = round_significant(x * unit.per_eflop, COMPUTE_DIGITS)
            lines.append({"b": place, "x": shown, "y": round_digits(law, SCORE_DIGITS)})
    return {
        "data": {"values": lines},
        "transform": [
            {"flatten": ["x", "y"]},
            {"filter": IS_SHOWN},
            look_up_series(series, "title", "subphase", "note"),
        ],
        "mark": {"type": "line", "clip": True, "strokeWidth": 2, "aria": False},
        "encoding": {
            **encode_branches(series, "color", "strokeDash"),
            "opacity": FADE,
            "tooltip": [
                make_tip("title", "Branch"),
                make_tip("subphase", "RL starts in"),
                make_tip("note", "Ceiling"),
            ],
        },
    }


def draw_bars(series: Sequence[Series]) -> Spec:
    """The intervals of the scores of the branch that is pointed at."""
    return {
        "transform": [{"filter": "focus === datum.b"}],
        "mark": {"type": "rule", "clip": True, "strokeWidth": 1.2, "opacity": 0.7, "aria": False},
        "encoding": {
            **encode_branches(series, "color"),
            "y": {"field": "low", "type": "quantitative"},
            "y2": {"field": "high"},
        },
    }


def draw_dots(series: Sequence[Series], rows: pd.DataFrame, unit: ComputeUnit) -> Spec:
    """The evaluations, and what they tell."""
    seeds = [make_tip("seed", "Seed")] if rows["seed"].nunique() > 1 else []
    return {
        "params": [ZOOM],
        "mark": {"type": "point", "filled": True, "clip": True, "size": 30, "aria": False},
        "encoding": {
            **encode_branches(series, "color", "shape"),
            "opacity": FADE_DOTS,
            "tooltip": [
                make_tip("title", "Branch"),
                make_tip("subphase", "RL starts in"),
                make_tip("y", "Score (%)", ".1f"),
                make_tip("interval", "95% interval (%)"),
                make_tip("x", f"RL compute ({unit.name})", f".{COMPUTE_DIGITS}~g"),
                make_tip("step", "RL step", "d"),
                make_tip("n", "Problems", ",d"),
                *seeds,
            ],
        },
    }


def draw_collapses(
    rows: pd.DataFrame, fits: pd.DataFrame, series: Sequence[Series], unit: ComputeUnit
) -> Spec:
    """A cross at the last score before the collapse of a run."""
    marks = []
    for place, one in enumerate(series):
        own = select_branch(fits, one)
        for fit in own[own["collapsed"].astype(bool)].to_dict("records"):
            points = select_rows(select_branch(rows, one), seed=fit["seed"])
            end = float(fit["x_end_eflops"])
            last = points.iloc[[int(np.argmin(np.abs(points["x_rl_eflops"] - end)))]]
            x = round_significant(last["x_rl_eflops"] * unit.per_eflop, COMPUTE_DIGITS)
            y = round_digits(last["score"], SCORE_DIGITS)
            marks.append({"b": place, "x": x[0], "y": y[0], "title": one.title})
    return {
        "data": {"values": marks},
        "transform": [{"filter": IS_SHOWN}],
        "mark": {"type": "text", "text": "✕", "clip": True, "fontSize": 15, "aria": False},
        "encoding": {
            **encode_branches(series, "color"),
            "opacity": FADE,
            "tooltip": [
                make_tip("title", "Collapses after this score"),
                make_tip("y", "Score (%)", ".1f"),
            ],
        },
    }
