"""The audit in three lines and one recommendation, and its parts as cards with a line each."""

from collections.abc import Callable

import numpy as np

from retu.audit.claims.claim_verdict import HOLDS, INCONSISTENT
from retu.audit.report.answer_text import (
    BY_BEST,
    BY_CEILING,
    BY_COMMON,
    FORECAST,
    STATEMENT,
    AuditTables,
    answer_forecast,
    answer_headlines,
    answer_identification,
    answer_indicator,
    answer_labels,
    answer_paper,
    answer_reproduction,
    answer_sensitivity,
    select_headlines,
)
from retu.audit.report.branch_table import AGREES_WITHIN, count_branches
from retu.audit.report.compared_values import PUBLISHED, ROBUST
from retu.audit.report.loss_and_ceiling import COMMON
from retu.core.markdown import format_number
from retu.core.text import format_quantity
from retu.reporting.pages.page_cards import Card, CardLine, Verdict
from retu.reporting.sensitivity_text import format_percent
from retu.reporting.study_answer import AnswerPart


def summarise_audit(evidence: AuditTables) -> Verdict:
    """What holds, what the data leave open, what the paper's sentences rest on; what to do."""
    n = count_branches(evidence.table_4)
    lines = (
        CardLine("What reproduces", shorten_reproduction(evidence)),
        CardLine("What does not", shorten_identification(evidence)),
        CardLine("Headlines", shorten_headlines(evidence)),
    )
    if 2 * n["robust_identified"] < n["branches"]:
        advice = (
            "Compare starts and data sets by their scores at equal RL compute, which are known"
            f" within 2 points for {n['common_narrow']} of {n['branches']} branches. Plan with no"
            " printed ceiling."
        )
    else:
        advice = "Plan with the ceilings that the data identify, and with no others."
    return Verdict("", lines, advice)


def arrange_audit_cards(evidence: AuditTables) -> dict[str, Card]:
    """The parts of the answer by the id of their card: one line each, the text as evidence."""
    return {
        name: Card((make_audit_line(shorten(evidence), part(evidence)),))
        for name, (shorten, part) in CARDS.items()
    }


def make_audit_line(line: str, part: AnswerPart) -> CardLine:
    """A part with its short line in front."""
    return CardLine("", line, part.text, part.weak)


def shorten_reproduction(evidence: AuditTables) -> str:
    """How many starts and rises of Table 4 come out."""
    n = count_branches(evidence.table_4)
    return (
        f"{n['starts_agree']} of {n['starts']} printed P_sft, and {n['paper_agrees']} of"
        f" {n['published']} PL_rl within {AGREES_WITHIN:g} points by the paper's protocol."
    )


def shorten_identification(evidence: AuditTables) -> str:
    """How many ceilings the data identify, and what they know instead."""
    n = count_branches(evidence.table_4)
    return (
        f"The data identify {n['robust_identified']} of {n['branches']} ceilings. They know the"
        f" score at the end of {n['end_narrow']} branches within 2 points."
    )


def shorten_headlines(evidence: AuditTables) -> str:
    """How many sentences hold by which measure."""
    rows = select_headlines(evidence.claims)
    if rows.empty:
        return "No sentence can be tested here."
    holds = {name: int((rows[name] >= HOLDS).sum()) for name in (BY_CEILING, BY_COMMON, BY_BEST)}
    return (
        f"Of {format_quantity(len(rows), 'sentence')} that can be tested, {holds[BY_COMMON]} hold"
        f" at equal compute, {holds[BY_BEST]} by best observed scores, {holds[BY_CEILING]} by"
        " ceilings."
    )


def shorten_indicator(evidence: AuditTables) -> str:
    """The correlation as published, by robust ceilings and at equal compute."""
    table = evidence.figure_8.drop_duplicates("column_set").set_index("column_set")["pearson"]
    told = {PUBLISHED: "as published", ROBUST: "by robust ceilings", COMMON: "at equal compute"}
    parts = [f"{format_number(float(table[name]), 2)} {words}" for name, words in told.items()]
    return f"Correlation r with the minimum validation loss: {', '.join(parts)}."


def shorten_sensitivity(evidence: AuditTables) -> str:
    """How often the data sets come out in the order of their losses."""
    rows = evidence.sensitivity
    whole = rows[(rows["axis"] == "all recipes") & np.isfinite(rows["pearson_min"])]
    share = whole.set_index("measure")["share_exact_order"]
    parts = [
        f"{format_percent(float(share[measure]))} {words}"
        for measure, words in (("a_post", "by ceilings"), ("common_score", "at equal compute"))
        if measure in share
    ]
    if not parts:
        return "No recipe relates all data sets."
    return f"Recipes that keep the data sets in the order of their losses: {', '.join(parts)}."


def shorten_paper(evidence: AuditTables) -> str:
    """How many printed numbers contradict others."""
    numbers = evidence.claims[evidence.claims["quantity"] != STATEMENT]
    wrong = int((numbers["verdict"] == INCONSISTENT).sum())
    return f"{wrong} of {len(numbers)} printed numbers contradict others in the paper."


def shorten_labels(evidence: AuditTables) -> str:
    """How many drawn sub-phases follow."""
    agree, n = int(evidence.labels["agrees_digitised"].sum()), len(evidence.labels)
    return f"{agree} of {n} drawn sub-phases follow from the losses by Eq. 5-9."


def shorten_forecast(evidence: AuditTables) -> str:
    """The error of the forecast from the largest first part, beside the best simple rule."""
    scores = evidence.forecasts
    for _, rows in sorted(scores.groupby("fraction"), key=lambda pair: -float(str(pair[0]))):
        own = rows[rows["method"] == FORECAST]
        others = rows[rows["method"] != FORECAST]
        if len(own) and len(others):
            return (
                f"From its first {format_percent(own['fraction'].iloc[0])} a branch is forecast"
                f" within {format_number(own['median_rmse'].iloc[0], 2)} points (median); the best"
                f" simple rule errs by {format_number(others['median_rmse'].min(), 2)}."
            )
    return "No forecast."


Shorten = Callable[[AuditTables], str]
Explain = Callable[[AuditTables], AnswerPart]
CARDS: dict[str, tuple[Shorten, Explain]] = {
    "reproduction": (shorten_reproduction, lambda e: answer_reproduction(e.table_4)),
    "ceilings": (shorten_identification, lambda e: answer_identification(e.table_4)),
    "headlines": (shorten_headlines, lambda e: answer_headlines(e.claims)),
    "indicator": (shorten_indicator, lambda e: answer_indicator(e.figure_8)),
    "sensitivity": (shorten_sensitivity, lambda e: answer_sensitivity(e.sensitivity)),
    "paper": (shorten_paper, lambda e: answer_paper(e.claims)),
    "labels": (shorten_labels, lambda e: answer_labels(e.labels)),
    "forecasts": (shorten_forecast, lambda e: answer_forecast(e.forecasts)),
}
"""The cards of the page, by id."""
