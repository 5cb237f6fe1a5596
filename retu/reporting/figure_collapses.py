"""Histories of branches that collapsed: a row of small panels each, over the steps of RL."""

import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retu.reporting import style
from retu.reporting.collapse_histories import BAND, QUANTITIES, CollapsedBranch
from retu.reporting.collapse_text import NO_COLLAPSE

MOST_DRAWN = 6
HEIGHTS = 0.75, 0.72  # of a row and between rows, inches
MARGINS = 0.3, 0.1, 0.5, 0.75  # left, right, top, bottom, inches
LINE_HEIGHT, LINE_WIDTH = 0.13, 120  # of the names of what is not drawn: inches, characters
GAP = 0.5  # between columns, panel widths: room for the numbers of each axis
SMALL = 5.5
SCORE_LABEL = "score (%)"


def draw_collapse_figure(branches: Sequence[CollapsedBranch]) -> Figure:
    """Draw the first branches and name the others. Call inside `style.use_style()`.

    Args:
        branches: those that collapsed; without any, the figure is a sentence.
    """
    drawn, rest = branches[:MOST_DRAWN], branches[MOST_DRAWN:]
    if not drawn:
        return draw_sentence(NO_COLLAPSE)
    named = f"Not drawn: {'; '.join(branch.name for branch in rest)}" if rest else ""
    lines = textwrap.wrap(named, LINE_WIDTH)
    left, right, top, bottom = MARGINS
    margins = left, right, top, bottom + LINE_HEIGHT * len(lines)
    shape = len(drawn), 1 + len(QUANTITIES)
    figure, grid = style.make_panel_grid(shape, HEIGHTS, margins, GAP)
    for panels, branch in zip(grid, drawn, strict=True):
        draw_branch(panels, branch)
    for axes in grid[-1]:
        axes.set_xlabel("RL step", fontsize=SMALL + 0.5)
    figure.text(0.01, 0.01, "\n".join(lines), fontsize=6, color=style.GREY, va="bottom")
    height = float(figure.get_size_inches()[1])
    place = 0.5, (LINE_HEIGHT * len(lines) + 0.05) / height
    figure.legend(handles=make_handles(), loc="lower center", ncols=3, bbox_to_anchor=place)
    return figure


def draw_sentence(text: str) -> Figure:
    """A figure of one line."""
    figure, grid = style.make_panel_grid((1, 1), (0.3, 0.0), (0.1, 0.1, 0.1, 0.1), 0.0)
    grid[0, 0].set_axis_off()
    grid[0, 0].text(0.5, 0.5, text, ha="center", va="center", color=style.GREY)
    return figure


def draw_branch(panels: Sequence[Axes], branch: CollapsedBranch) -> None:
    """Score and logged quantities of a branch, each in a panel of its own."""
    last = max([*branch.scores.index, *branch.logged.index])
    panels[0].plot(
        branch.scores.index, branch.scores, "o-", color=style.INK, lw=0.7, ms=2, zorder=3
    )
    label_panel(panels[0], SCORE_LABEL)
    for axes, made in zip(panels[1:], QUANTITIES, strict=True):
        label_panel(axes, made.label)
        if made.name in branch.logged:
            draw_history(axes, branch.logged[made.name], branch.moves.get(made.name))
        else:
            axes.text(
                0.5, 0.5, "not logged", ha="center", fontsize=SMALL, color=style.GREY,
                transform=axes.transAxes,
            )  # fmt: skip
            axes.set_yticks([])
    for axes in panels:
        axes.axvline(branch.collapse_step, color=style.KIT_COLOUR, lw=0.9, ls="--", zorder=4)
        axes.set_xlim(-0.02 * last, 1.02 * last)
    panels[0].annotate(
        f"{branch.name}: collapse at step {branch.collapse_step}",
        (0, 1), (0, 14), xycoords="axes fraction", textcoords="offset points",
        fontweight="bold", fontsize=7, annotation_clip=False,
    )  # fmt: skip


def draw_history(axes: Axes, values: pd.Series, moved: int | None) -> None:
    """A quantity over its steps, marked where it moved."""
    known = values.dropna()
    axes.plot(known.index, known, color="#0072B2", lw=0.7, zorder=3)
    if moved is not None:
        axes.plot(moved, known.loc[moved], "v", color="#D55E00", ms=4, zorder=5)


def label_panel(axes: Axes, label: str) -> None:
    """Title and small numbers, few of them."""
    axes.set_title(label, loc="left", fontsize=6.5, pad=2)
    axes.tick_params(labelsize=SMALL, pad=1.5, length=2)
    axes.locator_params(nbins=3)


def make_handles() -> list[Line2D]:
    """The key."""
    collapse = Line2D([], [], color=style.KIT_COLOUR, lw=0.9, ls="--", label="collapse")
    moved = Line2D([], [], ls="", marker="v", color="#D55E00", ms=4)
    moved.set_label(f"leaves the mean ± {BAND:g} SD of the steps before")
    return [collapse, moved]
