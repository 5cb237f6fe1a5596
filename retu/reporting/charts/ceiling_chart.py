"""Figure 8: highest ceiling of every SFT data set against its minimum validation loss."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from retu.core.markdown import format_number
from retu.reporting import style
from retu.reporting.aggregate import build_dataset_ceilings
from retu.reporting.charts.page_chart import (
    ChartText,
    PageChart,
    Spec,
    finish_chart,
    make_chart_name,
)
from retu.reporting.charts.series import DARK_COLOURS, SHAPES
from retu.reporting.charts.spec_parts import make_axis, make_tip, make_zoom, set_single_size
from retu.reporting.figure_selection import correlate_measures
from retu.reporting.tidy_files import SUBPHASES

HEIGHT = 320  # pixels
ROOM = 0.14  # of the range of losses, on both sides
CAPTION = (
    "A marker is the highest ceiling A_post of an SFT data set, in the look of the sub-phase in"
    " which that branch starts RL; open ones are not identified by the data, bars are 90%"
    " intervals. A dash is the best score observed. The broken line is the least-squares trend."
)


def draw_ceiling_chart(
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    order: Sequence[str],
    model: str,
    static: str = "",
) -> PageChart | None:
    """The chart of one model, or None if no data set of it has a ceiling and a loss.

    Args:
        fits: fits.csv; subphases: subphases.csv; order: SFT data sets.
        model: whose rows to take.
        static: data URI of the figure for paper; drawn from the chart if empty.
    """
    made = build_dataset_ceilings(fits, subphases, order, model)
    ceilings = made.dropna(subset=["a_post", "min_val_loss"])
    if ceilings.empty:
        return None
    found = correlate_measures(ceilings)["a_post"]
    told = (
        f" Pearson r = {format_number(found.pearson, 2)}, 95% interval"
        f" {format_number(found.low, 2)} to {format_number(found.high, 2)}, over"
        f" {found.n} data sets."
    )
    text = ChartText(
        make_chart_name("ceilings", model),
        f"{model}: highest ceiling against minimum validation loss",
        CAPTION + ("" if found.note else told),
        f"Highest ceilings of {len(ceilings)} SFT data sets of {model} against their minimum"
        " validation loss.",
    )
    return finish_chart(text, make_ceiling_spec(ceilings), static)


def make_ceiling_spec(ceilings: pd.DataFrame) -> Spec:
    """The specification of rows of `build_dataset_ceilings`."""
    rows = [describe_ceiling_row(row) for row in ceilings.to_dict("records")]
    present = [name for name in SUBPHASES if name in set(ceilings["subphase"])]
    looks = [style.get_subphase_look(name) for name in present]
    losses = ceilings["min_val_loss"]
    room = ROOM * float(np.ptp(losses)) or 0.05 * float(losses.max())
    x = make_axis(
        "x",
        "Minimum validation loss (nats per token)",
        (round(float(losses.min()) - room, 4), round(float(losses.max()) + 2 * room, 4)),
    )
    keys = [
        {"b": name, "group": "", "label": f"RL from {name}", "title": name, "colour": look.colour}
        | {"path": SHAPES[look.marker]}
        for name, look in zip(present, looks, strict=True)
    ]
    scale = {"domain": present, "range": [look.colour for look in looks]}
    colour = {"field": "subphase", "type": "nominal", "scale": scale, "legend": None}
    shapes = {"domain": present, "range": [SHAPES[look.marker] for look in looks]}
    return {
        **set_single_size(HEIGHT),
        "usermeta": {"series": keys, "dark": DARK_COLOURS},
        "data": {"values": rows},
        "encoding": {"x": x, "y": make_axis("y", "Highest ceiling A_post (%)")},
        "layer": [
            *draw_trend_line(ceilings),
            *draw_ceiling_marks(colour, colour | {"scale": shapes}),
        ],
    }


def describe_ceiling_row(row: dict[Any, Any]) -> dict[str, Any]:
    """A data set as the chart needs it; an interval that is not known is left out."""
    low, high = float(row["a_post_low"]), float(row["a_post_high"])
    bounds: dict[str, Any] = {"interval": "not known"}
    if math.isfinite(low) and math.isfinite(high):
        words = f"{format_number(low)} to {format_number(high)}"
        bounds = {"low": round(low, 2), "high": round(high, 2), "interval": words}
    return bounds | {
        "x": round(float(row["min_val_loss"]), 4),
        "y": round(float(row["a_post"]), 2),
        "best": round(float(row["best_score"]), 2),
        "dataset": row["dataset"],
        "start": f"step {row['sft_step']}",
        "subphase": row["subphase"],
        "identified": "yes" if row["identified"] else "no",
        "seeds": int(row["n_seeds"]),
    }


def draw_ceiling_marks(colour: Spec, shape: Spec) -> list[Spec]:
    """Intervals, best scores, markers and names."""
    tips = [
        make_tip("dataset", "SFT data set"),
        make_tip("y", "Highest ceiling (%)", ".1f"),
        make_tip("interval", "90% interval (%)"),
        make_tip("identified", "Identified"),
        make_tip("best", "Best observed (%)", ".1f"),
        make_tip("x", "Minimum loss (nats per token)", ".3f"),
        make_tip("start", "RL starts at SFT"),
        make_tip("subphase", "Sub-phase"),
        make_tip("seeds", "Seeds", "d"),
    ]
    low: Spec = {"field": "low", "type": "quantitative"}
    best: Spec = {"field": "best", "type": "quantitative"}
    filled = {"condition": {"test": "datum.identified === 'yes'", "value": 0.95}, "value": 0}
    return [
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 1.6, "clip": True, "aria": False},
            "encoding": {"y": low, "y2": {"field": "high"}, "color": colour},
        },
        {
            "mark": {"type": "tick", "thickness": 2, "width": 16, "clip": True, "aria": False}
            | {"color": style.INK, "orient": "horizontal"},
            "encoding": {"y": best, "tooltip": tips},
        },
        {
            "params": [make_zoom()],
            "mark": {"type": "point", "size": 110, "strokeWidth": 2, "clip": True, "aria": False},
            "encoding": {
                "color": colour,
                "fill": colour | {"legend": None},
                "fillOpacity": filled,
                "shape": shape,
                "tooltip": tips,
            },
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 11, "fontSize": 11, "clip": True}
            | {"color": style.INK, "aria": False},
            "encoding": {"text": {"field": "dataset"}},
        },
    ]


def draw_trend_line(ceilings: pd.DataFrame) -> list[Spec]:
    """The least-squares line, where a correlation is defined."""
    if correlate_measures(ceilings)["a_post"].note:
        return []
    slope, offset = np.polyfit(ceilings["min_val_loss"], ceilings["a_post"], 1)
    ends = (float(ceilings["min_val_loss"].min()), float(ceilings["min_val_loss"].max()))
    rows = [{"x": round(x, 4), "y": round(float(slope * x + offset), 2)} for x in ends]
    mark = {"type": "line", "strokeDash": [5, 4], "strokeWidth": 1.2, "clip": True, "aria": False}
    return [{"data": {"values": rows}, "mark": mark | {"color": style.GREY}}]
