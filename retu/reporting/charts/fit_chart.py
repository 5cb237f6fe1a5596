"""Curves of one's own with their fitted laws, bands and forecasts: the figure of `retu fit`."""

import itertools
from collections.abc import Sequence
from typing import Any

import pandas as pd

from retu.core.markdown import format_number
from retu.logs.log_choice import name_unit
from retu.reporting import style
from retu.reporting.charts.page_chart import ChartText, PageChart, Spec, finish_chart
from retu.reporting.charts.series import DASHES, Series
from retu.reporting.charts.spec_parts import (
    COMPUTE_DIGITS,
    FADE,
    FADE_DOTS,
    IS_SHOWN,
    SCORE_DIGITS,
    encode_branches,
    join_interval,
    look_up_series,
    make_axis,
    make_frame,
    make_tip,
    make_zoom,
    round_digits,
    round_significant,
    set_single_size,
)
from retu.reporting.curve_text import name_end_column
from retu.reporting.drawing import compute_score_limits
from retu.reporting.terminal import shorten_name
from retu.reporting.tidy_files import IDENTIFIED
from retu.scaling.fitting.logged_fits import LoggedFits

HEIGHT = 400  # pixels
MOST_CURVES = 40
"""More cannot be told apart; tables and files have all."""
LONGEST_LABEL = 28
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#6f5b00", style.INK)
MARKERS = ("o", "s", "^", "D", "v", "P", ">")
CAPTION = (
    "A point is a measured score, a line the fitted law: solid as far as it is fitted, broken"
    " beyond. Point at a curve to see its 90% band and its numbers. A button switches a curve off"
    " and on; with Shift it leaves that curve alone. Drag to move, turn the wheel with Ctrl to"
    " zoom, double-click to see all again."
)


def draw_fit_chart(fits: LoggedFits, static: str = "") -> PageChart:
    """The chart of all curves, or of the first `MOST_CURVES`.

    Args:
        fits: what `retu fit` found.
        static: data URI of the figure for paper; drawn from the chart if empty.
    """
    table = fits.table.head(MOST_CURVES)
    series = list_curves(table)
    points = fits.points[fits.points["curve"].isin(table["curve"])]
    rest = len(fits.table) - len(table)
    more = f" The first {len(table)} of {len(fits.table)} curves are shown." if rest else ""
    told = " A diamond is the forecast with its 90% interval." if fits.forecast_at else ""
    text = ChartText(
        "fits",
        f"Scores against {name_unit(fits.x_unit)}, with fitted laws",
        CAPTION + told + more,
        f"Measured scores and fitted laws of {len(table)} curves.",
    )
    return finish_chart(text, make_fit_spec(fits, table, points, series), static)


def list_curves(table: pd.DataFrame) -> list[Series]:
    """A series a curve; colour and marker repeat after many, and the dash then differs."""
    looks = itertools.cycle(itertools.product(DASHES, range(len(COLOURS))))
    made = []
    for row, (dash, place) in zip(table.to_dict("records"), looks, strict=False):
        name = str(row["curve"])
        marker = MARKERS[place % len(MARKERS)]
        label = shorten_name(name, LONGEST_LABEL)
        look = COLOURS[place], marker, dash
        made.append(Series((name,), "", label, name, *look, "", describe_limit(row)))
    return made


def describe_limit(row: dict[Any, Any]) -> str:
    """The ceiling of a curve in words."""
    if pd.isna(row["a_post"]):
        return "no fit"
    text = f"{format_number(float(row['a_post']))}%"
    if pd.notna(row["a_post_low"]) and pd.notna(row["a_post_high"]):
        low, high = (
            format_number(float(row["a_post_low"])),
            format_number(float(row["a_post_high"])),
        )
        text += f" (90%: {low} to {high})"
    return text if row["verdict"] == IDENTIFIED else f"{text}, {row['verdict']}"


def make_fit_spec(
    fits: LoggedFits, table: pd.DataFrame, points: pd.DataFrame, series: Sequence[Series]
) -> Spec:
    """The specification of the curves in `table`; `points` are theirs."""
    largest = float(points[fits.x_column].max())
    limits = compute_score_limits(
        points["measured"].dropna().to_numpy(dtype=float), points["score"].to_numpy(dtype=float)
    )
    laws = {
        "data": {"values": list_laws(fits, table, points)},
        "transform": [
            {"flatten": ["x", "y", "low", "high"]},
            {"filter": f"{IS_SHOWN} && isValid(datum.y)"},
            look_up_series("title", "note"),
        ],
        "layer": [draw_band(series), draw_law(series, "solid"), draw_law(series, "beyond")],
    }
    layers = [laws, draw_measured(fits, table, points, series)]
    if fits.forecast_at is not None:
        layers.append(draw_forecasts(fits, table, series))
    x = make_axis("x", name_unit(fits.x_unit), (-0.02 * largest, 1.02 * largest))
    return {
        **make_frame(series),
        **set_single_size(HEIGHT),
        "encoding": {"x": x, "y": make_axis("y", "Score (%)", limits)},
        "layer": layers,
    }


def list_laws(fits: LoggedFits, table: pd.DataFrame, points: pd.DataFrame) -> list[dict[str, Any]]:
    """Two rows a curve, up to the end of what is fitted and from there on, places as lists."""
    rows: list[dict[str, Any]] = []
    ends = table[name_end_column(fits.x_unit)].tolist()
    traces = dict(iter(points.groupby("curve", sort=False)))
    for place, (curve, end) in enumerate(zip(table["curve"], ends, strict=True)):
        trace = traces[curve]
        x = trace[fits.x_column]
        for part, shown in (("solid", x <= end), ("beyond", x >= end)):
            own = trace[shown]
            values = {"y": own["score"], "low": own["low"], "high": own["high"]}
            rounded = {name: round_digits(v, SCORE_DIGITS) for name, v in values.items()}
            at = round_significant(own[fits.x_column], COMPUTE_DIGITS + 2)
            rows.append({"b": place, "part": part, "x": at} | rounded)
    return rows


def draw_law(series: Sequence[Series], part: str) -> Spec:
    """The lines of one part: `solid` in the curve's own dash, `beyond` thin and dotted."""
    beyond: Spec = {"strokeDash": [2, 4], "strokeWidth": 1.3}
    channels = ("color",) if part == "beyond" else ("color", "strokeDash")
    mark: Spec = {"type": "line", "strokeWidth": 2, "clip": True, "aria": False}
    return {
        "transform": [{"filter": f"datum.part === '{part}'"}],
        "mark": mark | (beyond if part == "beyond" else {}),
        "encoding": {
            **encode_branches(series, *channels),
            "opacity": FADE,
            "tooltip": [make_tip("title", "Curve"), make_tip("note", "Ceiling")],
        },
    }


def draw_band(series: Sequence[Series]) -> Spec:
    """The 90% band of the curve that is pointed at."""
    return {
        "transform": [{"filter": "focus === datum.b"}],
        "mark": {"type": "area", "opacity": 0.2, "clip": True, "aria": False},
        "encoding": {
            **encode_branches(series, "color"),
            "detail": {"field": "part"},
            "y": {"field": "low", "type": "quantitative"},
            "y2": {"field": "high"},
        },
    }


def draw_measured(
    fits: LoggedFits, table: pd.DataFrame, points: pd.DataFrame, series: Sequence[Series]
) -> Spec:
    """The measured scores, and what they tell."""
    places = {name: place for place, name in enumerate(table["curve"])}
    known = points.dropna(subset=["measured"])
    rows = [
        {
            "b": places[curve],
            "x": round_significant(own[fits.x_column], COMPUTE_DIGITS + 2),
            "y": round_digits(own["measured"], SCORE_DIGITS),
            "fit": round_digits(own["score"], SCORE_DIGITS),
            "low": round_digits(own["low"], 1),
            "high": round_digits(own["high"], 1),
        }
        for curve, own in known.groupby("curve", sort=False)
    ]
    return {
        "data": {"values": rows},
        "transform": [
            {"flatten": ["x", "y", "fit", "low", "high"]},
            {"filter": IS_SHOWN},
            join_interval("low", "high", "interval"),
            look_up_series("title", "note"),
        ],
        "params": [make_zoom()],
        "mark": {"type": "point", "filled": True, "size": 34, "clip": True, "aria": False},
        "encoding": {
            **encode_branches(series, "color", "shape"),
            "opacity": FADE_DOTS,
            "tooltip": [
                make_tip("title", "Curve"),
                make_tip("x", name_unit(fits.x_unit), f".{COMPUTE_DIGITS}~g"),
                make_tip("y", "Measured score (%)", ".1f"),
                make_tip("fit", "Fitted (%)", ".1f"),
                make_tip("interval", "90% band of the fit (%)"),
                make_tip("note", "Ceiling"),
            ],
        },
    }


def draw_forecasts(fits: LoggedFits, table: pd.DataFrame, series: Sequence[Series]) -> Spec:
    """A diamond a curve with its interval, where a forecast is allowed."""
    names = {"y": "forecast_score", "low": "forecast_low", "high": "forecast_high"}
    rows = [
        {"b": place, "x": fits.forecast_at}
        | {name: round(float(row[column]), SCORE_DIGITS) for name, column in names.items()}
        for place, row in enumerate(table.to_dict("records"))
        if pd.notna(row["forecast_score"])
    ]
    colour: Spec = {**encode_branches(series, "color"), "opacity": FADE}
    tips = [
        make_tip("title", "Forecast of"),
        make_tip("y", "Score (%)", ".1f"),
        make_tip("interval", "90% interval (%)"),
    ]
    ends: Spec = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}
    marks: Spec = {"clip": True, "aria": False}
    point = marks | {"type": "point", "shape": "diamond", "filled": True, "size": 80}
    return {
        "data": {"values": rows},
        "transform": [
            {"filter": IS_SHOWN},
            join_interval("low", "high", "interval"),
            look_up_series("title"),
        ],
        "layer": [
            {"mark": marks | {"type": "rule"}, "encoding": colour | ends},
            {"mark": point, "encoding": colour | {"tooltip": tips}},
        ],
    }
