"""The audit's answer in words: what reproduces, what the data identify, which headlines hold.

Every number and every direction in these sentences comes from the finished tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from retu.audit.claims.claim_verdict import FAILS, HOLDS, INCONSISTENT
from retu.audit.report.branch_table import AGREES_WITHIN, count_branches
from retu.audit.report.compared_values import PAPER, PUBLISHED, ROBUST
from retu.audit.report.loss_and_ceiling import COMMON, OBSERVED
from retu.core.markdown import format_interval, format_number
from retu.reporting.sensitivity_text import format_percent, format_span
from retu.reporting.study_answer import AnswerPart

STATEMENT = "statement"
PROBABILITY_COLUMNS = tuple(f"probability_{measure}" for measure in ("ceiling", "common", "best"))
BY_CEILING, BY_COMMON, BY_BEST = PROBABILITY_COLUMNS
FORECAST = "forecast"
INDICATOR = "Does the minimum loss predict the ceiling"
INDICATORS = {
    PUBLISHED: "the published ceilings",
    PAPER: "the paper's protocol",
    ROBUST: "robust ceilings",
    OBSERVED: "best observed scores",
    COMMON: "scores at equal compute",
}
STRONG_CORRELATION = -0.5
"""An interval of r that reaches above this leaves open whether the relation is strong."""
MOST_LISTED = 3
"""Sentences that a paragraph quotes; the table below it has all."""


@dataclass(frozen=True)
class AuditTables:
    """The finished tables that the answer speaks of.

    Attributes:
        table_4: the audit's Table 4.
        figure_8: figure_8.csv, one row a column set and data set.
        claims: claims.csv.
        sensitivity: sensitivity_summary.csv.
        quality: data_quality.csv.
        labels: labels_check.csv.
        forecasts: forecast_scores.csv.
    """

    table_4: pd.DataFrame
    figure_8: pd.DataFrame
    claims: pd.DataFrame
    sensitivity: pd.DataFrame
    quality: pd.DataFrame
    labels: pd.DataFrame
    forecasts: pd.DataFrame


def build_audit_answer(evidence: AuditTables) -> list[AnswerPart]:
    """The answer, most important part first."""
    return [
        answer_reproduction(evidence.table_4),
        answer_identification(evidence.table_4),
        answer_headlines(evidence.claims),
        answer_indicator(evidence.figure_8),
        answer_sensitivity(evidence.sensitivity),
        answer_paper(evidence.claims),
        answer_labels(evidence.labels),
        answer_forecast(evidence.forecasts),
    ]


def answer_reproduction(table_4: pd.DataFrame) -> AnswerPart:
    """How many published numbers of Table 4 come out, by which protocol."""
    n = count_branches(table_4)
    text = (
        f"{n['starts_agree']} of {n['starts']} published P_sft follow from the released scores to"
        f" 0.1. One deterministic form of the protocol that the paper describes gives the published"
        f" PL_rl within {AGREES_WITHIN:g} points for {n['paper_agrees']} of {n['published']}"
        f" branches, with {n['plain_agree']} of the {n['plain']} fitted without trimming among"
        f" them; the released kit as it is, for {n['kit_agrees']}, and it puts"
        f" {n['kit_above_100']} ceilings above 100 percent."
    )
    if n["misses"]:
        text += (
            f" For {n['misses_fixed']} of the {n['misses']} misses the published value is another"
            " fixed point of the same trimming problem: it depends on a start that is not recorded."
        )
    weak = 2 * n["paper_agrees"] < n["published"]
    return AnswerPart("What reproduces", text, weak)


def answer_identification(table_4: pd.DataFrame) -> AnswerPart:
    """What the data say about ceilings, and what they say for certain."""
    n = count_branches(table_4)
    common = "/".join(sorted({f"{x:g}" for x in table_4["x_common_eflops"].dropna()}))
    text = (
        f"Of {n['branches']} ceilings the data identify {n['robust_identified']}:"
        f" {n['robust_early']} curves may end before half of their rise, {n['robust_wide']} have an"
        f" interval too wide to name a number, {n['robust_leans']} an interval that moves with the"
        f" prior, {n['robust_passed']} have passed their ceiling, and {n['robust_otherwise']} fail"
        f" otherwise. {n['bound_agree']} published ceilings equal 1.5 times the largest gain, the"
        " bound of the paper's fits, so they restate an assumption."
        " Known within 2 points (90% interval) is the score at the end of"
        f" {n['end_narrow']} branches, at {common} EFLOPs of {n['common_narrow']}, and at twice the"
        f" compute of the branch, if the law holds so far, of {n['double_narrow']}."
    )
    return AnswerPart("What the data identify", text, 2 * n["robust_identified"] < n["branches"])


def select_headlines(claims: pd.DataFrame) -> pd.DataFrame:
    """The headline sentences that the released curves can test."""
    rows = claims[claims["quantity"] == STATEMENT]
    return rows[rows[list(PROBABILITY_COLUMNS)].notna().any(axis=1)]


def answer_headlines(claims: pd.DataFrame) -> AnswerPart:
    """Which sentences hold at equal compute and which rest on extrapolation."""
    rows = select_headlines(claims)
    if rows.empty:
        return AnswerPart("Which headlines hold", "No sentence can be tested here.", True)
    holds = {column: rows[column] >= HOLDS for column in (BY_CEILING, BY_COMMON)}
    text = describe_headline_counts(claims)
    text += list_least_probable(
        rows[rows[BY_COMMON] <= FAILS], BY_COMMON, "Contradicted at equal compute"
    )
    rest = rows[holds[BY_COMMON] & ~holds[BY_CEILING]]
    text += list_least_probable(rest, BY_CEILING, "Open as ceilings, though true at equal compute")
    text += list_least_probable(
        rows[rows[BY_CEILING] <= FAILS], BY_CEILING, "Contradicted by ceilings"
    )
    return AnswerPart("Which headlines hold", text, not bool(holds[BY_CEILING].all()))


def describe_headline_counts(claims: pd.DataFrame) -> str:
    """How many headline sentences hold by which measure, in words."""
    rows, total = select_headlines(claims), int((claims["quantity"] == STATEMENT).sum())
    holds = {column: int((rows[column] >= HOLDS).sum()) for column in PROBABILITY_COLUMNS}
    return (
        f"{len(rows)} of {total} headline sentences can be tested on the released curves. Under"
        f" evaluation noise {holds[BY_COMMON]} hold with probability {HOLDS:g} or more when"
        f" branches are compared at equal RL compute, {holds[BY_BEST]} by the best observed score,"
        f" and {holds[BY_CEILING]} by the extrapolated ceiling, which is what the paper speaks of."
    )


def list_least_probable(rows: pd.DataFrame, column: str, title: str) -> str:
    """The least probable sentences with their probability, or nothing."""
    first = rows.sort_values(column, kind="stable").head(MOST_LISTED)
    parts = [
        f"\N{LEFT DOUBLE QUOTATION MARK}{str(row['sentence']).rstrip('.')}"
        f"\N{RIGHT DOUBLE QUOTATION MARK} ({format_number(float(row[column]), 2)})"
        for row in first.to_dict("records")
    ]
    more = len(rows) - len(first)
    if more:
        parts.append(f"and {more} more, listed below")
    return f" {title}: {'; '.join(parts)}." if parts else ""


def answer_indicator(figure_8: pd.DataFrame) -> AnswerPart:
    """Does minimum loss predict the ceiling, by which column set?"""
    rows = {row["column_set"]: row for row in figure_8.to_dict("records")}
    parts = [
        f"{format_number(row['pearson'], 2)}{format_noise_interval(row)} for {INDICATORS[name]}"
        for name, row in rows.items()
        if name in INDICATORS
    ]
    published, robust = rows[PUBLISHED], rows[ROBUST]
    fisher = format_interval(published["fisher_low"], published["fisher_high"], 2)
    text = (
        "Correlation of an SFT set's highest value with its minimum validation loss over"
        f" {published['n']} sets, with the 90% interval that evaluation noise gives:"
        f" {', '.join(parts)}. That sets are so few makes every such r uncertain: Fisher's 95%"
        f" interval of the published one is {fisher}."
    )
    return AnswerPart(INDICATOR, text, not robust["boot_high"] < STRONG_CORRELATION)


def format_noise_interval(row: dict[Any, Any]) -> str:
    """The bootstrap interval of r, nothing where there is none."""
    if not np.isfinite([row["boot_low"], row["boot_high"]]).all():
        return ""
    return f" {format_interval(row['boot_low'], row['boot_high'], 2)}"


def answer_sensitivity(summary: pd.DataFrame) -> AnswerPart:
    """How much of it depends on the way to fit."""
    whole = {
        row["measure"]: row
        for row in summary.to_dict("records")
        if row["axis"] == "all recipes" and np.isfinite(row["pearson_min"])
    }
    parts = [
        f"{words} in {format_percent(whole[measure]['share_exact_order'])} of them (r from"
        f" {format_span(whole[measure]['pearson_min'], whole[measure]['pearson_max'], 2)})"
        for measure, words in (("a_post", "by ceilings"), ("common_score", "at equal compute"))
        if measure in whole
    ]
    least = float(summary.loc[summary["measure"] == "best_smoothed", "share_exact_order"].min())
    always = (
        "for every" if least == 1 else f"in at least {format_percent(least)} of cases for every"
    )
    text = (
        f"Refitted by {int(summary['n_recipes'].max())} reasonable recipes, with and without the"
        " benchmarks that split the branches, the sets come out in the exact order of their losses"
        f" {' and '.join(parts)}; by the best observed score {always} choice of benchmarks."
    )
    exact = [row["share_exact_order"] for measure, row in whole.items() if measure == "a_post"]
    return AnswerPart("Does the way of fitting matter", text, not exact or exact[0] < HOLDS)


def answer_paper(claims: pd.DataFrame) -> AnswerPart:
    """What contradicts itself in the paper, whatever the data say."""
    numbers = claims[claims["quantity"] != STATEMENT]
    wrong = numbers[numbers["verdict"] == INCONSISTENT]
    places = ", ".join(f"{place} ({n})" for place, n in wrong["place"].value_counts().items())
    text = f"{len(wrong)} of {len(numbers)} published numbers contradict other published numbers"
    return AnswerPart("Is the paper consistent", f"{text}{': ' + places if places else ''}.", False)


def answer_labels(labels: pd.DataFrame) -> AnswerPart:
    """Do the published losses decide the published sub-phases?"""
    n, agree = len(labels), int(labels["agrees_digitised"].sum())
    open_cases = int((~labels["decided_2dp"].astype(bool)).sum())
    impossible = labels[~labels["drawn_is_possible_digitised"].astype(bool)]
    text = (
        f"Eq. 5-9 on the digitised losses give the drawn sub-phase for {agree} of {n} checkpoints;"
        f" losses of two decimals, as the paper quotes them, leave {open_cases} undecided"
    )
    those = "1 drawn label is" if len(impossible) == 1 else f"{len(impossible)} drawn labels are"
    text += f", and {those} impossible even within the reading error."
    return AnswerPart("Are the sub-phases decided", text, agree < n)


def answer_forecast(scores: pd.DataFrame) -> AnswerPart:
    """How well the rest of a branch can be foretold."""
    parts = []
    for _, rows in scores.groupby("fraction", sort=True):
        own = rows[rows["method"] == FORECAST].to_dict("records")
        others = rows[rows["method"] != FORECAST].sort_values("median_rmse").to_dict("records")
        if not own or not others:
            continue
        parts.append(
            f"from the first {format_percent(own[0]['fraction'])} with a median error of"
            f" {format_number(own[0]['median_rmse'], 2)} points (90% intervals cover"
            f" {format_percent(own[0]['coverage'])}; best simple rule, {others[0]['method']}:"
            f" {format_number(others[0]['median_rmse'], 2)})"
        )
    text = f"The rest of a branch is forecast {', and '.join(parts)}." if parts else "No forecast."
    return AnswerPart("Can a branch be forecast", text, not parts)


def count_verdicts(claims: pd.DataFrame, verdicts: Sequence[str]) -> pd.DataFrame:
    """Numbers and sentences by verdict, one row a verdict."""
    statement = claims["quantity"] == STATEMENT
    columns = {"numbers": claims[~statement], "sentences": claims[statement]}
    return pd.DataFrame(
        {
            name: [int((rows["verdict"] == verdict).sum()) for verdict in verdicts]
            for name, rows in columns.items()
        },
        index=pd.Index(verdicts, name="verdict"),
    )
