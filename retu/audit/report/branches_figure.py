"""Figure 3 of an audit: every measured point, the published and the robust curve, all ceilings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retu.audit.report.compared_values import KIT, PAPER, PUBLISHED, ROBUST
from retu.core.markdown import format_number
from retu.reporting import style
from retu.reporting.branch_panels import BranchPanel, label_steps, make_panels, needs_log_axis
from retu.reporting.compute_units import choose_unit
from retu.reporting.drawing import make_law_grid, select_rows
from retu.reporting.figure_branches import (
    MANY_BRANCHES,
    draw_pure_rl,
    draw_rl_branches,
    draw_sft_curve,
    draw_subphase_strip,
    mark_cut_points,
    set_branch_axis,
)
from retu.reporting.tidy_files import IDENTIFIED, SFT_THEN_RL, SUBPHASES
from retu.scaling.law import compute_gain

HEIGHTS = 1.5, 0.6  # of a row and between rows, inches
MARGINS = 0.5, 0.1, 0.95, 0.55  # left, right, top, bottom, inches
OFFSETS = {PUBLISHED: -0.27, KIT: -0.13, PAPER: 0.0, ROBUST: 0.18, "end": 0.34}
"""Horizontal place of each mark within its branch, in branches."""
LAW_COLUMNS = ("p_sft", "epsilon", "pl_rl", "c_mid", "b")


def draw_audit_figure_3(
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    table: pd.DataFrame,
    order: Sequence[str],
) -> Figure:
    """Draw the figure, one row of panels a data set. Call inside `style.context()`.

    Args:
        curves: overall rows of curves.csv; fits: those of the robust protocol; subphases.
        table: the audit's Table 4.
        order: SFT data sets from top to bottom.
    """
    panels = make_panels(curves, fits, subphases, order)
    unit = choose_unit(curves["x_sft_eflops"] + curves["x_rl_eflops"])
    shape = len(panels), 2
    figure, grid = style.make_panel_grid(
        shape, HEIGHTS, MARGINS, 0.08, sharey=True, width_ratios=[1.1, 1]
    )
    limits = compute_branch_limits(curves, table)
    log = all(needs_log_axis(panel) for panel in panels)
    for (left, right), panel in zip(grid, panels, strict=True):
        left.set_ylim(*limits)
        draw_pure_rl(left, panel, unit.per_eflop)
        draw_sft_curve(left, panel, unit.per_eflop)
        draw_rl_branches(left, panel, unit.per_eflop)
        set_branch_axis(left, panel, unit.per_eflop, log)
        draw_published_laws(left, panel, table, unit.per_eflop)
        mark_cut_points(left, panel, unit.per_eflop)
        left.set_title(panel.name, loc="left", fontweight="bold")
        left.set_ylabel("Score (%)")
        draw_audit_ceilings(right, panel, table)
    grid[-1, 0].set_xlabel(f"Total training compute, x_sft + x_rl ({unit.name})")
    grid[-1, 1].set_xlabel("SFT step at which RL starts")
    figure.legend(handles=make_audit_branch_legend(panels, table), loc="upper center", ncols=4)
    return figure


def compute_branch_limits(curves: pd.DataFrame, table: pd.DataFrame) -> tuple[float, float]:
    """Limits from the lowest branch point to the highest score or ceiling, the kit's left out.

    What lies below (collapses, the base model) is marked at the edge or left out.
    """
    own = select_rows(table, paradigm=SFT_THEN_RL)
    after_rl = curves.loc[curves["paradigm"] == SFT_THEN_RL, "score"]
    shown = own[[f"a_post_{PUBLISHED}", f"a_post_{ROBUST}", "a_post_high"]].to_numpy(dtype=float)
    known = shown[np.isfinite(shown)]
    low, top = float(own["p_sft"].min()), float(max([after_rl.max(), *known]))
    pad = 0.06 * max(top - low, 1.0)
    return low - pad, min(top + 2 * pad, 108.0)


def select_panel_branches(table: pd.DataFrame, panel: BranchPanel) -> pd.DataFrame:
    """The branches of a panel in order of SFT step."""
    own = panel.fits["dataset"].iloc[0] if len(panel.fits) else ""
    rows = select_rows(table, dataset=own, paradigm=SFT_THEN_RL)
    return rows.sort_values("sft_step", kind="stable")


def draw_published_laws(axes: Axes, panel: BranchPanel, table: pd.DataFrame, scale: float) -> None:
    """The published curve of each branch, thin and dashed, as far as its points were fitted."""
    for row in select_panel_branches(table, panel).to_dict("records"):
        p_sft, epsilon, pl_rl, c_mid, b = (
            float(row[f"{name}_{PUBLISHED}"]) for name in LAW_COLUMNS
        )
        if not np.isfinite([p_sft, epsilon, pl_rl, c_mid, b]).all():
            continue
        x = make_law_grid(float(row["x_end_eflops"]))
        score = p_sft + compute_gain(x, epsilon=epsilon, pl_rl=pl_rl, c_mid=c_mid, b=b)
        start = float(row["x_sft_eflops"])
        axes.plot((start + x) * scale, score, color=style.INK, lw=0.8, ls=(0, (4, 2)), zorder=5)


def draw_audit_ceilings(axes: Axes, panel: BranchPanel, table: pd.DataFrame) -> None:
    """Right panel: the ceilings of each branch by column set, and its score at the end."""
    rows = select_panel_branches(table, panel)
    axes.grid(axis="x", visible=False)
    axes.tick_params(axis="x", length=0)
    if rows.empty:
        axes.text(0.5, 0.5, "no RL branch", ha="center", color=style.GREY, transform=axes.transAxes)
        axes.set_xticks([])
        return
    labels = label_steps(panel)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    for place, row in enumerate(rows.to_dict("records")):
        step = int(row["sft_step"])
        if place % 2:
            axes.axvspan(place - 0.5, place + 0.5, color="#f4f4f4", lw=0, zorder=0)
        look = style.get_subphase_look(labels.get(step, str(row["subphase"])))
        draw_marks(axes, place, row, look.colour)
        draw_subphase_strip(axes, place, panel, step)
    steps = [f"{int(step)}" for step in rows["sft_step"]]
    axes.set_xticks(range(len(rows)), steps, rotation=45 if len(steps) >= MANY_BRANCHES else 0)


def draw_marks(axes: Axes, place: int, row: dict[Any, Any], colour: str) -> None:
    """One branch: published cross, kit triangle, paper circle, robust with interval, end bar."""
    at = {name: place + offset for name, offset in OFFSETS.items()}
    robust, low, high = (
        float(row[name]) for name in ("a_post_robust", "a_post_low", "a_post_high")
    )
    axes.plot([at[ROBUST]] * 2, [low, high], color=colour, lw=2.6, alpha=0.35, zorder=2)
    identified = row[f"verdict_{ROBUST}"] == IDENTIFIED
    fill = colour if identified else "white"
    axes.plot(at[ROBUST], robust, "o", ms=4.2, mfc=fill, mec=colour, mew=1.0, zorder=5)
    axes.plot(
        at[PUBLISHED], float(row[f"a_post_{PUBLISHED}"]), "x", ms=4, mew=1.1,
        color=style.INK, zorder=6,
    )  # fmt: skip
    axes.plot(
        at[PAPER], float(row[f"a_post_{PAPER}"]), "o", ms=3.6, mfc="none", mec=style.INK,
        mew=0.8, zorder=5,
    )  # fmt: skip
    end, below, above = (float(row[f"end_{name}"]) for name in ("score", "low", "high"))
    axes.plot([at["end"]] * 2, [below, above], color=style.GREY, lw=1.0, zorder=3)
    axes.plot(at["end"], end, "_", ms=5, mew=1.6, color=style.INK, zorder=4)
    draw_kit_ceiling(axes, at[KIT], float(row[f"a_post_{KIT}"]))


def draw_kit_ceiling(axes: Axes, x: float, value: float) -> None:
    """The ceiling of the released kit; beyond the axis an arrow with its value."""
    top = axes.get_ylim()[1]
    if value <= top:
        axes.plot(x, value, "2", ms=5.5, mew=0.9, color=style.KIT_COLOUR, zorder=4)
    elif np.isfinite(value):
        axes.annotate(
            format_number(value, 0), (x, top), (0, -11), textcoords="offset points", ha="center",
            va="top", size=5.5, color=style.KIT_COLOUR,
            arrowprops={"arrowstyle": "->", "color": style.KIT_COLOUR, "lw": 0.8, "shrinkA": 0},
        )  # fmt: skip


def make_audit_branch_legend(panels: Sequence[BranchPanel], table: pd.DataFrame) -> list[Line2D]:
    """Sub-phases that occur, then the kinds of marks."""
    present = {str(label) for panel in panels for label in panel.subphases["subphase"]}
    handles = [
        Line2D([], [], ls="", marker=look.marker, color=look.colour, label=label)
        for label, look in ((name, style.get_subphase_look(name)) for name in SUBPHASES)
        if label in present
    ]
    ink = style.INK
    end = "score at the end, 90%"
    handles += [
        Line2D([], [], color=ink, lw=1.4, label="robust curve"),
        Line2D([], [], color=ink, lw=0.8, ls=(0, (4, 2)), label="published curve"),
        Line2D([], [], color=style.GREY, label="Pure SFT (P_sft)"),
        Line2D([], [], ls="", marker="x", mew=1.1, ms=4, color=ink, label="A_post published"),
        Line2D(
            [],
            [],
            ls="",
            marker="2",
            ms=5.5,
            color=style.KIT_COLOUR,
            label="A_post kit (arrow: off)",
        ),
        Line2D([], [], ls="", marker="o", ms=3.6, mfc="none", color=ink, label="A_post paper"),
        Line2D([], [], ls="", marker="o", ms=4.2, color=ink, label="A_post robust, 90%"),
        Line2D([], [], ls="", marker="o", ms=4.2, mfc="white", color=ink, label="not identified"),
        Line2D([], [], ls="", marker="_", ms=5, mew=1.6, color=ink, label=end),
    ]
    if any(len(panel.pure_rl) for panel in panels):
        handles.append(Line2D([], [], color=style.GREY, ls=":", label="Pure RL"))
    return handles
