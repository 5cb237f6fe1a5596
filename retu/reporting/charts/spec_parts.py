"""Parts that several specifications share: numbers, scales of branches, tooltips, zoom."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from retu.evaluation.intervals import compute_wilson_interval
from retu.reporting.charts.page_chart import Spec
from retu.reporting.charts.series import DARK_COLOURS, SHAPES, Series

SCORE_LEVEL = 0.95
"""Of the intervals of single scores; ceilings have 90 percent."""
SCORE_DIGITS, COMPUTE_DIGITS = 2, 4
MOST_COLUMNS = 3
"""Panels side by side on a wide page."""
LAW_SHARES = np.unique(np.concatenate([np.geomspace(1e-3, 1, 16), np.linspace(0, 1, 33)[1:]]))
"""Where a law is drawn, as shares of its run: a smooth line of few points."""
SWITCHES: list[Spec] = [{"name": "hidden", "value": []}, {"name": "focus", "value": -1}]
"""What the page's script sets: branches that are switched off, and the one that is pointed at."""
IS_SHOWN = "indexof(hidden, datum.b) < 0"
IN_FOCUS = "focus < 0 || focus === datum.b"
FADE: Spec = {"condition": {"test": IN_FOCUS, "value": 1}, "value": 0.15}
FADE_DOTS: Spec = {
    "condition": [
        {"test": "focus === datum.b", "value": 1},
        {"test": "focus < 0", "value": 0.5},
    ],
    "value": 0.08,
}
"""Noisy points stay behind the laws, but for the branch that is pointed at."""


def round_digits(values: Iterable[float], digits: int) -> list[float | None]:
    """Numbers with fixed decimals; what is no number becomes null."""
    return [round(float(v), digits) if math.isfinite(v) else None for v in values]


def round_significant(values: Iterable[float], digits: int) -> list[float | None]:
    """Numbers with so many significant digits; what is no number becomes null."""
    return [float(f"{float(v):.{digits}g}") if math.isfinite(v) else None for v in values]


def bound_scores(
    scores: Sequence[float], counts: Sequence[int]
) -> tuple[list[float | None], list[float | None]]:
    """Lower and upper ends of the 95% intervals of scores, percent.

    Wilson's, with problems as the independent units, as `retu/scaling/sampling_noise.py` has it.

    Args:
        scores: percent; counts: problems of each.
    """
    ends = [
        compute_wilson_interval(float(score) / 100, int(count), SCORE_LEVEL)
        for score, count in zip(scores, counts, strict=True)
    ]
    low, high = ([100 * pair[place] for pair in ends] for place in (0, 1))
    return round_digits(low, 1), round_digits(high, 1)


def encode_branches(series: Sequence[Series], *channels: str) -> Spec:
    """Encodings of the field `b` by the looks of the series: of color, strokeDash, shape."""
    places = list(range(len(series)))
    ranges: dict[str, list[Any]] = {
        "color": [one.colour for one in series],
        "strokeDash": [list(one.dash) or [1, 0] for one in series],
        "shape": [SHAPES[one.marker] for one in series],
    }
    return {
        channel: {
            "field": "b",
            "type": "nominal",
            "scale": {"domain": places, "range": ranges[channel]},
            "legend": None,
        }
        for channel in channels
    }


def look_up_series(*fields: str) -> Spec:
    """A transform that adds facts of the series to rows with `b`; see `make_frame`."""
    return {"lookup": "b", "from": {"data": {"name": "series"}, "key": "b", "fields": list(fields)}}


def make_frame(series: Sequence[Series]) -> Spec:
    """What every specification of branches has: switches, and the series for tooltips and keys."""
    rows = [one.describe(place) for place, one in enumerate(series)]
    told = [{key: row[key] for key in ("b", "title", "subphase", "note")} for row in rows]
    return {
        "params": SWITCHES,
        "datasets": {"series": told},
        "usermeta": {"series": rows, "dark": DARK_COLOURS, "columns": MOST_COLUMNS},
    }


def make_zoom(name: str = "zoom") -> Spec:
    """A parameter of a view that lets it be moved and zoomed; names differ within a chart."""
    # A page must go on scrolling over a figure: the wheel alone is the page's.
    select = {"type": "interval", "zoom": "wheel![event.ctrlKey || event.metaKey]"}
    return {"name": name, "bind": "scales", "select": select}


def set_single_size(height: int) -> Spec:
    """The size of a chart of one view: as wide as the page, so many pixels high."""
    fit = {"type": "fit", "contains": "padding"}
    return {"width": "container", "height": height, "autosize": fit}


def add_room(values: Iterable[float | None], share: float = 0.04) -> tuple[float, float]:
    """The range of the numbers among values, with a share of it on both sides."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = share * (high - low) or share * (abs(high) or 1.0)
    return low - room, high + room


def make_tip(field: str, title: str, form: str = "") -> Spec:
    """A line of a tooltip."""
    kind = "quantitative" if form else "nominal"
    return {"field": field, "title": title, "type": kind} | ({"format": form} if form else {})


def join_interval(low: str, high: str, name: str) -> Spec:
    """A transform that writes an interval of two fields, percent, as text."""
    text = f"format(datum.{low}, '.1f') + ' to ' + format(datum.{high}, '.1f')"
    return {"calculate": text, "as": name}


def make_axis(field: str, title: str, domain: Sequence[float] | None = None, **more: Any) -> Spec:
    """A quantitative position; a domain is kept whatever is switched off."""
    scale: Spec = {"zero": False}
    if domain is not None:
        scale = {"domain": round_significant(domain, 6), "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, **more}
