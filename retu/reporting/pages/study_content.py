"""What a study's page shows, and the files that it is read from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from retu.advice.advice_record import StudyAnswer
from retu.core.markdown import TextTable
from retu.core.tables import read_table
from retu.reporting.answer_samples import AnswerSamples, read_samples
from retu.reporting.answer_words import read_answer
from retu.reporting.charts.training_chart import TrainingTables
from retu.reporting.collapse_histories import read_histories
from retu.reporting.collapse_text import read_collapses
from retu.reporting.further_artefacts import (
    ShownFigure,
    ShownTable,
    list_further_figures,
    read_further_tables,
)
from retu.reporting.hypotheses_table import get_alpha, read_hypotheses, tabulate_hypotheses
from retu.reporting.made_by import FileOrigin, find_origins, read_versions
from retu.reporting.pages.page_shell import encode_data_uri
from retu.reporting.pages.study_json import STUDY_KEYS, read_json
from retu.reporting.paradigm_table import PARADIGM_COLUMNS
from retu.reporting.result_tables import STUDY_TABLE_4_COLUMNS
from retu.reporting.tidy_files import (
    STATS_COLUMNS,
    fill_text_cells,
    read_curves,
    read_fits,
    read_subphases,
)

REPORT_FIGURES = ("figure_2", "figure_3", "figure_8", "collapses")


@dataclass(frozen=True)
class StudyFiles:
    """The files that a page is read from, by the names of the script's options.

    Attributes:
        tables, figures: a file or more of the folders with the study's tables and figures.
        further_tables, further_figures: what only some studies have, named by their targets.
        grades, generations: of SFT runs.
        hypotheses: hypotheses.csv, or none.
        histories: history.csv of RL runs.
    """

    study_json: Path
    answer: Path
    collapses: Path
    curves: Path
    fits: Path
    subphases: Path
    versions: Path
    tables: Sequence[Path]
    figures: Sequence[Path]
    further_tables: Sequence[Path] = ()
    further_figures: Sequence[Path] = ()
    grades: Sequence[Path] = ()
    generations: Sequence[Path] = ()
    hypotheses: Sequence[Path] = ()
    histories: Sequence[Path] = ()

    def get_table(self, name: str) -> Path:
        """A table of the study."""
        return self.tables[0].with_name(f"{name}.csv")

    def get_figure(self, name: str, kind: str = "svg") -> Path:
        """A figure of the study, or the numbers in it."""
        return self.figures[0].with_name(f"{name}.{kind}")

    def list_shown(self) -> dict[str, Path]:
        """What the page shows, by the names that it has there."""
        further = (*self.further_tables, *self.further_figures, *self.hypotheses)
        return {
            "answer": self.answer,
            **{name: self.get_table(name) for name in ("table_3", "table_4")},
            **{name: self.get_figure(name) for name in REPORT_FIGURES},
            "paradigms": self.get_figure("figure_2", "csv"),
            "subphases": self.subphases,
            "collapses_table": self.collapses,
            **{path.stem: path for path in further},
        }


@dataclass(frozen=True)
class PageArtefacts:
    """What earlier rules made for the page: tables, and the figures as data URIs."""

    table_3: pd.DataFrame
    table_4: pd.DataFrame
    paradigms: pd.DataFrame
    figures: dict[str, str]
    further_tables: list[ShownTable] = field(default_factory=list)
    further_figures: list[ShownFigure] = field(default_factory=list)
    samples: AnswerSamples | None = None
    hypotheses: TextTable | None = None


@dataclass(frozen=True)
class StudyPageContent:
    """Everything that the page shows.

    Attributes:
        study: study.json.
        branches: curves, fits, sub-phases, collapses and what training logged.
        versions: of libraries and of this project.
        origins: of the files shown, by the names that the page gives them.
    """

    study: dict[str, Any]
    answer: StudyAnswer
    branches: TrainingTables
    artefacts: PageArtefacts
    versions: dict[str, Any] = field(default_factory=dict)
    origins: Mapping[str, FileOrigin] = field(default_factory=dict)


def read_study_content(files: StudyFiles) -> StudyPageContent:
    """Read everything that the page shows; InputError names the first file that is amiss."""
    study = read_json(files.study_json, STUDY_KEYS)
    answer = read_answer(files.answer)
    branches = TrainingTables(
        histories=read_histories(files.histories),
        curves=read_curves(files.curves),
        fits=read_fits(files.fits),
        subphases=read_subphases(files.subphases),
        collapses=read_collapses(files.collapses),
    )
    return StudyPageContent(
        study,
        answer,
        branches,
        read_artefacts(files, answer, study),
        read_versions(study["name"], read_json(files.versions), files.curves),
        find_origins(study["name"], files.list_shown()),
    )


def read_artefacts(
    files: StudyFiles, answer: StudyAnswer, study: Mapping[str, Any]
) -> PageArtefacts:
    """Read the tables and the SVG figures of the study, and what few studies have."""
    drawn = [*map(files.get_figure, REPORT_FIGURES), *files.further_figures]
    paradigms = read_table(files.get_figure("figure_2", "csv"), PARADIGM_COLUMNS)
    alpha = get_alpha(study)
    judged = [tabulate_hypotheses(read_hypotheses(path), alpha) for path in files.hypotheses]
    return PageArtefacts(
        fill_text_cells(read_table(files.get_table("table_3"), STATS_COLUMNS)),
        fill_text_cells(read_table(files.get_table("table_4"), STUDY_TABLE_4_COLUMNS)),
        fill_text_cells(paradigms),
        {path.stem: encode_data_uri(path) for path in drawn},
        read_further_tables(files.further_tables),
        list_further_figures(files.further_figures),
        read_samples(answer, files.grades, files.generations),
        next(iter(judged), None),
    )
