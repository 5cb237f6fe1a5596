#!/usr/bin/env bash
# Vega-Lite 6.4 (vl-convert 1.9.0): the error bar "ci" differs each time that one chart of one table is drawn, and has no length for one replicate.
#
# Error bars over replicates are what these charts are for, and equal input is expected to give equal bytes.
# Guess before the run: the bootstrap behind "ci" has a fixed seed, and a group of one value gets no bar.
# Seen: its draws have no fixed seed: of ten images of four replicates at least two differ. A group of one value has
# the interval from itself to itself, as if it were known exactly; "stderr" of the same data draws no bar for it and the same bytes each time.
# Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check vl-convert-python==1.9.0.post1
"$folder/venv/bin/python" - <<'PY'
import re

import vl_convert

rows = [{"run": "four", "score": score} for score in (31.2, 33.9, 30.1, 38.4)] + [{"run": "one", "score": 35.0}]


def draw(extent):
    x, y = {"field": "run", "type": "nominal"}, {"field": "score", "type": "quantitative"}
    mark = {"type": "errorbar", "extent": extent}
    return vl_convert.vegalite_to_svg({"data": {"values": rows}, "mark": mark, "encoding": {"x": x, "y": y}}, vl_version="6.4")


def find_bars(image):
    """The ends of every bar, by run."""
    bars = re.findall(r'"run: (\w+); score: ([\d.]+); upper_score: ([\d.]+)', image)
    return {run: (float(low), float(high)) for run, low, high in bars}


images = {extent: {draw(extent) for _ in range(10)} for extent in ("ci", "stderr")}
for extent, drawn in images.items():
    print(f"{extent}: {len(drawn)} different images of 10, bars", *map(find_bars, sorted(drawn)[:3]))
pointlike = {find_bars(image).get("one") for image in images["ci"]} == {(35.0, 35.0)}
(steady,) = images["stderr"] if len(images["stderr"]) == 1 else ("",)
raise SystemExit(0 if len(images["ci"]) > 1 and pointlike and {*find_bars(steady)} == {"four"} else 1)
PY
