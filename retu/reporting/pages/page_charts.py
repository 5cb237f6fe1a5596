"""The figures of a study's page that answer to the pointer, by the card that they stand in."""

from collections.abc import Mapping, Sequence

from retu.reporting.charts.branch_chart import draw_branch_chart
from retu.reporting.charts.bundle import read_chart_scripts
from retu.reporting.charts.ceiling_chart import draw_ceiling_chart
from retu.reporting.charts.page_chart import PageChart
from retu.reporting.charts.sft_chart import draw_sft_chart
from retu.reporting.charts.training_chart import TrainingTables, draw_training_chart
from retu.reporting.tidy_files import list_models

Charts = dict[str, list[PageChart]]
MOST_MODELS = 2
"""Models of which every chart is drawn; a page is to stay small. Of the others tables tell."""


def draw_study_charts(
    tables: TrainingTables, order: Sequence[str], figures: Mapping[str, str]
) -> Charts:
    """The charts of the first models; a card without any keeps its figure for paper.

    Args:
        tables: curves, fits, sub-phases and what training logged.
        order: SFT data sets.
        figures: data URIs of the figures for paper, by name.
    """
    found: Charts = {"branches": [], "sft": [], "ceilings": [], "training": []}
    curves, fits, subphases = tables.curves, tables.fits, tables.subphases
    for place, model in enumerate(list_models(fits)[:MOST_MODELS]):
        # A figure for paper has all models: it stands behind the first chart.
        paper = {} if place else figures
        drawn = {
            "branches": draw_branch_chart(
                curves, fits, subphases, model, paper.get("figure_3", ""), order
            ),
            "sft": draw_sft_chart(curves, subphases, model, order),
            "ceilings": draw_ceiling_chart(
                fits, subphases, order, model, paper.get("figure_8", "")
            ),
            "training": draw_training_chart(tables, model, order),
        }
        for card, chart in drawn.items():
            if chart is not None:
                found[card].append(chart)
    return found


def read_scripts(charts: Charts) -> str:
    """The scripts that charts need; nothing where a page has none."""
    return read_chart_scripts() if any(charts.values()) else ""
