"""A figure of a page: its specification, and its picture where scripts are off or on paper."""

import copy
import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import vl_convert

from retu.reporting.style import INK

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
"""The name of the format; nobody asks for it over the network."""
Spec = dict[str, Any]
STATIC_WIDTH, PANEL_WIDTH = 720, 250  # pixels, of a whole picture and of one of its panels
PANEL_COLUMNS = 2
STATIC_CONFIG: Spec = {
    "background": "#ffffff",
    "font": "DejaVu Sans, sans-serif",
    "axis": {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal"},
    "legend": {"orient": "bottom", "columns": 4, "titleFontWeight": "normal"},
    "title": {"anchor": "start", "frame": "group", "fontSize": 12},
    "view": {"stroke": None},
}
LEGEND = {"labelLimit": 240, "symbolLimit": 0}


@dataclass(frozen=True)
class PageChart:
    """A figure of a page.

    Attributes:
        name: its id in the page, small letters, digits and underscores.
        title: its heading; caption: what is seen, and what bands and bars are.
        spec: Vega-Lite as JSON, keys sorted, data inside; safe within a script element.
        static: data URI of an SVG that shows the same.
        alt: what the figure shows, for those who cannot see it.
    """

    name: str
    title: str
    caption: str
    spec: str
    static: str
    alt: str


@dataclass(frozen=True)
class ChartText:
    """The words of a figure, as in `PageChart`."""

    name: str
    title: str
    caption: str
    alt: str


def finish_chart(
    text: ChartText, spec: Spec, static: str = "", drawn: Spec | None = None
) -> PageChart:
    """The chart of a specification.

    Args:
        text: its words.
        spec: Vega-Lite, without the description.
        static: data URI of its picture; drawn from the specification if empty.
        drawn: parts of the specification that are others in that picture.

    Raises:
        ValueError: the name is none for a page, or the specification is no Vega-Lite.
    """
    if not re.fullmatch(r"[a-z0-9_]+", text.name):
        raise ValueError(f"{text.name!r}: a chart's name has small letters, digits, underscores")
    whole = {"$schema": SCHEMA, "description": text.alt} | spec
    picture = static or make_data_uri(draw_static(whole if drawn is None else whole | drawn))
    return PageChart(text.name, text.title, text.caption, dump_spec(whole), picture, text.alt)


def make_chart_name(*parts: object) -> str:
    """The name of a chart from words: `branches`, `Qwen2.5-7B` -> `branches_qwen2_5_7b`."""
    return re.sub(r"[^a-z0-9]+", "_", "_".join(map(str, parts)).lower()).strip("_")


def dump_spec(spec: Mapping[str, Any]) -> str:
    """Compact JSON that cannot end the script element that it stands in."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def make_data_uri(svg: str) -> str:
    """An SVG as a data URI; as text it is a quarter shorter than in base64."""
    return "data:image/svg+xml," + urllib.parse.quote(svg, safe=" /:=,;()'!*+@")


def draw_static(spec: Spec) -> str:
    """The picture of a specification as SVG text, with the keys that a page shows as buttons."""
    drawn = copy.deepcopy(spec)
    drawn.pop("autosize", None)  # the key below needs room of its own
    for view in drawn.get("concat", [drawn]):
        view["width"] = PANEL_WIDTH if "concat" in drawn else STATIC_WIDTH
    if "concat" in drawn:
        drawn["columns"] = PANEL_COLUMNS
    show_legend(drawn)
    svg = number_ids(vl_convert.vegalite_to_svg(drawn, config=STATIC_CONFIG))
    # A tenth of a pixel is more than a printer shows.
    return re.sub(r' d="[^"]+"', lambda path: re.sub(r"(\.\d)\d+", r"\1", path.group()), svg)


def number_ids(svg: str) -> str:
    """An SVG whose ids are numbered in their order: those of Vega go on from picture to picture."""
    ids = dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))
    numbered = {name: f"part{number}" for number, name in enumerate(ids, 1)}
    return re.sub(
        r'(\bid="|url\(#)([^")]+)', lambda one: one[1] + numbered.get(one[2], one[2]), svg
    )


def show_legend(spec: Spec) -> None:
    """Give the scales that a page's buttons explain a key in the picture, with their names."""
    names = {str(one["b"]): one["title"] for one in spec.get("usermeta", {}).get("series", [])}
    for view in walk_views(spec):
        for channel in ("color", "strokeDash", "shape"):
            encoded = view.get("encoding", {}).get(channel, {})
            if encoded.get("legend", "") is None:
                label = (
                    f"{json.dumps(names)}[datum.value]"
                    if encoded["field"] == "b"
                    else "datum.label"
                )
                encoded["legend"] = {"title": None, "labelExpr": label} | LEGEND


def walk_views(spec: Spec) -> list[Spec]:
    """The specification and all views inside it."""
    inside = [*spec.get("layer", []), *spec.get("concat", [])]
    return [spec, *(view for one in inside for view in walk_views(one))]
