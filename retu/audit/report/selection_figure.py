"""Figure 8 of an audit: the same question to six column sets, one panel each."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from retu.audit.report.compared_values import PUBLISHED
from retu.audit.report.loss_and_ceiling import COLUMN_SETS, COMMON, OBSERVED, TITLES
from retu.core.markdown import format_number
from retu.reporting import style
from retu.reporting.tidy_files import IDENTIFIED, SUBPHASES

PANELS_PER_ROW = 3
HEIGHTS = 2.05, 0.42  # of a row and between rows, inches
MARGINS = 0.5, 0.1, 0.3, 0.85  # left, right, top, bottom, inches
OVERLAP_DISTANCE = (0.05, 0.8)
"""Differences in loss and in points within which two names overlap."""
FILLED_SETS = (PUBLISHED, OBSERVED, COMMON)
"""Column sets whose markers are filled: printed, or not extrapolated."""


def draw_audit_figure_8(
    values: pd.DataFrame, correlations: pd.DataFrame, x_common: float
) -> Figure:
    """Draw the figure. Call inside `style.context()`.

    Args:
        values: rows of `build_value_table`.
        correlations: one row a column set.
        x_common: the equal RL compute, EFLOPs, for the panel's title.
    """
    present = [name for name in COLUMN_SETS if name in set(values["column_set"])]
    shape = -(-len(present) // PANELS_PER_ROW), PANELS_PER_ROW
    figure, rows = style.make_panel_grid(shape, HEIGHTS, MARGINS, 0.06, sharex=True, sharey=True)
    grid = rows.ravel()
    limits = compute_value_limits(values)
    for axes in grid[len(present) :]:
        axes.axis("off")
    for axes, name in zip(grid, present, strict=False):
        axes.set_ylim(*limits)
        draw_column_set(axes, values[values["column_set"] == name], name)
        title = f"Score at {x_common:g} EFLOPs of RL" if name == COMMON else TITLES[name]
        axes.set_title(title, loc="left", fontweight="bold", size=8)
        write_correlation(axes, correlations[correlations["column_set"] == name])
    for axes in grid[::PANELS_PER_ROW]:
        axes.set_ylabel("Highest of the data set (%)")
    figure.supxlabel(
        "Minimum validation loss (nats per token)", size=8, y=0.46 / figure.get_figheight()
    )
    figure.legend(handles=make_audit_selection_legend(values), loc="lower center", ncols=4)
    return figure


def compute_value_limits(values: pd.DataFrame) -> tuple[float, float]:
    """Limits that hold every value but those of runaway fits (above any score published + 5)."""
    known = values["value"].dropna()
    usual = known[known <= find_top_shown(values)]
    return float(usual.min()) - 3.6, find_top_shown(values) + 0.8


def find_top_shown(values: pd.DataFrame) -> float:
    """The highest value that is drawn; above it, an arrow."""
    published = values.loc[values["column_set"] == PUBLISHED, "value"]
    return float(published.max()) + 2.5 if len(published) else 100.0


def draw_column_set(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """The data sets of one column set, with intervals and a trend line."""
    top, middle = axes.get_ylim()[1], float(np.ptp(rows["min_val_loss"])) / 2
    middle += float(rows["min_val_loss"].min())
    places = rows[["min_val_loss", "value"]].to_numpy(dtype=float)
    for row in rows.to_dict("records"):
        x, y = float(row["min_val_loss"]), float(row["value"])
        look = choose_point_look(row, name)
        axes.plot([x, x], [row["low"], row["high"]], color=look.colour, lw=2.6, alpha=0.35)
        filled = name in FILLED_SETS or row["verdict"] == IDENTIFIED
        fill = look.colour if filled else "white"
        right = x <= middle
        if y > top:
            axes.plot(x, top, "^", ms=5, color=look.colour, clip_on=False, zorder=5)
            write_note(axes, f"{row['dataset']}\n{format_number(y)}", x, top, right, -10)
        else:
            axes.plot(x, y, look.marker, ms=5.5, mfc=fill, mec=look.colour, mew=1.1, zorder=4)
            write_note(
                axes, str(row["dataset"]), x, y, right, -7 if is_crowded(places, x, y) else 6
            )
    known = rows.dropna(subset=["min_val_loss", "value"])
    inside = (known["value"] <= top).all()
    # A line through points that are not drawn would mislead.
    if inside and len(known) > 2 and known["min_val_loss"].nunique() > 1:
        slope, offset = np.polyfit(known["min_val_loss"], known["value"], 1)
        ends = np.array([known["min_val_loss"].min(), known["min_val_loss"].max()])
        axes.plot(ends, slope * ends + offset, color=style.GREY, lw=0.9, ls="--", zorder=1)
    axes.margins(x=0.1)


def is_crowded(places: np.ndarray, x: float, y: float) -> bool:
    """Whether the name of a slightly higher point to the left would meet this one's."""
    left, above = x - places[:, 0], places[:, 1] - y
    near = (left > 0) & (left < OVERLAP_DISTANCE[0]) & (above >= 0) & (above < OVERLAP_DISTANCE[1])
    return bool(near.any())


def write_note(axes: Axes, text: str, x: float, y: float, right: bool, height: int) -> None:
    """A small text beside a point, towards the middle of the panel, readable over lines."""
    axes.annotate(
        text,
        (x, y),
        (4 if right else -4, height),
        textcoords="offset points",
        ha="left" if right else "right",
        va="center",
        size=6,
        color=style.INK,
        zorder=6,
        path_effects=[withStroke(linewidth=1.8, foreground="white")],
    )


def choose_point_look(row: dict[Any, Any], name: str) -> style.Look:
    """Colour of the sub-phase of the best branch; ink for published values."""
    if name == PUBLISHED or pd.isna(row["subphase"]):
        return style.Look(style.INK, "D")
    return style.get_subphase_look(str(row["subphase"]))


def write_correlation(axes: Axes, rows: pd.DataFrame) -> None:
    """The correlation and its two intervals at the lower edge of a panel."""
    for row in rows.to_dict("records"):
        text = format_correlation(row)
        axes.text(
            0.03, 0.03, text, transform=axes.transAxes, va="bottom", size=6.5, linespacing=1.35
        )


def format_correlation(row: dict[Any, Any]) -> str:
    """r with Fisher and bootstrap intervals, Spearman, and r without a benchmark where known."""
    if isinstance(row["note"], str) and row["note"]:
        return f"{row['note']} (n = {row['n']})"
    lines = [
        f"r = {format_number(row['pearson'], 2)},  Spearman {format_number(row['spearman'], 2)}"
    ]
    fisher = f"[{format_number(row['fisher_low'], 2)}, {format_number(row['fisher_high'], 2)}]"
    lines.append(f"Fisher 95% {fisher}, n = {row['n']}")
    if np.isfinite(row["boot_low"]):
        boot = f"[{format_number(row['boot_low'], 2)}, {format_number(row['boot_high'], 2)}]"
        lines.append(f"draws 90% {boot}")
    return "\n".join(lines)


def make_audit_selection_legend(values: pd.DataFrame) -> list[Line2D]:
    """Sub-phases of the best branches, and the kinds of marks."""
    present = set(values["subphase"].dropna())
    kinds: dict[str, Any] = {"ls": ""}
    handles = [Line2D([], [], marker="D", color=style.INK, label="published", **kinds)]
    for name in SUBPHASES:
        if name in present:
            look = style.get_subphase_look(name)
            label = f"best branch: {name}"
            handles.append(
                Line2D([], [], marker=look.marker, color=look.colour, label=label, **kinds)
            )
    handles.append(
        Line2D(
            [],
            [],
            marker="s",
            mfc="white",
            color=style.INK,
            label="ceiling not identified",
            **kinds,
        )
    )
    handles.append(Line2D([], [], color=style.GREY, lw=2.6, alpha=0.5, label="90% of the highest"))
    handles.append(Line2D([], [], marker="^", color=style.INK, label="beyond the axis", **kinds))
    return handles
