"""How figures draw the paper's printed values: hollow grey diamonds, and dashes for scores."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import offset_copy

from retu.reporting import style
from retu.reporting.published_values import find_published_ceiling

OFFSET = 7.0
"""How far right of a branch's own ceiling the printed one is, points."""
DIAMOND: dict[str, Any] = {
    **{"ls": "", "marker": "D", "ms": 3.6, "mfc": "none", "mec": style.GREY, "mew": 0.9},
}
LINE: dict[str, Any] = {"color": style.GREY, "lw": 1.5}
DASHED = (0, (3, 1.2))
SHORTEST = 0.07
"""Of the dash at a checkpoint, as a share of the axis."""
HALO = [withStroke(linewidth=2.0, foreground="white")]


def make_diamond_handle(label: str) -> Line2D:
    """The key of hollow diamonds."""
    return Line2D([], [], label=label, **DIAMOND)


def mark_published_ceilings(axes: Axes, branches: pd.DataFrame, published: pd.DataFrame) -> None:
    """Beside each branch, in their order, the A_post that the paper prints of its checkpoint."""
    keys = zip(branches["sft_step"], branches["x_sft_eflops"], strict=True)
    aside = offset_copy(axes.transData, axes.get_figure(root=True), x=OFFSET, units="points")
    for place, (step, compute) in enumerate(keys):
        ceiling = find_published_ceiling(published, int(step), float(compute))
        if ceiling is not None:
            axes.plot(place, ceiling, zorder=3, transform=aside, **DIAMOND)


def mark_published_sets(axes: Axes, ceilings: pd.DataFrame, published: pd.DataFrame) -> int:
    """Loss and ceiling that the paper prints of a set, joined to the study's own point; how many.

    Args:
        ceilings: the study's, of one model; published: rows of `read_published_sets`.
    """
    pairs = ceilings.merge(published, on=["model", "dataset"])
    for pair in pairs.to_dict("records"):
        ours = float(pair["min_val_loss"]), float(pair["a_post"])
        printed = float(pair["published_min_val_loss"]), float(pair["published_a_post"])
        x, y = zip(ours, printed, strict=True)
        axes.plot(x, y, color=style.GREY, lw=0.6, ls=":", zorder=2)
        axes.plot(*printed, zorder=4, path_effects=HALO, **DIAMOND)
    return len(pairs)


def mark_published_scores(axes: Axes, rows: pd.DataFrame, per_eflop: float, label: str) -> None:
    """Printed scores of one benchmark: a dash at a checkpoint's compute, a longer one over RL.

    Args:
        rows: of the figure's table, with `published`, percent (NaN: none).
        per_eflop: units of the axis in an EFLOP.
        label: of the legend.
    """
    known = rows.dropna(subset=["published"])
    low, high = axes.get_xlim()
    for _, points in known.groupby(["paradigm", "sft_step"], sort=False):
        x = (points["x_sft_eflops"] + points["x_rl_eflops"]) * per_eflop
        middle, width = (x.min() + x.max()) / 2, max(x.max() - x.min(), SHORTEST * (high - low))
        ends = middle - width / 2, middle + width / 2
        score = float(points["published"].iloc[0])
        look = {"ls": DASHED if len(points) > 1 else "-", "path_effects": HALO, **LINE}
        axes.plot(ends, (score, score), label=label, zorder=5, **look)
        label = "_" + label.lstrip("_")  # one key for all
