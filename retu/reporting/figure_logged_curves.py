"""Curves of one's own: measured scores, the fitted law with its 90% band, ceiling and forecast."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retu.labeling.subphases import MILD, STABLE
from retu.logs.log_choice import name_unit
from retu.reporting import style
from retu.reporting.curve_text import name_end_column
from retu.reporting.terminal import shorten_name
from retu.reporting.tidy_files import IDENTIFIED
from retu.scaling.fitting.logged_fits import LoggedFits

COLUMNS, PANELS = 3, 12
"""Panels side by side, and in one figure."""
HEIGHTS = 1.5, 0.62  # of a row and between rows, inches
MARGINS = 0.55, 0.1, 0.3, 0.45  # left, right, top, bottom, inches
LONGEST_TITLE = 34
COLOUR = style.SUBPHASE_LOOKS[STABLE].colour
OPEN_COLOUR = style.SUBPHASE_LOOKS[MILD].colour


def draw_logged_curves(fits: LoggedFits) -> Iterator[Figure]:
    """Figures of up to `PANELS` curves each, in the order of the table. Call in `use_style()`."""
    traces = dict(iter(fits.points.groupby("curve", sort=False)))
    for first in range(0, len(fits.table), PANELS):
        rows = fits.table.iloc[first : first + PANELS]
        columns = min(COLUMNS, len(rows))
        shape = -(-len(rows) // columns), columns
        figure, grid = style.make_panel_grid(shape, HEIGHTS, MARGINS, 0.22)
        for axes, (_, row) in zip(grid.flat, rows.iterrows(), strict=False):
            draw_curve_panel(axes, row, traces[row["curve"]], fits)
        for axes in grid.flat[len(rows) :]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel("Score (%)")
        for axes in grid[-1]:
            axes.set_xlabel(name_unit(fits.x_unit))
        yield figure


def draw_curve_panel(axes: Axes, row: pd.Series, trace: pd.DataFrame, fits: LoggedFits) -> None:
    """One curve."""
    colour = COLOUR if row["verdict"] == IDENTIFIED else OPEN_COLOUR
    x = trace[fits.x_column]
    end = float(row[name_end_column(fits.x_unit)])
    axes.fill_between(x, trace["low"], trace["high"], color=colour, alpha=0.18, lw=0)
    for part, line in ((x <= end, "-"), (x >= end, "--")):
        axes.plot(x[part], trace.loc[part, "score"], line, color=colour, lw=1.2)
    axes.plot(x, trace["measured"], ".", color=style.INK, ms=3, alpha=0.7)
    axes.axvline(end, color=style.FAINT_GREY, lw=0.8, zorder=0)
    if row["verdict"] == IDENTIFIED:
        axes.axhspan(row["a_post_low"], row["a_post_high"], color=style.FAINT_GREY, alpha=0.4, lw=0)
    if fits.forecast_at is not None:
        low, high = float(row["forecast_low"]), float(row["forecast_high"])
        axes.plot([fits.forecast_at] * 2, [low, high], color=style.INK, lw=1.2)
        axes.plot(fits.forecast_at, row["forecast_score"], "D", color=style.INK, ms=3)
    axes.set_title(shorten_name(str(row["curve"]), LONGEST_TITLE), loc="left", size=8)
