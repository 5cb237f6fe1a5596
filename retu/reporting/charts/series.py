"""The branches of a model as series of a chart: names, groups, and looks that tell them apart."""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from retu.core.markdown import format_number
from retu.core.run_paths import name_checkpoint
from retu.reporting import style
from retu.reporting.aggregate import BRANCH_KEY, average_branches, find_usual_subphase
from retu.reporting.drawing import select_rows
from retu.reporting.paradigm_styles import assign_looks, strip_sft_stage
from retu.reporting.tidy_files import (
    NO_DATASET,
    PURE_RL,
    PURE_SFT,
    SFT_THEN_RL,
    order_datasets,
)

DASHES: tuple[tuple[int, ...], ...] = ((), (6, 2), (2, 2), (6, 2, 2, 2), (1, 3), (4, 4), (9, 3))
SHAPES = {
    "o": "M-.8,0A.8,.8,0,1,1,.8,0A.8,.8,0,1,1,-.8,0Z",
    "s": "M-.72,-.72H.72V.72H-.72Z",
    "^": "M0,-.95L.95,.7H-.95Z",
    "D": "M0,-1L1,0L0,1L-1,0Z",
    "v": "M0,.95L.95,-.7H-.95Z",
    "P": "M-.33,-1H.33V-.33H1V.33H.33V1H-.33V.33H-1V-.33H-.33Z",
    ">": "M.95,0L-.7,.95V-.95Z",
    "<": "M-.95,0L.7,.95V-.95Z",
    "h": "M-1,0L-.5,-.87H.5L1,0L.5,.87H-.5Z",
}
"""The markers of `style` as paths in a square from -1 to 1, for charts and for their keys."""
DATASET_MARKERS = ("o", "s", "^", "D", "v", "P", ">", "<", "h")
DARK_COLOURS = {
    style.INK: "#e4e6ea",
    style.GREY: "#a3a9b3",
    "#0072B2": "#4ba3e0",
    "#6f5b00": "#c4a83a",
    "#8c564b": "#c58f84",
    "#7b3294": "#c48bdb",
    style.KIT_COLOUR: "#e57aa3",
}
"""What stands in for colours that a dark page would swallow."""
FROM_BASE = "no SFT"
BranchName = tuple[Hashable, ...]


@dataclass(frozen=True)
class Series:
    """A branch of a chart, of all its seeds.

    Attributes:
        key: its values of `BRANCH_KEY`.
        group, label: what its button stands under, and says; title: what it is called alone.
        colour, marker, dash: its look; no two series of a chart share all three.
        subphase: where RL starts, empty if not known; note: its ceiling in words.
    """

    key: BranchName
    group: str
    label: str
    title: str
    colour: str
    marker: str
    dash: tuple[int, ...]
    subphase: str
    note: str

    def describe(self, place: int) -> dict[str, Any]:
        """What the page's script and the chart's tooltips need; `b` is the place."""
        return {
            "b": place,
            "group": self.group,
            "label": self.label,
            "title": self.title,
            "colour": self.colour,
            "path": SHAPES[self.marker],
            "dash": list(self.dash),
            "subphase": self.subphase or "not labelled",
            "note": self.note,
        }


def list_series(
    curves: pd.DataFrame, fits: pd.DataFrame, subphases: pd.DataFrame, order: Sequence[str] = ()
) -> list[Series]:
    """The RL branches of one model, by SFT data set, SFT step and paradigm; base model last.

    Args:
        curves, fits, subphases: rows of one model.
        order: of the SFT data sets; others follow by name.
    """
    rows = curves[curves["paradigm"] != PURE_SFT]
    branches = rows[BRANCH_KEY].drop_duplicates()
    places = {name: place for place, name in enumerate(order_datasets(curves, order))}
    paradigms = list(assign_looks(branches["paradigm"].tolist()))
    records = sorted(
        branches.to_dict("records"),
        key=lambda row: (
            places.get(str(row["dataset"]), len(places)),
            int(row["sft_step"]),
            paradigms.index(strip_sft_stage(str(row["paradigm"]))),
            str(row["recipe"]),
        ),
    )
    recipes = branches.groupby("paradigm")["recipe"].nunique()
    ceilings = average_branches(fits)
    worn: Counter[tuple[str, str]] = Counter()
    made = []
    for row in records:
        label = find_subphase(row, fits, subphases)
        colour, marker = choose_look(row, label, places, paradigms)
        dash = DASHES[worn[colour, marker] % len(DASHES)]
        worn[colour, marker] += 1
        made.append(
            Series(
                tuple(row[name] for name in BRANCH_KEY),
                *name_series(row, several=int(recipes[row["paradigm"]]) > 1),
                colour,
                marker,
                dash,
                label,
                describe_ceiling(select_rows(ceilings, **{str(k): v for k, v in row.items()})),
            )
        )
    return made


def name_series(row: dict[Hashable, Any], several: bool) -> tuple[str, str, str]:
    """Group, label and title of a branch; `several`: its paradigm has more than one recipe."""
    paradigm = str(row["paradigm"])
    method = "" if paradigm == SFT_THEN_RL else strip_sft_stage(paradigm)
    recipe = str(row["recipe"]) if several else ""
    if row["dataset"] == NO_DATASET:
        label = " ".join(filter(None, [method, recipe]))
        return FROM_BASE, label, label
    parts = ", ".join(filter(None, [method, recipe]))
    step = f"step {row['sft_step']}"
    label = f"{step}, {parts}" if parts else step
    start = name_checkpoint(row["dataset"], row["sft_step"])
    return str(row["dataset"]), label, f"{start}, {parts}" if parts else start


def choose_look(
    row: dict[Hashable, Any], label: str, places: dict[str, int], paradigms: Sequence[str]
) -> tuple[str, str]:
    """Colour and marker: of the sub-phase and the data set, or of the paradigm."""
    marker = DATASET_MARKERS[places.get(str(row["dataset"]), -1) % len(DATASET_MARKERS)]
    paradigm = strip_sft_stage(str(row["paradigm"]))
    if paradigm == SFT_THEN_RL:
        return style.get_subphase_look(label).colour, marker
    if paradigm == PURE_RL:
        return style.GREY, "v"
    look = assign_looks(paradigms)[paradigm]
    return look.colour, look.marker if look.marker in SHAPES else marker


def find_subphase(row: dict[Hashable, Any], fits: pd.DataFrame, subphases: pd.DataFrame) -> str:
    """The usual sub-phase of a branch's start over seeds, empty if nothing labels it."""
    own = select_rows(subphases, dataset=row["dataset"], sft_step=row["sft_step"])
    labels = own["subphase"]
    if labels.empty:
        labels = select_rows(fits, dataset=row["dataset"], sft_step=row["sft_step"])["subphase"]
    known = labels[labels != ""]
    return find_usual_subphase(known) if len(known) else ""


def describe_ceiling(branch: pd.DataFrame) -> str:
    """The ceiling of a branch in words; `branch` is its row of `average_branches`, or none."""
    if branch.empty or not math.isfinite(float(branch["a_post"].iloc[0])):
        return "no fit"
    row = branch.iloc[0]
    text = f"{format_number(float(row['a_post']))}%"
    low, high = float(row["a_post_low"]), float(row["a_post_high"])
    if math.isfinite(low) and math.isfinite(high):
        text += f" (90%: {format_number(low)} to {format_number(high)})"
    return text + ("" if row["identified"] else ", not identified")
