"""Figure 8: highest ceiling of each SFT data set against its minimum validation loss."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from retu.core.markdown import format_number
from retu.reporting import style
from retu.reporting.aggregate import build_dataset_ceilings
from retu.reporting.published_marks import make_diamond_handle, mark_published_sets
from retu.reporting.tidy_files import SFT_THEN_RL, SUBPHASES, list_models
from retu.scaling.correlation import Correlation, correlate_pairs

HEIGHTS = 2.5, 0.75  # of a row and between rows, inches
MARGINS = 0.6, 0.1, 0.25, 0.5  # left, right, top, bottom, inches
MEASURE_LABELS = {"a_post": "highest A_post", "best_score": "best observed score"}


def build_selection_table(
    fits: pd.DataFrame, subphases: pd.DataFrame, order: Sequence[str]
) -> pd.DataFrame:
    """The figure's data: one row per model and data set, the model's correlations repeated.

    Columns `pearson_*` and `spearman_*` are for A_post and for the best observed score; `note`
    says why they are empty when they are.
    """
    parts = []
    for model in list_models(fits[fits["paradigm"] == SFT_THEN_RL]):
        part = build_dataset_ceilings(fits, subphases, order, model)
        found = correlate_measures(part)
        part["n_datasets"] = found["a_post"].n
        for measure, correlation in found.items():
            part[f"pearson_{measure}"] = correlation.pearson
            part[f"pearson_{measure}_low"] = correlation.low
            part[f"pearson_{measure}_high"] = correlation.high
            part[f"spearman_{measure}"] = correlation.spearman
        part["note"] = found["a_post"].note
        parts.append(part)
    if not parts:
        return build_dataset_ceilings(fits, subphases, order, "").assign(n_datasets=0, note="")
    return pd.concat(parts, ignore_index=True)


def correlate_measures(ceilings: pd.DataFrame) -> dict[str, Correlation]:
    """Correlation of each measure with the minimum validation loss, over data sets."""
    losses = ceilings["min_val_loss"].tolist()
    return {
        measure: correlate_pairs(losses, ceilings[measure].tolist()) for measure in MEASURE_LABELS
    }


def draw_selection_figure(
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    order: Sequence[str],
    published: pd.DataFrame | None = None,
    label: str = "paper",
) -> Figure:
    """Draw the figure, one panel per model that compares sets. Call inside `style.context()`.

    Args:
        fits: fits.csv; subphases: subphases.csv; order: SFT data sets.
        published: what the paper prints of sets, `read_published_sets`; label: their key.
    """
    models = list_compared_models(fits)
    shape = len(models), 2
    figure, grid = style.make_panel_grid(shape, HEIGHTS, MARGINS, 0.06, width_ratios=[2.1, 1])
    for (axes, side), model in zip(grid, models, strict=True):
        ceilings = build_dataset_ceilings(fits, subphases, order, model)
        own = fits[(fits["model"] == model) & (fits["paradigm"] == SFT_THEN_RL)]
        draw_dataset_points(axes, ceilings, own, subphases[subphases["model"] == model])
        printed = published is not None and mark_published_sets(axes, ceilings, published)
        write_statistics(side, ceilings, [make_diamond_handle(label)] if printed else [])
        axes.set_ylabel("Highest ceiling A_post (%)")
        axes.set_xlabel("Minimum validation loss (nats per token)")
        if len(models) > 1:
            axes.set_title(model, loc="left", fontweight="bold")
    return figure


def list_compared_models(fits: pd.DataFrame) -> list[str]:
    """The models with two data sets or more; where there is none, all."""
    branches = fits[fits["paradigm"] == SFT_THEN_RL]
    counts = branches.groupby("model")["dataset"].nunique()
    models = list_models(branches)
    return [model for model in models if counts[model] >= 2] or models or [""]


def draw_dataset_points(
    axes: Axes, ceilings: pd.DataFrame, fits: pd.DataFrame, subphases: pd.DataFrame
) -> None:
    """A_post with intervals, the seeds behind them, best observed scores, and a trend line."""
    minima = subphases.groupby(["dataset", "seed"])["min_val_loss"].min()
    for row in ceilings.to_dict("records"):
        x, y, label = float(row["min_val_loss"]), float(row["a_post"]), str(row["dataset"])
        look = style.get_subphase_look(str(row["subphase"]))
        axes.plot([x, x], [row["a_post_low"], row["a_post_high"]], color=look.colour, lw=1.2)
        fill = look.colour if row["identified"] else "white"
        axes.plot(x, y, look.marker, ms=7, mfc=fill, mec=look.colour, mew=1.2, zorder=4)
        axes.plot(x, row["best_score"], "_", ms=9, mew=1.5, color=style.INK, zorder=3)
        axes.annotate(
            label,
            (x, y),
            (7, 0),
            textcoords="offset points",
            va="center",
            size=7.5,
            zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
        if row["n_seeds"] > 1:
            branch = fits[(fits["dataset"] == label) & (fits["sft_step"] == row["sft_step"])]
            branch = branch[branch["recipe"] == row["recipe"]]
            losses = [minima.get((label, seed), np.nan) for seed in branch["seed"]]
            axes.scatter(losses, branch["a_post"], s=8, color=look.colour, alpha=0.45, lw=0)
    draw_trend(axes, ceilings)
    axes.margins(x=0.14, y=0.12)


def draw_trend(axes: Axes, ceilings: pd.DataFrame) -> None:
    """Least-squares line through the means, thin and dashed; only where r is defined."""
    known = ceilings.dropna(subset=["min_val_loss", "a_post"])
    if correlate_measures(known)["a_post"].note:
        return
    slope, offset = np.polyfit(known["min_val_loss"], known["a_post"], 1)
    ends = np.array([known["min_val_loss"].min(), known["min_val_loss"].max()])
    axes.plot(ends, slope * ends + offset, color=style.GREY, lw=0.9, ls="--", zorder=1)


def write_statistics(side: Axes, ceilings: pd.DataFrame, more: Sequence[Line2D] = ()) -> None:
    """Beside the panel, off the data: the correlations, how many data sets, the key, and `more`."""
    side.axis("off")
    lines = []
    for measure, correlation in correlate_measures(ceilings).items():
        lines += [
            f"Minimum loss and {MEASURE_LABELS[measure]}",
            *format_statistics(correlation),
            "",
        ]
    side.text(0, 1, "\n".join(lines), va="top", size=7.5, linespacing=1.5, transform=side.transAxes)
    looks = {
        label: style.get_subphase_look(label)
        for label in SUBPHASES
        if label in set(ceilings["subphase"])
    }
    handles = [
        Line2D(
            [], [], ls="", marker=look.marker, color=look.colour, label=f"A_post, RL from {label}"
        )
        for label, look in looks.items()
    ]
    handles += [
        Line2D(
            [], [], ls="", marker="s", mfc="white", color=style.INK, label="open: not identified"
        ),
        Line2D(
            [], [], ls="", marker="_", ms=9, mew=1.5, color=style.INK, label="best observed score"
        ),
    ]
    side.legend(
        handles=[*handles, *more], loc="lower left", bbox_to_anchor=(-0.05, -0.04), handlelength=1.2
    )


def format_statistics(correlation: Correlation) -> list[str]:
    """A correlation in words for the margin of a figure."""
    if correlation.note:
        return [f"  {correlation.note}", f"  n = {correlation.n}"]
    low, high = format_number(correlation.low, 2), format_number(correlation.high, 2)
    return [
        f"  Pearson r = {format_number(correlation.pearson, 2)}",
        f"  95% interval [{low}, {high}]",
        f"  Spearman {format_number(correlation.spearman, 2)},  n = {correlation.n}",
    ]
