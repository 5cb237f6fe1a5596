"""The report: one HTML page with everything inside it, to be sent as it is."""

from collections.abc import Sequence

import pandas as pd

from retu.reporting.answer_words import arrange_answers
from retu.reporting.collapse_text import describe_collapses, format_collapses
from retu.reporting.drawing import select_rows
from retu.reporting.pages.page_cards import arrange_cards, summarise_answer
from retu.reporting.pages.page_charts import draw_study_charts, read_scripts
from retu.reporting.pages.page_shell import list_versions, load_page_template
from retu.reporting.pages.study_content import StudyPageContent
from retu.reporting.paradigm_table import tabulate_paradigms
from retu.reporting.result_tables import (
    format_subphase_table,
    format_table_3,
    format_table_4,
)
from retu.reporting.run_costs import format_run_costs, measure_run_costs
from retu.reporting.study_answer import AnswerPart, build_answer
from retu.reporting.tidy_files import list_models
from retu.reporting.token_cuts import describe_cut_answers

PAGE_TEMPLATE = "page.html.j2"
MARKS = {
    "identified": "good", "bound": "warn", "not identified": "warn", "right": "good",
    "wrong": "bad", "supports": "good", "contradicts": "bad", "undecided": "warn",
}  # fmt: skip
"""Cells that the page colours; the words themselves say the same."""


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


def render_report_page(content: StudyPageContent) -> str:
    """Fill the page template. The same inputs give the same bytes: no dates, no random ids."""
    order = [str(name) for name in content.study["order"]]
    answers, artefacts, known = arrange_answers(content.answer), content.artefacts, content.branches
    curves, fits, subphases = known.curves, known.fits, known.subphases
    charts = draw_study_charts(known, order, artefacts.figures)
    return load_page_template(PAGE_TEMPLATE).render(
        study=content.study,
        verdict=summarise_answer(content.answer),
        cards=arrange_cards(answers.opened, compare_models(curves, fits, subphases, order)),
        folded=answers.folded,
        table_3=format_table_3(artefacts.table_3),
        table_4=format_table_4(artefacts.table_4),
        paradigms=tabulate_paradigms(artefacts.paradigms),
        subphases=format_subphase_table(subphases, curves, order),
        collapsed=describe_collapses(known.collapses),
        collapses=format_collapses(known.collapses),
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
        versions=list_versions(content.versions),
        origins=content.origins,
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
