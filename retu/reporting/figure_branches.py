"""Figure 3: SFT curve, RL branches, fitted laws and ceilings, one row of panels per data set."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from retu.core.markdown import format_number
from retu.reporting import style
from retu.reporting.aggregate import average_branches, average_points, find_usual_subphase
from retu.reporting.branch_panels import (
    BranchPanel,
    compute_branch_spans,
    label_steps,
    make_panels,
    needs_log_axis,
)
from retu.reporting.compute_units import ComputeUnit, choose_unit
from retu.reporting.drawing import average_laws, compute_score_limits, make_law_grid, select_rows
from retu.reporting.published_marks import make_diamond_handle, mark_published_ceilings
from retu.reporting.tidy_files import (
    PURE_SFT,
    SFT_THEN_RL,
    SUBPHASES,
)

HEIGHTS = 1.3, 0.6  # of a row and between rows, inches
MARGINS = 0.5, 0.1, 0.85, 0.55  # left, right, top, bottom, inches
STRIP = (1.03, 0.13)  # bottom and height of the sub-phase strip, in axes heights
VALUE_GAP = 4.0  # points between a ceiling's marker and its value
MANY_BRANCHES = 9  # from here on numbers get smaller or lose a digit to keep apart


def draw_branch_figure(
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    order: Sequence[str],
    published: pd.DataFrame | None = None,
    label: str = "paper",
) -> Figure:
    """Draw the figure. Call inside `style.context()`.

    Args:
        curves: overall rows of curves.csv; fits: fits.csv; subphases: subphases.csv.
        order: SFT data sets from top to bottom.
        published: ceilings that the paper prints, `read_published_branches`; label: their key.
    """
    panels = make_panels(curves, fits, subphases, order, published)
    unit = choose_unit(curves["x_sft_eflops"] + curves["x_rl_eflops"])
    shape = len(panels), 2
    figure, grid = style.make_panel_grid(
        shape, HEIGHTS, MARGINS, 0.08, sharey="row", width_ratios=[1.35, 1]
    )
    limits = compute_model_limits(panels, curves, fits)
    # One kind of axis for the whole figure: panels are compared with one another.
    log = all(needs_log_axis(panel) for panel in panels)
    for (left, right), panel in zip(grid, panels, strict=True):
        left.set_ylim(*limits[panel.model])
        draw_panel_curves(left, panel, unit, log)
        draw_branch_ceilings(right, panel)
        left.set_ylabel("Score (%)")
    grid[-1, 0].set_xlabel(f"Total training compute, x_sft + x_rl ({unit.name})")
    grid[-1, 1].set_xlabel("SFT step at which RL starts")
    printed = any(len(panel.published) for panel in panels)
    handles = make_branch_legend(panels) + ([make_diamond_handle(label)] if printed else [])
    figure.legend(handles=handles, loc="upper center", ncols=4)
    return figure


def compute_model_limits(
    panels: Sequence[BranchPanel], curves: pd.DataFrame, fits: pd.DataFrame
) -> dict[str, tuple[float, float]]:
    """Limits of the score axis of each model: its data sets are compared with one another."""
    branches = curves[curves["paradigm"].isin([SFT_THEN_RL, PURE_SFT])]
    limits = {}
    for model in dict.fromkeys(panel.model for panel in panels):
        printed = [panel.published["a_post"] for panel in panels if panel.model == model]
        ceilings = pd.concat([select_rows(fits, model=model)["a_post"], *printed])
        scores = select_rows(branches, model=model)["score"]
        limits[model] = compute_score_limits(scores.to_numpy(), ceilings.to_numpy(dtype=float))
    return limits


def draw_panel_curves(axes: Axes, panel: BranchPanel, unit: ComputeUnit, log: bool) -> None:
    """Left panel: scores against total compute, branches in the colour of their sub-phase."""
    draw_pure_rl(axes, panel, unit.per_eflop)
    draw_sft_curve(axes, panel, unit.per_eflop)
    draw_rl_branches(axes, panel, unit.per_eflop)
    set_branch_axis(axes, panel, unit.per_eflop, log)
    mark_cut_points(axes, panel, unit.per_eflop)
    axes.set_title(panel.name, loc="left", fontweight="bold")


def draw_sft_curve(axes: Axes, panel: BranchPanel, scale: float) -> None:
    """The SFT curve (mean over seeds) and its checkpoints in the colour of their sub-phase."""
    means = average_points(panel.sft)
    axes.plot(means["x_total"] * scale, means["score"], color=style.GREY, lw=1.0, zorder=2)
    several = panel.sft["seed"].nunique() > 1
    labels = label_steps(panel)
    labelled = panel.sft["sft_step"].isin(labels)
    rest = panel.sft[~labelled]  # evaluated, but their loss is not known: no more than dots
    axes.scatter(rest["x_sft_eflops"] * scale, rest["score"], s=4, color=style.GREY, lw=0, zorder=5)
    for step, label in labels.items():
        rows, look = select_rows(panel.sft, sft_step=step), style.get_subphase_look(label)
        axes.scatter(
            rows["x_sft_eflops"] * scale,
            rows["score"],
            s=11 if several else 22,
            color=look.colour,
            marker=look.marker,
            edgecolors="white",
            linewidths=0.4,
            zorder=5,
        )


def draw_rl_branches(axes: Axes, panel: BranchPanel, scale: float) -> None:
    """Every branch: its evaluations as dots and its fitted law as a line."""
    labels = label_steps(panel)
    branches = panel.rl[["sft_step", "recipe"]].drop_duplicates()
    for step, recipe in zip(branches["sft_step"], branches["recipe"], strict=True):
        colour = style.get_subphase_look(labels.get(int(step), "")).colour
        rows = select_rows(panel.rl, sft_step=step, recipe=recipe)
        x = (rows["x_sft_eflops"] + rows["x_rl_eflops"]) * scale
        axes.scatter(x, rows["score"], s=4, color=colour, alpha=0.45, linewidths=0, zorder=3)
        fits = select_rows(panel.fits, sft_step=step, recipe=recipe)
        grid = make_law_grid(float(fits["x_end_eflops"].max())) if len(fits) else np.empty(0)
        law = average_laws(fits, grid)
        if law is not None:
            start = float(fits["x_sft_eflops"].mean())
            axes.plot((start + grid) * scale, law, color=colour, lw=1.4, zorder=4)


def draw_pure_rl(axes: Axes, panel: BranchPanel, scale: float) -> None:
    """The Pure RL reference, dotted and grey behind everything else."""
    points = average_points(panel.pure_rl)
    for _, rows in points.groupby("recipe", sort=False):
        axes.plot(
            rows["x_total"] * scale, rows["score"], color=style.GREY, lw=1.0, ls=":", zorder=1
        )


def set_branch_axis(axes: Axes, panel: BranchPanel, scale: float, log: bool) -> None:
    """Fit the compute axis to the SFT curve and its branches."""
    sft = panel.sft["x_sft_eflops"].to_numpy() * scale
    spans = compute_branch_spans(panel) * scale
    positive = np.concatenate([sft[sft > 0], spans["x_sft_eflops"].to_numpy()])
    largest = max([*positive, *spans["total"], 1e-12])
    style.set_compute_axis(axes, log, min([*positive, largest]), largest)


def mark_cut_points(axes: Axes, panel: BranchPanel, scale: float) -> None:
    """Arrows at the lower edge for points that fall below the score axis."""
    bottom = axes.get_ylim()[0]
    below = panel.rl[panel.rl["score"] < bottom]
    x = (below["x_sft_eflops"] + below["x_rl_eflops"]) * scale
    axes.plot(x, np.full(len(below), bottom), "v", color=style.INK, ms=3, clip_on=False, zorder=6)


def draw_branch_ceilings(axes: Axes, panel: BranchPanel) -> None:
    """Right panel: from P_sft to A_post with its interval for each branch, in order of SFT step."""
    branches = average_branches(panel.fits).sort_values(["sft_step", "recipe"], kind="stable")
    axes.grid(axis="x", visible=False)
    axes.tick_params(axis="x", length=0)
    if branches.empty:
        axes.text(0.5, 0.5, "no RL branch", ha="center", color=style.GREY, transform=axes.transAxes)
        axes.set_xticks([])
        return
    labels = label_steps(panel)
    axes.set_xlim(-0.6, len(branches) - 0.4)
    for place, (_, branch) in enumerate(branches.iterrows()):
        label = labels.get(int(branch["sft_step"]), branch["subphase"])
        draw_ceiling(axes, place, branch, style.get_subphase_look(label))
        draw_subphase_strip(axes, place, panel, int(branch["sft_step"]))
    mark_published_ceilings(axes, branches, panel.published)
    ceiling = average_branches(panel.pure_rl_fits)["a_post"].max()
    if np.isfinite(ceiling):
        axes.axhline(ceiling, color=style.GREY, lw=1.0, ls=":", zorder=1)
    steps = [f"{int(step)}" for step in branches["sft_step"]]
    axes.set_xticks(range(len(branches)), steps, rotation=45 if len(steps) >= MANY_BRANCHES else 0)


def draw_ceiling(axes: Axes, x: int, branch: pd.Series, look: style.Look) -> None:
    """One branch: open dot at P_sft, marker at A_post (open when not identified), its interval."""
    p_sft, a_post = float(branch["p_sft"]), float(branch["a_post"])
    low, high = float(branch["a_post_low"]), float(branch["a_post_high"])
    identified = bool(branch["identified"])
    axes.plot([x, x], [p_sft, a_post], color=look.colour, lw=1.0, alpha=0.6, zorder=2)
    axes.plot(x, p_sft, "o", ms=3.5, mfc="white", mec=look.colour, mew=0.9, zorder=4)
    axes.plot([x, x], [low, high], color=look.colour, lw=3.2, alpha=0.3, zorder=1)
    fill = look.colour if identified else "white"
    axes.plot(x, a_post, look.marker, ms=5.5, mfc=fill, mec=look.colour, mew=1.0, zorder=5)
    if np.isfinite(a_post):
        axes.annotate(
            format_number(a_post) if identified else f"({format_number(a_post)})",
            (x, a_post),
            (0, VALUE_GAP),
            textcoords="offset points",
            ha="center",
            va="bottom",
            size=6.5 if axes.get_xlim()[1] < MANY_BRANCHES else 5.5,
            color=style.INK if identified else style.GREY,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
            zorder=6,
        )


def draw_subphase_strip(axes: Axes, x: int, panel: BranchPanel, step: int) -> None:
    """Above a branch: a cell in the colour of its sub-phase (one slice per seed), with the loss."""
    rows = select_rows(panel.subphases, sft_step=step)
    bottom, height = STRIP
    transform = axes.get_xaxis_transform()
    for place, label in enumerate(rows["subphase"]):
        width = 0.92 / len(rows)
        corner = (x - 0.46 + place * width, bottom)
        colour = style.get_subphase_look(str(label)).colour
        cell = Rectangle(corner, width, height, color=colour, lw=0, clip_on=False)
        cell.set_transform(transform)
        axes.add_patch(cell)
    if len(rows):
        colour = style.get_subphase_look(find_usual_subphase(rows["subphase"])).colour
        axes.text(
            x,
            bottom + height / 2,
            format_number(
                float(rows["val_loss"].mean()), 3 if axes.get_xlim()[1] < MANY_BRANCHES else 2
            ),
            transform=transform,
            ha="center",
            va="center_baseline",
            size=6,
            color=style.choose_ink(colour),
        )


def make_branch_legend(panels: Sequence[BranchPanel]) -> list[Line2D]:
    """Sub-phases that occur, then the kinds of marks."""
    present = {str(label) for panel in panels for label in panel.subphases["subphase"]}
    handles = [
        Line2D([], [], ls="", marker=look.marker, color=look.colour, label=label)
        for label, look in ((name, style.get_subphase_look(name)) for name in SUBPHASES)
        if label in present
    ]
    if any(len(panel.rl) and panel.subphases.empty for panel in panels):
        look = style.UNKNOWN_LOOK
        handles.append(
            Line2D([], [], ls="", marker=look.marker, color=look.colour, label="no label")
        )
    handles.append(Line2D([], [], color=style.GREY, label="Pure SFT (P_sft)"))
    handles.append(Line2D([], [], color=style.INK, lw=1.4, label="RL branch: fitted law"))
    if any(len(panel.pure_rl) for panel in panels):
        handles.append(Line2D([], [], color=style.GREY, ls=":", label="Pure RL"))
    handles.append(
        Line2D(
            [], [], ls="", marker="s", mfc="white", color=style.INK, label="(A_post) not identified"
        )
    )
    return handles
