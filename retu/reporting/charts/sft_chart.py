"""Validation loss and score of every SFT run of a model, with bands of the sub-phases."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from retu.reporting import style
from retu.reporting.branch_panels import BranchPanel, label_steps, make_panels
from retu.reporting.charts.page_chart import (
    ChartText,
    PageChart,
    Spec,
    finish_chart,
    make_chart_name,
)
from retu.reporting.charts.series import DARK_COLOURS, SHAPES
from retu.reporting.charts.spec_parts import (
    COMPUTE_DIGITS,
    SCORE_DIGITS,
    add_room,
    bound_scores,
    join_interval,
    make_axis,
    make_tip,
    make_zoom,
    round_digits,
    round_significant,
)
from retu.reporting.compute_units import choose_unit
from retu.reporting.drawing import select_rows
from retu.reporting.tidy_files import SUBPHASES

HEIGHT = 150  # pixels, of a panel
LOSS_DIGITS = 4
CAPTION = (
    "One row an SFT data set: its validation loss, and the score of its checkpoints before any RL."
    " Bands are the sub-phases, from one checkpoint's middle to the next; a large marker is a"
    " checkpoint at which RL starts. Point at a marker for its numbers: bars are 95% intervals of"
    " a score."
)


def draw_sft_chart(
    curves: pd.DataFrame, subphases: pd.DataFrame, model: str, order: Sequence[str] = ()
) -> PageChart | None:
    """The chart of one model, or None if no SFT checkpoint of it is labelled.

    Args:
        curves: overall rows of curves.csv; subphases: subphases.csv.
        model: whose rows to take.
        order: SFT data sets.
    """
    own, labels = select_rows(curves, model=model), select_rows(subphases, model=model)
    no_fits = pd.DataFrame(columns=["model", "dataset", "paradigm"])
    panels = [one for one in make_panels(own, no_fits, labels, order) if len(one.subphases)]
    if not panels:
        return None
    present = [name for name in SUBPHASES if name in set(labels["subphase"])]
    views = [
        view
        for place, panel in enumerate(panels)
        for view in (draw_losses(panel, present, place), draw_scores(panel, present, place))
    ]
    text = ChartText(
        make_chart_name("sft", model),
        f"{model}: validation loss and score over SFT",
        CAPTION,
        f"Validation loss and score against SFT step for {len(panels)} SFT data sets of {model},"
        " with bands of the sub-phases.",
    )
    keys = [describe_subphase(name) for name in present]
    meta = {"series": keys, "dark": DARK_COLOURS, "columns": 2}
    return finish_chart(text, {"usermeta": meta, "columns": 2, "concat": views})


def describe_subphase(name: str) -> dict[str, Any]:
    """A sub-phase as a key of the page."""
    look = style.get_subphase_look(name)
    facts = {"colour": look.colour, "path": SHAPES[look.marker], "group": ""}
    return facts | {"b": name, "label": name, "title": name}


def encode_subphases(present: Sequence[str]) -> Spec:
    """The colour of the field `subphase`."""
    colours = [style.get_subphase_look(name).colour for name in present]
    scale = {"domain": list(present), "range": colours}
    return {"field": "subphase", "type": "nominal", "scale": scale, "legend": None}


def encode_shapes(present: Sequence[str]) -> Spec:
    """The marker of the field `subphase`."""
    shapes = [SHAPES[style.get_subphase_look(name).marker] for name in present]
    return encode_subphases(present) | {"scale": {"domain": list(present), "range": shapes}}


def list_bands(panel: BranchPanel) -> list[dict[str, Any]]:
    """Stretches of SFT steps of one sub-phase: `start`, `end`, `subphase`."""
    labels = label_steps(panel)
    steps = sorted(labels)
    bands: list[dict[str, Any]] = []
    for place, step in enumerate(steps):
        start = (steps[place - 1] + step) / 2 if place else step
        end = (step + steps[place + 1]) / 2 if place + 1 < len(steps) else step
        if bands and bands[-1]["subphase"] == labels[step]:
            bands[-1]["end"] = end
        else:
            bands.append({"start": start, "end": end, "subphase": labels[step]})
    return bands


def draw_bands(panel: BranchPanel, present: Sequence[str]) -> Spec:
    """The bands behind a panel."""
    return {
        "data": {"values": list_bands(panel)},
        "mark": {"type": "rect", "opacity": 0.22, "clip": True, "aria": False},
        "encoding": {
            "x": {"field": "start", "type": "quantitative"},
            "x2": {"field": "end"},
            "color": encode_subphases(present),
            "tooltip": [
                make_tip("subphase", "Sub-phase"),
                make_tip("start", "From SFT step", "d"),
                make_tip("end", "To SFT step", "d"),
            ],
        },
    }


def list_checkpoints(panel: BranchPanel) -> list[dict[str, Any]]:
    """The labelled checkpoints: loss, ratio to the lowest, sub-phase, and whether RL starts."""
    rows = panel.subphases.sort_values(["seed", "sft_step"], kind="stable")
    return [
        {
            "step": int(row["sft_step"]),
            "seed": str(row["seed"]),
            "y": round(float(row["val_loss"]), LOSS_DIGITS),
            "ratio": round(float(row["ratio"]), 3),
            "subphase": row["subphase"],
            "size": 70 if row["branch"] else 22,
            "starts": "yes" if row["branch"] else "no",
        }
        for row in rows.to_dict("records")
    ]


def draw_markers(present: Sequence[str], zoom: str, tips: Sequence[Spec], seeds: bool) -> Spec:
    """Checkpoints in the colour and with the marker of their sub-phase, and what they tell."""
    seed = [make_tip("seed", "Seed")] if seeds else []
    return {
        "params": [make_zoom(zoom)],
        "mark": {"type": "point", "filled": True, "clip": True, "opacity": 1, "aria": False},
        "encoding": {
            "color": encode_subphases(present),
            "shape": encode_shapes(present),
            "size": {"field": "size", "type": "quantitative", "scale": None, "legend": None},
            "tooltip": [make_tip("step", "SFT step", "d"), *tips, *seed],
        },
    }


LINE: Spec = {
    "mark": {"type": "line", "color": style.GREY, "strokeWidth": 1.2, "clip": True, "aria": False},
    "encoding": {"detail": {"field": "seed"}},
}


def draw_losses(panel: BranchPanel, present: Sequence[str], place: int) -> Spec:
    """The panel of the validation loss."""
    tips = [
        make_tip("y", "Validation loss (nats per token)", f".{LOSS_DIGITS}f"),
        make_tip("ratio", "Ratio to the lowest", ".3f"),
        make_tip("subphase", "Sub-phase"),
        make_tip("starts", "RL starts here"),
    ]
    several = panel.subphases["seed"].nunique() > 1
    rows = list_checkpoints(panel)
    run = {
        "data": {"values": rows},
        "encoding": encode_places(rows),
        "layer": [LINE, draw_markers(present, f"loss{place}", tips, several)],
    }
    return draw_panel(panel, present, "validation loss (nats per token)", run)


def draw_panel(panel: BranchPanel, present: Sequence[str], title: str, run: Spec) -> Spec:
    """The panel of what an SFT run has, over the bands of its sub-phases."""
    return {
        "title": f"{panel.name}: {title}",
        "height": HEIGHT,
        "layer": [draw_bands(panel, present), run],
    }


def encode_places(rows: Sequence[dict[str, Any]]) -> Spec:
    """SFT step and value of rows with `step`, `y` and, where known, `low` and `high`."""
    values = [row.get(name) for row in rows for name in ("y", "low", "high")]
    x = make_axis("step", "SFT step", add_room(row["step"] for row in rows))
    return {"x": x, "y": make_axis("y", "", add_room(values)) | {"title": None}}


def list_scores(panel: BranchPanel) -> list[dict[str, Any]]:
    """The scores of the SFT run, with the sub-phases of its checkpoints where they are known."""
    keys = ["seed", "sft_step"]
    known = panel.subphases[[*keys, "subphase", "branch"]]
    rows = panel.sft.merge(known, on=keys, how="left").sort_values(keys, kind="stable")
    rows = rows.fillna({"subphase": "", "branch": False})
    low, high = bound_scores(rows["score"].tolist(), rows["n_problems"].astype(int).tolist())
    unit = choose_unit(rows["x_sft_eflops"])
    x = round_significant(rows["x_sft_eflops"] * unit.per_eflop, COMPUTE_DIGITS)
    y = round_digits(rows["score"], SCORE_DIGITS)
    return [
        {
            "step": int(row["sft_step"]),
            "seed": str(row["seed"]),
            "y": y[place],
            "low": low[place],
            "high": high[place],
            "n": int(row["n_problems"]),
            "compute": f"{x[place]:g} {unit.name}",
            "subphase": row["subphase"],
            "size": 70 if row["branch"] else 22,
        }
        for place, row in enumerate(rows.to_dict("records"))
    ]


def draw_scores(panel: BranchPanel, present: Sequence[str], place: int) -> Spec:
    """The panel of the score."""
    tips = [
        make_tip("y", "Score (%)", ".1f"),
        make_tip("interval", "95% interval (%)"),
        make_tip("compute", "SFT compute"),
        make_tip("n", "Problems", ",d"),
        make_tip("subphase", "Sub-phase"),
    ]
    bars: Spec = {
        "mark": {"type": "rule", "color": style.GREY, "opacity": 0.7, "clip": True, "aria": False},
        "encoding": {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
    }
    several = panel.sft["seed"].nunique() > 1
    rows = list_scores(panel)
    run = {
        "data": {"values": rows},
        "transform": [join_interval("low", "high", "interval")],
        "encoding": encode_places(rows),
        "layer": [LINE, bars, draw_markers(present, f"score{place}", tips, several)],
    }
    return draw_panel(panel, present, "score before RL (%)", run)
