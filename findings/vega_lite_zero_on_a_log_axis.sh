#!/usr/bin/env bash
# Vega-Lite 6.4 (vl-convert 1.9.0): one point at x = 0 on a logarithmic axis moves all other points to the left edge and removes the ticks.
#
# x = 0, the model before training, begins most curves over steps or compute, and those are drawn over a logarithmic axis.
# Guess before the run: a point that has no place on the axis is left out, as null is, and the others stay.
# Seen: the domain begins at 0, so that every x is at 0 pixels and no tick has a place; the image is made without an error. Without the point,
# or with a domain that begins above 0, the others are where they belong. Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check vl-convert-python==1.9.0.post1
"$folder/venv/bin/python" - <<'PY'
import re

import vl_convert

points = [{"step": 0, "score": 20}, {"step": 10, "score": 30}, {"step": 100, "score": 40}, {"step": 1000, "score": 50}]


def find_places(points, scale):
    """Pixels from the left of every point, and how many numbers the x axis shows."""
    x = {"field": "step", "type": "quantitative", "scale": scale}
    y = {"field": "score", "type": "quantitative", "axis": None}
    spec = {"data": {"values": points}, "width": 200, "mark": "point", "encoding": {"x": x, "y": y}}
    image = vl_convert.vegalite_to_svg(spec, vl_version="6.4")
    places = re.findall(r'"step: [^>]*?transform="translate\(([^,]*),', image)
    return [round(float(place)) for place in places], len(re.findall(r">[0-9,]+</text>", image))


for name, rows, scale in [
    ("with x = 0", points, {"type": "log"}),
    ("without", points[1:], {"type": "log"}),
    ("with, domain from 1", points, {"type": "log", "domainMin": 1}),
]:
    places, numbers = find_places(rows, scale)
    print(f"{name}: points at {places} of 200 pixels, {numbers} numbers at the axis")
lost, numbers = find_places(points, {"type": "log"})
kept, _ = find_places(points[1:], {"type": "log"})
raise SystemExit(0 if (lost, numbers, kept) == ([0, 0, 0, 0], 0, [0, 100, 200]) else 1)
PY
