"""The tables and figures that a report shows only where its study has the runs for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retu.core.markdown import TextTable
from retu.core.tables import read_table
from retu.reporting.benchmark_table import format_benchmark_table
from retu.reporting.best_scores import format_table_1
from retu.reporting.scale_tables import format_table_5, format_table_6
from retu.reporting.tidy_files import fill_text_cells

FORMATS: dict[str, tuple[Callable[[pd.DataFrame], TextTable], str]] = {
    "table_1": (
        format_table_1,
        "Table 1. Highest score of every paradigm and SFT set, percent, with the minimum"
        " validation loss and the SFT step at which RL starts.",
    ),
    "table_5": (
        format_table_5,
        "Table 5. Highest ceiling and minimum validation loss over SFT sets of growing size.",
    ),
    "table_6": (
        format_table_6,
        "Table 6. RL of a larger model, from its base model (step 0) and from SFT checkpoints.",
    ),
    "per_benchmark": (
        format_benchmark_table,
        "Every run benchmark by benchmark: at its start and at its best evaluation, percent.",
    ),
}
CAPTIONS = {
    "figure_4": (
        "Figure 4. Scores out of distribution against compute.",
        "Grey is Pure SFT; bars are one standard error from the number of problems. Points are"
        " evaluations during RL, lines their running median of five.",
    ),
    "figure_7": (
        "Figure 7. RL from SFT sets of growing size, smallest first.",
        "As figure 3.",
    ),
}


@dataclass(frozen=True)
class ShownTable:
    """A table of the page: the name of its target, what it shows, and its cells."""

    name: str
    caption: str
    content: TextTable


@dataclass(frozen=True)
class ShownFigure:
    """A figure of the page: the name of its target, its title and what its marks mean."""

    name: str
    title: str
    explanation: str


def read_further_tables(paths: Sequence[Path]) -> list[ShownTable]:
    """Read the tables from their CSV files, whose names are those of their targets."""
    shown = []
    for path in paths:
        format_table, caption = FORMATS[path.stem]
        table = fill_text_cells(read_table(path, ("model",)))
        shown.append(ShownTable(path.stem, caption, format_table(table)))
    return shown


def list_further_figures(paths: Sequence[Path]) -> list[ShownFigure]:
    """What stands below each figure."""
    return [ShownFigure(path.stem, *CAPTIONS[path.stem]) for path in paths]
