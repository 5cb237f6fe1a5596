"""The report: one HTML page with everything inside it, to be sent as it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from retu.advice.advice_record import StudyAnswer
from retu.core.errors import InputError
from retu.core.markdown import TextTable
from retu.core.tables import read_table
from retu.reporting.answer_samples import AnswerSamples
from retu.reporting.answer_words import arrange_answers
from retu.reporting.charts.training_chart import TrainingTables
from retu.reporting.collapse_histories import BranchKey
from retu.reporting.collapse_text import describe_collapses, format_collapses, read_collapses
from retu.reporting.drawing import select_rows
from retu.reporting.further_artefacts import (
    ShownFigure,
    ShownTable,
    list_further_figures,
    read_further_tables,
)
from retu.reporting.made_by import FileOrigin
from retu.reporting.pages.page_cards import arrange_cards, summarise_answer
from retu.reporting.pages.page_charts import draw_study_charts, read_scripts
from retu.reporting.pages.page_shell import encode_data_uri, list_versions, load_page_template
from retu.reporting.paradigm_table import PARADIGM_COLUMNS, tabulate_paradigms
from retu.reporting.result_tables import (
    STUDY_TABLE_4_COLUMNS,
    format_subphase_table,
    format_table_3,
    format_table_4,
)
from retu.reporting.run_costs import format_run_costs, measure_run_costs
from retu.reporting.study_answer import AnswerPart, build_answer
from retu.reporting.tidy_files import STATS_COLUMNS, fill_text_cells, list_models
from retu.reporting.token_cuts import describe_cut_answers

Histories = Mapping[BranchKey, pd.DataFrame]
"""What training logged, as `read_histories` gives it."""
PAGE_TEMPLATE = "page.html.j2"
STUDY_KEYS = ("name", "title", "description", "order", "seeds", "benchmarks")
REPORT_FIGURES = ("figure_2", "figure_3", "figure_8", "collapses")
MARKS = {
    "identified": "good", "bound": "warn", "not identified": "warn", "right": "good",
    "wrong": "bad", "supports": "good", "contradicts": "bad", "undecided": "warn",
}  # fmt: skip
"""Cells that the page colours; the words themselves say the same."""


@dataclass(frozen=True)
class PageArtefacts:
    """What earlier rules made for the page: tables, and the figures as data URIs."""

    table_3: pd.DataFrame
    table_4: pd.DataFrame
    paradigms: pd.DataFrame
    collapses: pd.DataFrame
    figures: dict[str, str]
    further_tables: list[ShownTable] = field(default_factory=list)
    further_figures: list[ShownFigure] = field(default_factory=list)
    samples: AnswerSamples | None = None
    hypotheses: TextTable | None = None
    histories: Histories = field(default_factory=dict)


def read_json(path: Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Read a JSON object that must have `keys`; InputError names file and key."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}); run its rule again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a JSON object; run its rule again")
    missing = [key for key in keys if key not in content]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)}; run its rule again")
    return content


def read_artefacts(
    tables: Path,
    figures: Path,
    collapses: Path,
    further_tables: Sequence[Path] = (),
    further_figures: Sequence[Path] = (),
    samples: AnswerSamples | None = None,
    hypotheses: TextTable | None = None,
    histories: Histories | None = None,
) -> PageArtefacts:
    """Read the tables and the SVG figures from the study's folders, and what few studies have."""
    drawn = [*(figures / f"{name}.svg" for name in REPORT_FIGURES), *further_figures]
    return PageArtefacts(
        fill_text_cells(read_table(tables / "table_3.csv", STATS_COLUMNS)),
        fill_text_cells(read_table(tables / "table_4.csv", STUDY_TABLE_4_COLUMNS)),
        fill_text_cells(read_table(figures / "figure_2.csv", PARADIGM_COLUMNS)),
        read_collapses(collapses),
        {path.stem: encode_data_uri(path) for path in drawn},
        read_further_tables(further_tables),
        list_further_figures(further_figures),
        samples,
        hypotheses,
        histories or {},
    )


def list_report_files(
    tables: Path, figures: Path, subphases: Path, answer: Path, collapses: Path
) -> dict[str, Path]:
    """What the page shows, by the names that it has there."""
    return {
        "answer": answer,
        "table_3": tables / "table_3.csv",
        "table_4": tables / "table_4.csv",
        **{name: figures / f"{name}.svg" for name in REPORT_FIGURES},
        "paradigms": figures / "figure_2.csv",
        "subphases": subphases,
        "collapses_table": collapses,
    }


def compare_models(
    curves: pd.DataFrame, fits: pd.DataFrame, subphases: pd.DataFrame, order: Sequence[str]
) -> dict[str, list[AnswerPart]]:
    """What the data sets, starts and paradigms of each model say against each other."""
    return {
        model: build_answer(
            select_rows(curves, model=model),
            select_rows(fits, model=model),
            select_rows(subphases, model=model),
            order,
        )
        for model in list_models(fits)
    }


def render_report_page(
    study: dict[str, Any],
    answer: StudyAnswer,
    artefacts: PageArtefacts,
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    versions: dict[str, Any],
    origins: Mapping[str, FileOrigin],
) -> str:
    """Fill the page template. The same inputs give the same bytes: no dates, no random ids."""
    order = [str(name) for name in study["order"]]
    answers = arrange_answers(answer)
    known = TrainingTables(artefacts.histories, curves, fits, subphases, artefacts.collapses)
    charts = draw_study_charts(known, order, artefacts.figures)
    return load_page_template(PAGE_TEMPLATE).render(
        study=study,
        verdict=summarise_answer(answer),
        cards=arrange_cards(answers.opened, compare_models(curves, fits, subphases, order)),
        folded=answers.folded,
        table_3=format_table_3(artefacts.table_3),
        table_4=format_table_4(artefacts.table_4),
        paradigms=tabulate_paradigms(artefacts.paradigms),
        subphases=format_subphase_table(subphases, curves, order),
        collapsed=describe_collapses(artefacts.collapses),
        collapses=format_collapses(artefacts.collapses),
        figures=artefacts.figures,
        charts=charts,
        scripts=read_scripts(charts),
        further_tables={shown.name: shown for shown in artefacts.further_tables},
        further_figures=artefacts.further_figures,
        samples=artefacts.samples,
        hypotheses=artefacts.hypotheses,
        costs=format_run_costs(measure_run_costs(curves)),
        counts=count_report_evidence(curves, fits),
        cuts=describe_cut_answers(curves),
        marks=MARKS,
        versions=list_versions(versions),
        origins=origins,
    )


def count_report_evidence(curves: pd.DataFrame, fits: pd.DataFrame) -> dict[str, int]:
    """How much evidence stands behind the page: evaluations made, RL runs, problems."""
    return {
        "evaluated points": count_evaluations(curves),
        "RL runs": len(fits),
        "problems per point": int(curves["n_problems"].max()),
    }


def count_evaluations(curves: pd.DataFrame) -> int:
    """Number of distinct evaluations: a step of a grades file, however many curves show it.

    A branch borrows its point x_rl = 0 from its SFT run, and an SFT run its step 0 from the base
    model; `source` names the file they come from, where their step is the SFT step.
    """
    steps = curves["rl_step"].where(curves["rl_step"] > 0, curves["sft_step"])
    return len(curves[["source"]].assign(step=steps).drop_duplicates())
