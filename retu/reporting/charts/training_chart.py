"""What training logged of every RL branch of a model, over RL steps: reward, entropy, length ..."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from retu.core.arrays import FloatArray
from retu.reporting.charts.curve_layers import select_branch
from retu.reporting.charts.page_chart import (
    ChartText,
    PageChart,
    Spec,
    finish_chart,
    make_chart_name,
)
from retu.reporting.charts.series import Series, list_series
from retu.reporting.charts.spec_parts import (
    FADE,
    IS_SHOWN,
    add_room,
    encode_branches,
    look_up_series,
    make_axis,
    make_frame,
    make_tip,
    make_zoom,
    round_significant,
)
from retu.reporting.collapse_histories import QUANTITIES, BranchKey, select_quantities
from retu.reporting.drawing import select_rows

HEIGHT = 150  # pixels, of a panel
MOST_STEPS, MOST_DRAWN = 80, 30
"""Points of a line, on the page and in its picture: of more steps, so many means of neighbours."""
DIGITS = 4
LOSS = "loss"
TITLES = {
    "reward": "Reward",
    "entropy": "Entropy (nats per token)",
    "length": "Answer length (tokens)",
    "clipped": "Clipped tokens (share)",
    "cut": "Answers cut at the limit (share)",
    "gradient": "Gradient norm",
    LOSS: "Loss",
}
CAPTION = (
    "One line a branch; means of neighbouring steps where a run has more than {most}. Point at a"
    " line to see its points and to pick it out everywhere. A button switches its branch off and"
    " on; with Shift it leaves that branch alone. Drag to move, turn the wheel with Ctrl to zoom,"
    " double-click to see all again. A dashed upright line is the first evaluation of a collapse, a"
    " triangle the step at which the quantity left the band of all steps before."
)


@dataclass(frozen=True)
class TrainingTables:
    """What is known of the branches of a study.

    Attributes:
        histories: what training logged, as `read_histories` gives it.
        curves: overall rows of curves.csv; fits: fits.csv; subphases: subphases.csv.
        collapses: collapses.csv; may be empty.
    """

    histories: Mapping[BranchKey, pd.DataFrame]
    curves: pd.DataFrame
    fits: pd.DataFrame
    subphases: pd.DataFrame
    collapses: pd.DataFrame


def draw_training_chart(
    tables: TrainingTables, model: str, order: Sequence[str] = ()
) -> PageChart | None:
    """The chart of one model, or None if nothing was logged of its branches.

    Args:
        tables: of all models.
        model: whose rows to take.
        order: SFT data sets.
    """
    found = (tables.curves, tables.fits, tables.subphases, tables.collapses)
    curves, fits, subphases, collapses = (select_rows(rows, model=model) for rows in found)
    series = list_series(curves, fits, subphases, order)
    lines = list_lines(tables.histories, series, curves)
    shown = [name for name in TITLES if any(name in line for line in lines)]
    if not shown:
        return None
    marks = list_marks(collapses, series)
    several = len({line["seed"] for line in lines}) > 1
    panels = [draw_quantity(name, series, marks, lines, several) for name in shown]
    text = ChartText(
        make_chart_name("training", model),
        f"{model}: what RL training logged",
        CAPTION.format(most=MOST_STEPS),
        f"{', '.join(TITLES[name].lower() for name in shown)} against RL step for"
        f" {len({line['b'] for line in lines})} RL branches of {model}.",
    )
    frame = make_frame(series)
    spec = frame | {"data": {"name": "lines"}, "columns": 2, "concat": panels}
    told, drawn = frame["datasets"], list_lines(tables.histories, series, curves, MOST_DRAWN)
    return finish_chart(
        text,
        spec | {"datasets": told | {"lines": lines}},
        drawn={"datasets": told | {"lines": drawn}},
    )


def list_lines(
    histories: Mapping[BranchKey, pd.DataFrame],
    series: Sequence[Series],
    curves: pd.DataFrame,
    most: int = MOST_STEPS,
) -> list[dict[str, Any]]:
    """A row a branch and seed: `t`, at most so many RL steps, and what was logged, as lists."""
    lines = []
    for place, one in enumerate(series):
        model, dataset, step, _, recipe = one.key
        for seed in sorted(select_branch(curves, one)["seed"].unique()):
            history = histories.get((model, dataset, step, recipe, int(seed)))
            if history is not None:
                line = {"b": place, "seed": str(seed)}
                lines.append(line | thin_history(gather_quantities(history), most))
    return lines


def gather_quantities(history: pd.DataFrame) -> pd.DataFrame:
    """The quantities of `TITLES` that a history has, by RL step."""
    logged = select_quantities(history)
    if LOSS in history:
        loss = pd.to_numeric(history[LOSS], errors="coerce").replace([np.inf, -np.inf], np.nan)
        logged[LOSS] = loss.set_axis(history["step"].astype(int))
    return logged


def thin_history(logged: pd.DataFrame, most: int) -> dict[str, list[float | None]]:
    """At most so many means of neighbouring steps, each at the last of its steps."""
    size = max(1, -(-len(logged) // most))
    groups = np.arange(len(logged)) // size
    means = logged.groupby(groups).mean()
    steps: FloatArray = pd.Series(logged.index, dtype=float).groupby(groups).max().to_numpy()
    return {"t": round_significant(steps, 9)} | {
        str(name): round_significant(means[name], DIGITS) for name in means
    }


def list_marks(collapses: pd.DataFrame, series: Sequence[Series]) -> list[dict[str, Any]]:
    """A row a collapsed run: the step of its collapse, and of the move of every quantity."""
    marks = []
    for place, one in enumerate(series):
        for row in select_branch(collapses, one).to_dict("records"):
            moves = {made.name: row[f"{made.name}_moved_step"] for made in QUANTITIES}
            known = {name: int(step) for name, step in moves.items() if pd.notna(step)}
            facts = {"b": place, "seed": str(row["seed"]), "t": int(row["collapse_step"])}
            marks.append(facts | {f"moved_{name}": step for name, step in known.items()})
    return marks


def draw_quantity(
    name: str,
    series: Sequence[Series],
    marks: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    several: bool,
) -> Spec:
    """The panel of one quantity of `list_lines`; `several`: there is more than one seed."""
    seed = [make_tip("seed", "Seed")] if several else []
    steps, values = ([v for row in rows for v in row.get(key, [])] for key in ("t", name))
    axes = {
        "x": make_axis("t", "RL step", add_room(steps)),
        "y": make_axis("v", "", add_room(values)) | {"title": None},
    }
    lines: Spec = {
        "transform": [
            # Not every branch logs every quantity.
            {"filter": f"isValid(datum['{name}'])"},
            {"flatten": ["t", name], "as": ["t", "v"]},
            {"filter": f"{IS_SHOWN} && isValid(datum.v)"},
            look_up_series("title", "subphase"),
        ],
        "encoding": axes,
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 1.3, "clip": True, "aria": False},
                "encoding": {
                    **encode_branches(series, "color", "strokeDash"),
                    "detail": {"field": "seed"},
                    "opacity": FADE,
                    "tooltip": [make_tip("title", "Branch"), *seed],
                },
            },
            draw_step_dots(name, series, seed),
        ],
    }
    layers = [lines, *draw_collapse_marks(name, series, marks)]
    return {"title": TITLES[name], "height": HEIGHT, "layer": layers}


def draw_step_dots(name: str, series: Sequence[Series], seed: Sequence[Spec]) -> Spec:
    """The points of the branch that is pointed at: of all branches they would be too many."""
    return {
        "params": [make_zoom(f"zoom_{name}")],
        "transform": [{"filter": "focus === datum.b"}],
        "mark": {"type": "point", "filled": True, "size": 40, "clip": True, "aria": False},
        "encoding": {
            **encode_branches(series, "color"),
            "tooltip": [
                make_tip("title", "Branch"),
                make_tip("t", "RL step", "d"),
                make_tip("v", TITLES[name], f".{DIGITS}~g"),
                make_tip("subphase", "RL starts in"),
                *seed,
            ],
        },
    }


def draw_collapse_marks(
    name: str, series: Sequence[Series], marks: Sequence[Mapping[str, Any]]
) -> list[Spec]:
    """Upright lines at collapses, and a triangle at the foot where this quantity moved."""
    if not marks:
        return []
    shared: Spec = {**encode_branches(series, "color"), "opacity": FADE}
    facts = [{"filter": IS_SHOWN}, look_up_series("title")]
    moved = f"moved_{name}"
    line: Spec = {
        "data": {"values": [{key: mark[key] for key in ("b", "seed", "t")} for mark in marks]},
        "transform": facts,
        "mark": {"type": "rule", "strokeDash": [4, 3], "clip": True, "aria": False},
        "encoding": shared
        | {
            "x": {"field": "t", "type": "quantitative"},
            "tooltip": [make_tip("title", "Collapse of"), make_tip("t", "At RL step", "d")],
        },
    }
    moves = [{"b": mark["b"], "t": mark[moved]} for mark in marks if moved in mark]
    triangle: Spec = {
        "data": {"values": moves},
        "transform": facts,
        "mark": {
            "type": "point",
            "shape": "triangle-up",
            "filled": True,
            "size": 60,
            "aria": False,
        },
        "encoding": shared
        | {
            "x": {"field": "t", "type": "quantitative"},
            "y": {"value": HEIGHT - 5},
            "tooltip": [make_tip("title", "Leaves its band:"), make_tip("t", "At RL step", "d")],
        },
    }
    return [line, triangle] if moves else [line]
