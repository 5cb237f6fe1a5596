"""Hypotheses over replicates: every effect with its interval, every replicate as a dot."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retu.reporting import style

ROW_HEIGHT = 0.36  # inches
MARGINS = 1.75, 0.15, 0.1, 0.75  # left, right, top, bottom, inches
UNITS = {"points": "Effect (points)", "rank correlation": "Effect (rank correlation)"}
LOOKS = {
    "supports": style.Look("#009E73", "D"),
    "contradicts": style.Look("#D55E00", "X"),
    "undecided": style.Look("#7f7f7f", "s"),
}
DODGE = 0.22
"""How far the dots of replicates lie from their effect, in rows."""


def draw_hypotheses_figure(table: pd.DataFrame, detail: pd.DataFrame) -> Figure:
    """Draw the figure, a panel a unit. Call inside `style.use_style()`.

    Args:
        table: hypotheses.csv: columns id, contrast, unit, verdict, effect, low, high.
        detail: final scores of hypotheses_replicates.csv: columns hypothesis, replicate, contrast.
    """
    panels = [unit for unit in UNITS if (table["unit"] == unit).any()]
    rows = max(len(table), 2)
    figure, grid = style.make_panel_grid(
        (1, len(panels)), (ROW_HEIGHT * rows, 0.0), MARGINS, 0.08,
        width_ratios=[3, 1][: len(panels)], sharey=True,
    )  # fmt: skip
    for axes, unit in zip(grid[0], panels, strict=True):
        draw_panel(axes, table, detail, unit)
    axes = grid[0][0]
    axes.set_ylim(len(table) - 0.4, -0.6)
    names = [
        f"{one}  {str(contrast).replace('_', ' ')}"
        for one, contrast in zip(table["id"], table["contrast"], strict=True)
    ]
    axes.set_yticks(range(len(table)), names)
    figure.legend(handles=make_handles(table), loc="lower center", ncols=5)
    return figure


def draw_panel(axes: Axes, table: pd.DataFrame, detail: pd.DataFrame, unit: str) -> None:
    """The hypotheses of one unit in their rows."""
    axes.axvline(0, color=style.INK, linewidth=0.8)
    axes.set_xlabel(UNITS[unit])
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    for place, row in enumerate(table.to_dict("records")):
        if row["unit"] != unit:
            continue
        values = detail.loc[detail["hypothesis"] == row["id"], "contrast"].dropna()
        dots: dict[str, Any] = {"color": style.GREY, "marker": "o", "linewidth": 0, "markersize": 3}
        axes.plot(values, np.full(len(values), place + DODGE), alpha=0.7, **dots)
        look = LOOKS.get(str(row["verdict"]))
        if look is None:
            axes.text(
                0, place - DODGE / 2, " cannot be asked", color=style.GREY, va="center", fontsize=7
            )
            continue
        axes.plot([row["low"], row["high"]], [place, place], color=look.colour, linewidth=1.6)
        axes.plot(row["effect"], place, marker=look.marker, color=look.colour, markersize=6)


def make_handles(table: pd.DataFrame) -> list[Line2D]:
    """The key: verdicts that there are, and the dots."""
    shown = [verdict for verdict in LOOKS if (table["verdict"] == verdict).any()]
    handles = [
        Line2D([], [], color=LOOKS[v].colour, marker=LOOKS[v].marker, label=v) for v in shown
    ]
    dot = Line2D([], [], color=style.GREY, marker="o", markersize=3, linewidth=0)
    dot.set_label("one replicate")
    return [*handles, dot]
