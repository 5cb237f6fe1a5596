"""Figure 7: SFT curves, RL branches and ceilings of sets of growing size, smallest first."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from retu.core.markdown import format_integer
from retu.reporting.aggregate import average_branches
from retu.reporting.figure_branches import draw_branch_figure
from retu.reporting.published_values import make_no_branches
from retu.reporting.result_tables import rank_names
from retu.reporting.scale_tables import list_scaled_models
from retu.reporting.tidy_files import NO_DATASET, SFT_THEN_RL, list_models


def sort_by_size(stats: pd.DataFrame, order: Sequence[str]) -> dict[str, float]:
    """The rows of each set, smallest first; a set whose size is not known comes last (NaN)."""
    sizes = stats.set_index("dataset")["rows"].reindex(list(order))
    return {str(name): float(rows) for name, rows in sizes.sort_values(kind="stable").items()}


def draw_scale_figure(
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    stats: pd.DataFrame,
    order: Sequence[str],
    published: pd.DataFrame | None = None,
    label: str = "paper",
) -> Figure:
    """Draw the figure: one row of panels per model and size. Call inside `style.use_style()`.

    Args:
        curves: overall rows of curves.csv; fits: fits.csv; subphases: subphases.csv.
        stats: rows of dataset_stats.csv, for the sizes.
        order: the sets that differ in size.
        published: ceilings that the paper prints, `read_published_branches`; label: their key.
    """
    sizes = sort_by_size(stats, order)
    titles = {name: f"{name}, {format_integer(rows)} rows" for name, rows in sizes.items()}
    trained = list_scaled_models(fits, order)
    shown_curves, shown_fits, shown_subphases = (
        frame.loc[
            frame["dataset"].isin([*sizes, NO_DATASET]) & frame["model"].isin(trained)
        ].replace({"dataset": titles})
        for frame in (curves, fits, subphases)
    )
    printed = make_no_branches() if published is None else published
    printed = printed.replace({"dataset": titles})
    frames = shown_curves, shown_fits, shown_subphases
    return draw_branch_figure(*frames, list(titles.values()), printed, label)


def build_scale_table(
    fits: pd.DataFrame, stats: pd.DataFrame, order: Sequence[str]
) -> pd.DataFrame:
    """The figure's numbers: one row per model, set and checkpoint, means over seeds.

    Columns rows (the set's size), P_sft, A_post with its interval and the highest score, percent;
    x_sft_eflops.
    """
    sizes = sort_by_size(stats, order)
    own = fits[fits["dataset"].isin(sizes) & fits["model"].isin(list_scaled_models(fits, order))]
    branches = average_branches(own[own["paradigm"] == SFT_THEN_RL])
    branches.insert(2, "rows", branches["dataset"].map(sizes))
    ranks = rank_names(branches["model"], list_models(branches))
    ordered = branches.assign(
        model_rank=ranks, set_rank=rank_names(branches["dataset"], list(sizes))
    )
    ordered = ordered.sort_values(["model_rank", "set_rank", "sft_step", "recipe"], kind="stable")
    return ordered[list(branches.columns)].reset_index(drop=True)
