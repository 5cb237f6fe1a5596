"""Layers of a chart of branches: evaluations with their intervals, fitted laws, collapses."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from retu.reporting.aggregate import BRANCH_KEY
from retu.reporting.charts.page_chart import Spec
from retu.reporting.charts.series import Series
from retu.reporting.charts.spec_parts import (
    COMPUTE_DIGITS,
    FADE,
    FADE_DOTS,
    IS_SHOWN,
    LAW_SHARES,
    SCORE_DIGITS,
    bound_scores,
    encode_branches,
    join_interval,
    look_up_series,
    make_tip,
    make_zoom,
    round_digits,
    round_significant,
)
from retu.reporting.compute_units import ComputeUnit
from retu.reporting.drawing import average_laws, select_rows


def draw_curves(
    rows: pd.DataFrame,
    fits: pd.DataFrame,
    series: Sequence[Series],
    unit: ComputeUnit,
    zoom: str = "zoom",
) -> list[Spec]:
    """The layers of a view, x in `unit` and y in percent.

    Args:
        rows: evaluations of the view's branches; fits: of the same branches.
        series: all branches of the chart, by whose places colours go.
        zoom: name of the view's zoom.
    """
    points: Spec = {
        "data": {"values": list_points(rows, series, unit)},
        "transform": [
            {"flatten": ["x", "y", "low", "high", "n", "step"]},
            {"filter": IS_SHOWN},
            join_interval("low", "high", "interval"),
            look_up_series("title", "subphase"),
        ],
        "layer": [draw_bars(series), draw_dots(series, rows, unit, zoom)],
    }
    # Evaluations over laws: where both are, the pointer is to find the evaluation.
    return [draw_laws(fits, series, unit), points, draw_collapses(rows, fits, series, unit)]


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
            look_up_series("title", "subphase", "note"),
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


def draw_dots(series: Sequence[Series], rows: pd.DataFrame, unit: ComputeUnit, zoom: str) -> Spec:
    """The evaluations, and what they tell; they can be moved and zoomed by the name `zoom`."""
    seeds = [make_tip("seed", "Seed")] if rows["seed"].nunique() > 1 else []
    return {
        "params": [make_zoom(zoom)],
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
