"""The figures of a study's page that answer to the pointer, by the card that they stand in."""

from collections.abc import Mapping, Sequence

import pandas as pd

from retu.reporting.charts.branch_chart import draw_branch_chart
from retu.reporting.charts.bundle import read_chart_scripts
from retu.reporting.charts.page_chart import PageChart
from retu.reporting.tidy_files import list_models

Charts = dict[str, list[PageChart]]


def draw_study_charts(
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    order: Sequence[str],
    figures: Mapping[str, str],
) -> Charts:
    """The charts of every model; a card without any keeps its figure for paper.

    Args:
        curves: overall rows of curves.csv; fits: fits.csv; subphases: subphases.csv.
        order: SFT data sets.
        figures: data URIs of the figures for paper, by name.
    """
    models = list_models(fits)
    # One figure for paper has all models: it stands behind the first chart.
    papers = [figures.get("figure_3", ""), *[""] * len(models)]
    branches = [
        draw_branch_chart(curves, fits, subphases, model, paper, order)
        for model, paper in zip(models, papers, strict=False)
    ]
    return {"branches": [chart for chart in branches if chart]}


def read_scripts(charts: Charts) -> str:
    """The scripts that charts need; nothing where a page has none."""
    return read_chart_scripts() if any(charts.values()) else ""
