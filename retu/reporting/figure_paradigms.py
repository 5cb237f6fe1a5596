"""Figure 2: score against total compute for every paradigm, by where it starts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retu.reporting import style
from retu.reporting.aggregate import BRANCH_KEY, average_points, list_paradigms
from retu.reporting.compute_units import ComputeUnit, choose_unit
from retu.reporting.drawing import average_laws, compute_score_limits, make_law_grid, select_rows
from retu.reporting.paradigm_styles import (
    SFT_THEN_PREFIX,
    PanelChoice,
    assign_looks,
    choose_panels,
    strip_sft_stage,
)
from retu.reporting.tidy_files import NO_DATASET, PURE_SFT, SFT_THEN_RL, list_models

HEIGHTS = 2.9, 0.85  # of a row and between rows, inches
LEFT, RIGHT, TOP, BOTTOM = 0.5, 0.1, 0.3, 0.65  # margins, inches; below it the legend
TITLE_SIZE, TITLE_CHARACTERS = 9.0, 36  # so many characters fit over a panel in this size
LEGEND_COLUMNS, LEGEND_ROW = 4, 0.16  # inches
WIDE_RANGE = 8.0  # ratio of the ends of lines from which a compute axis is logarithmic
SFT_WINDOW_SHARE = (
    0.4  # of the longest branch: how much of the SFT curve stands before a checkpoint
)
MAX_COLLAPSE_SHARE = 0.25  # of the range of other scores: a collapse that falls further is cut
PALE_ALPHA = 0.25
COMPUTE_TOLERANCE = (
    1 + 1e-5
)  # fitted compute keeps six digits: a point may lie beyond its own value


@dataclass(frozen=True)
class ParadigmPanel:
    """One panel: its title, and the rows of curves.csv and of the fits that belong to it.

    Attributes:
        context: rows of other SFT data sets, drawn pale.
        window: the stretch of total compute that is shown, EFLOPs; None for all.
    """

    title: str
    curves: pd.DataFrame
    fits: pd.DataFrame
    context: pd.DataFrame
    window: tuple[float, float] | None = None


def draw_paradigm_figure(
    curves: pd.DataFrame, fits: pd.DataFrame, order: Sequence[str], highlight: str | None = None
) -> Figure:
    """Draw one row per model: from the base model, and from an SFT checkpoint if there is one.

    Call inside `style.context()`.

    Args:
        curves: overall rows of curves.csv; fits: fits.csv; order: SFT data sets.
        highlight: the SFT data set in full colour; default see `choices`.

    Raises:
        InputError: `highlight` is no data set of the study.
    """
    rows = [
        make_paradigm_panels(
            select_rows(curves, model=model), select_rows(fits, model=model), choice
        )
        for model, choice in choose_panels(curves, order, highlight).items()
    ]
    unit = choose_unit(curves["x_sft_eflops"] + curves["x_rl_eflops"])
    looks = assign_looks(list_paradigms(curves))
    handles = make_paradigm_legend([panel for panels in rows for panel in panels], looks)
    bottom = BOTTOM + LEGEND_ROW * math.ceil(len(handles) / LEGEND_COLUMNS)
    shape = len(rows), max(map(len, rows))
    figure, grid = style.make_panel_grid(shape, HEIGHTS, (LEFT, RIGHT, TOP, bottom), 0.16)
    for line, panels, model in zip(grid, rows, list_models(curves), strict=True):
        for axes, panel in zip(line, panels, strict=False):
            draw_paradigm_panel(axes, panel, looks, unit)
            name = "" if len(rows) == 1 else f"{model}: "
            title = name + panel.title
            size = TITLE_SIZE * min(1.0, TITLE_CHARACTERS / len(title))
            axes.set_title(title, loc="left", fontweight="bold", fontsize=size)
        for axes in line[len(panels) :]:
            axes.set_axis_off()
        line[0].set_ylabel("Score (%)")
    label = f"Total training compute, x_sft + x_rl ({unit.name})"
    place = (bottom - 0.4) / figure.get_figheight()
    figure.supxlabel(label, size=style.RC_PARAMS["axes.labelsize"], y=place)
    figure.legend(handles=handles, loc="lower center", ncols=min(LEGEND_COLUMNS, len(handles)))
    return figure


def make_paradigm_panels(
    curves: pd.DataFrame, fits: pd.DataFrame, choice: PanelChoice
) -> list[ParadigmPanel]:
    """The panel of the base model, and that of the checkpoint if several methods start from one."""
    base = (curves["dataset"] == NO_DATASET) | (
        (curves["dataset"] == choice.dataset) & curves["paradigm"].isin([PURE_SFT, SFT_THEN_RL])
    )
    other = ~base & curves["paradigm"].isin([PURE_SFT, SFT_THEN_RL])
    # With a panel of its own to compare, other data sets would only crowd the first.
    context = curves[other] if choice.checkpoint is None else curves.iloc[:0]
    first = ParadigmPanel("From the base model", curves[base], fits, context)
    if choice.checkpoint is None:
        return [first]
    dataset, step = choice.checkpoint
    branches = choice.mask_checkpoint_starts(curves)
    reference = (curves["paradigm"] == PURE_SFT) & (curves["dataset"] == dataset)
    # The window follows the branches: RL can be short beside the SFT run before and after them.
    x_sft, x_rl = curves.loc[branches, ["x_sft_eflops", "x_rl_eflops"]].max()
    window = (max(0.0, x_sft - SFT_WINDOW_SHARE * x_rl), x_sft + x_rl)
    title = f"From SFT checkpoint {dataset}, step {step}"
    own = curves[branches | reference]
    return [
        first,
        ParadigmPanel(title, own, fits[choice.mask_checkpoint_starts(fits)], own.iloc[:0], window),
    ]


def draw_paradigm_panel(
    axes: Axes, panel: ParadigmPanel, looks: dict[str, style.Look], unit: ComputeUnit
) -> None:
    """All lines of a panel; the score axis belongs to what was scored before any collapse."""
    scale = unit.per_eflop
    steady = []
    for line in split_lines(average_points(panel.curves)):
        steady.append(draw_line(axes, line, panel, find_look(line, looks), scale))
    for line in split_lines(average_points(panel.context)):
        colour = find_look(line, looks).colour
        axes.plot(line["x_total"] * scale, line["score"], color=colour, lw=0.8, alpha=PALE_ALPHA)
    set_panel_window(axes, panel, [float(rows["x_total"].max()) * scale for rows in steady], scale)
    low, high = panel.window or (0.0, np.inf)
    x = panel.curves["x_sft_eflops"] + panel.curves["x_rl_eflops"]
    visible = panel.curves.assign(x_total=x)[x.between(low, high)]
    kept = pd.concat(steady)
    kept = kept[kept["x_total"].between(low, high)]
    axes.set_ylim(*compute_panel_limits(kept["score"], visible["score"]))
    bottom = axes.get_ylim()[0]
    below = visible[visible["score"] < bottom]
    for _, rows in below.groupby("paradigm", sort=False):
        colour, edge = find_look(rows, looks).colour, np.full(len(rows), bottom)
        axes.plot(rows["x_total"] * scale, edge, "v", color=colour, ms=4, clip_on=False, zorder=6)


def find_look(rows: pd.DataFrame, looks: dict[str, style.Look]) -> style.Look:
    """The look of the one paradigm that these rows have."""
    return looks[strip_sft_stage(str(rows["paradigm"].iloc[0]))]


def compute_panel_limits(steady: pd.Series, every: pd.Series) -> tuple[float, float]:
    """Limits of the score axis: a collapse is shown whole only if it costs the rest little room."""
    low, top = float(steady.min()), float(steady.max())
    deep = low - float(every.min()) > MAX_COLLAPSE_SHARE * (top - low)
    shown = steady if deep else pd.concat([steady, every])
    return compute_score_limits(shown.to_numpy(dtype=float), np.empty(0))


def split_lines(points: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows that form one line: an SFT curve over its checkpoints, or one RL run."""
    sft = points["paradigm"] == PURE_SFT
    steps = points["sft_step"].where(~sft, 0)
    return [rows for _, rows in points.groupby(["paradigm", "dataset", "recipe", steps])]


def draw_line(
    axes: Axes, means: pd.DataFrame, panel: ParadigmPanel, look: style.Look, scale: float
) -> pd.DataFrame:
    """Points of every seed, the fitted law (else the line of means), a cross where it collapses.

    Returns the means before a collapse of all seeds.
    """
    key = {name: means[name].iloc[0] for name in BRANCH_KEY}
    pure_sft = key["paradigm"] == PURE_SFT
    branch = select_rows(panel.fits, **key)
    if pure_sft:
        key.pop("sft_step")
    collapsed = branch[branch["collapsed"].astype(bool)]
    draw_seed_points(axes, select_rows(panel.curves, **key), collapsed, look, scale)
    ended = 0 < len(branch) == len(collapsed)
    before = means["x_rl_eflops"] <= (
        branch["x_end_eflops"].max() * COMPUTE_TOLERANCE if ended else np.inf
    )
    usable = means[before]
    # One point before the collapse, so that the fall starts on the line.
    fall = means[~before | (~before).shift(-1, fill_value=False)]
    axes.plot(fall["x_total"] * scale, fall["score"], ":", color=look.colour, lw=0.7, zorder=2)
    grid = make_law_grid(float(branch["x_end_eflops"].max())) if len(branch) else np.empty(0)
    law = average_laws(branch, grid)
    x_line, y_line = usable["x_total"].to_numpy(dtype=float), usable["score"].to_numpy(dtype=float)
    if law is not None:
        x_line, y_line = float(branch["x_sft_eflops"].mean()) + grid, law
    axes.plot(x_line * scale, y_line, color=look.colour, lw=1.4, zorder=2 if pure_sft else 4)
    x = (collapsed["x_sft_eflops"] + collapsed["x_end_eflops"]).to_numpy(dtype=float)
    y = np.interp(x, x_line, y_line)
    axes.plot(x * scale, y, "x", ms=8, mew=2.4, color=look.colour, zorder=6)
    return usable


def draw_seed_points(
    axes: Axes, raw: pd.DataFrame, collapsed: pd.DataFrame, look: style.Look, scale: float
) -> None:
    """Evaluations of every seed, pale after its collapse; `collapsed`: the fits of such seeds."""
    ends = collapsed.set_index("seed")["x_end_eflops"]
    fallen = raw["x_rl_eflops"] > raw["seed"].map(ends).fillna(np.inf) * COMPUTE_TOLERANCE
    for rows, alpha in ((raw[~fallen], 0.55), (raw[fallen], PALE_ALPHA)):
        x = (rows["x_sft_eflops"] + rows["x_rl_eflops"]) * scale
        axes.scatter(
            x,
            rows["score"],
            s=11,
            color=look.colour,
            marker=look.marker,
            alpha=alpha,
            lw=0,
            zorder=3,
        )


def set_panel_window(axes: Axes, panel: ParadigmPanel, ends: Sequence[float], scale: float) -> None:
    """The window; without one, all from zero, logarithmic where some lines end far before others.

    Args:
        axes: its x axis is set; panel: what is drawn.
        ends: where each line ends, in units of the axis; scale: such units per EFLOP.
    """
    if panel.window is not None:
        low, high = (scale * end for end in panel.window)
        axes.set_xlim(low, high + 0.03 * (high - low))
        return
    largest = max([*ends, 1e-12])
    total = (panel.curves["x_sft_eflops"] + panel.curves["x_rl_eflops"]).to_numpy() * scale
    log = largest > WIDE_RANGE * min([end for end in ends if end > 0], default=largest)
    style.set_compute_axis(axes, log, min([*total[total > 0], largest]), largest)


def make_paradigm_legend(
    panels: Sequence[ParadigmPanel], looks: dict[str, style.Look]
) -> list[Line2D]:
    """One entry per method, after SFT or not, then the kinds of marks."""
    curves = pd.concat([panel.curves for panel in panels])
    present = set(curves["paradigm"])
    handles = []
    for method, look in looks.items():
        names = present & {method, SFT_THEN_PREFIX + method}
        if not names:
            continue
        label = f"({SFT_THEN_PREFIX}){method}" if len(names) == 2 else names.pop()
        datasets = curves.loc[curves["paradigm"] == label, "dataset"].unique()
        if label in (PURE_SFT, SFT_THEN_RL) and len(datasets) == 1:
            label = f"{label}, {datasets[0]}"
        handles.append(
            Line2D([], [], marker=look.marker, ms=4.5, color=look.colour, lw=1.4, label=label)
        )
    if any(len(panel.context) for panel in panels):
        handles.append(
            Line2D([], [], color=style.FAINT_GREY, lw=1.0, label="pale: other SFT data sets")
        )
    if any(panel.fits["collapsed"].astype(bool).any() for panel in panels):
        handles.append(
            Line2D([], [], ls="", marker="x", ms=6, mew=2, color=style.INK, label="collapse")
        )
    return handles
