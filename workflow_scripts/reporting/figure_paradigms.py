"""Figure 2: score against total compute for every paradigm, one data set in full colour."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.errors import InputError
from workflow_scripts.reporting import style
from workflow_scripts.reporting.aggregate import (
    BRANCH,
    achieved,
    paradigms_of,
    point_means,
    top_row,
)
from workflow_scripts.reporting.lines import law_grid, mean_law, select
from workflow_scripts.reporting.markdown import number
from workflow_scripts.reporting.schema import (
    NO_DATASET,
    PURE_SFT,
    SFT_THEN_RL,
    models_of,
    ordered_datasets,
)
from workflow_scripts.reporting.units import Unit, choose_unit

AXES_HEIGHT, GAP = 2.9, 1.15  # inches
LEFT, RIGHT, TOP, BOTTOM = 0.5, 0.1, 0.25, 1.0  # margins, inches
LINE = ["paradigm", "dataset", "recipe"]
STAR: dict[str, Any] = {"marker": "*", "mec": "white", "mew": 0.7, "zorder": 6}


def draw(
    curves: pd.DataFrame, fits: pd.DataFrame, order: Sequence[str], highlight: str | None = None
) -> Figure:
    """Draw the figure, one row per model. Call inside `style.context()`.

    Args:
        curves: overall rows of curves.csv; fits: fits.csv; order: SFT data sets.
        highlight: the data set in full colour; default the one with the highest SFT-then-RL score.
    """
    if highlight is not None and highlight not in set(curves["dataset"]):
        known = ", ".join(ordered_datasets(curves, order))
        raise InputError(
            f"--highlight {highlight}: not a data set of this study; use one of {known}"
        )
    models = models_of(curves)
    unit = choose_unit(curves["x_sft_eflops"] + curves["x_rl_eflops"])
    height = TOP + BOTTOM + AXES_HEIGHT * len(models) + GAP * (len(models) - 1)
    figure = style.new_figure(height, LEFT, RIGHT, TOP, BOTTOM)
    spacing = {"hspace": GAP / AXES_HEIGHT}
    grid = figure.subplots(len(models), 1, squeeze=False, gridspec_kw=spacing)
    for axes, model in zip(grid[:, 0], models, strict=True):
        own = select(curves, model=model)
        chosen = highlight or highest_dataset(own, order)
        draw_model(axes, own, select(fits, model=model), chosen, unit)
        if len(models) > 1:
            axes.set_title(model, loc="left", fontweight="bold")
        axes.set_ylabel("Score (%)")
        axes.set_xlabel(f"Total training compute, x_sft + x_rl ({unit.name})")
    return figure


def highest_dataset(curves: pd.DataFrame, order: Sequence[str]) -> str:
    """The SFT data set with the highest mean score in SFT-then-RL, else in any paradigm."""
    points = achieved(point_means(curves))
    points = points[points["dataset"] != NO_DATASET]
    after_rl = select(points, paradigm=SFT_THEN_RL)
    candidates = points if after_rl.empty else after_rl
    if candidates.empty:
        return NO_DATASET
    best = candidates.groupby("dataset")["score"].max()
    return str(best.reindex(ordered_datasets(candidates, order)).idxmax())


def draw_model(
    axes: Axes, curves: pd.DataFrame, fits: pd.DataFrame, chosen: str, unit: Unit
) -> None:
    """All paradigms of one model, and a legend that names the best score of each."""
    scale = unit.per_eflop
    points = point_means(curves)
    with_sft = points["paradigm"].isin([PURE_SFT, SFT_THEN_RL])
    pale = points[with_sft & (points["dataset"] != chosen)]
    full = points.drop(pale.index)
    looks = style.paradigm_looks(paradigms_of(curves))
    handles = []
    for paradigm, look in looks.items():
        rows = full[full["paradigm"] == paradigm]
        if rows.empty:
            continue
        draw_full(axes, rows, curves, fits, look, scale)
        own = achieved(rows)
        if own.empty:
            continue
        best = top_row(own, "score")
        axes.plot(best["x_total"] * scale, best["score"], ms=11, mfc=look.colour, **STAR)
        where = "" if best["dataset"] == NO_DATASET else f", {best['dataset']}"
        label = f"{paradigm}{where} (best {number(float(best['score']))})"
        handles.append(
            Line2D([], [], marker=look.marker, ms=4.5, color=look.colour, lw=1.4, label=label)
        )
    # Limits come from the lines in full colour: a collapsed run of another data set is context.
    axes.set_ylim(axes.get_ylim())
    for line in lines_of(pale):
        colour = looks[line["paradigm"].iloc[0]].colour
        axes.plot(line["x_total"] * scale, line["score"], color=colour, lw=0.8, alpha=0.25)
    if len(pale):
        handles.append(Line2D([], [], color=style.FAINT, lw=1.0, label="pale: other SFT data sets"))
    handles.append(Line2D([], [], ls="", ms=11, mfc=style.INK, **STAR, label="best observed"))
    set_scale(axes, points, scale)
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)


def lines_of(points: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows that form one line: an SFT curve over its checkpoints, or one RL run."""
    sft = points["paradigm"] == PURE_SFT
    steps = points["sft_step"].where(~sft, 0)
    return [rows for _, rows in points.groupby([*LINE, steps], sort=False)]


def draw_full(
    axes: Axes,
    means: pd.DataFrame,
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    look: style.Look,
    scale: float,
) -> None:
    """Lines in full colour: seeds as points, and the fitted law or the line of means."""
    for line in lines_of(means):
        paradigm, dataset, recipe, step = line.iloc[0][[*LINE, "sft_step"]]
        raw = select(curves, paradigm=paradigm, dataset=dataset, recipe=recipe)
        raw = raw[raw["sft_step"].isin(line["sft_step"])]
        x = (raw["x_sft_eflops"] + raw["x_rl_eflops"]) * scale
        axes.scatter(
            x, raw["score"], s=9, color=look.colour, marker=look.marker, alpha=0.5, lw=0, zorder=3
        )
        branch = select(fits, paradigm=paradigm, dataset=dataset, recipe=recipe, sft_step=step)
        grid = law_grid(float(branch["x_end_eflops"].max())) if len(branch) else np.empty(0)
        law = mean_law(branch, grid)
        x_line, y_line = line["x_total"].to_numpy(), line["score"].to_numpy()
        if law is not None:
            x_line, y_line = float(branch["x_sft_eflops"].mean()) + grid, law
        axes.plot(x_line * scale, y_line, color=look.colour, lw=1.4, zorder=4)


def set_scale(axes: Axes, points: pd.DataFrame, scale: float) -> None:
    """Choose the compute axis from the branches that follow SFT."""
    after_rl = points[points["paradigm"] == SFT_THEN_RL]
    spans = after_rl.groupby(BRANCH)[["x_sft_eflops", "x_total"]].max() * scale
    total = points["x_total"].to_numpy() * scale
    positive = total[total > 0]
    log = style.prefers_log(spans["x_sft_eflops"].tolist(), spans["x_total"].tolist())
    largest = float(positive.max()) if positive.size else 1.0
    style.set_compute_axis(axes, log, float(positive.min()) if positive.size else 1.0, largest)
