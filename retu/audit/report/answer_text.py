"""The audit's answer in words: what reproduces, what the data identify, which headlines hold.

Every number and every direction in these sentences comes from the finished tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from retu.audit.claims.claim_verdict import FAILS, HOLDS, INCONSISTENT
from retu.audit.report.branch_table import AGREES_WITHIN, counts
from retu.audit.report.compared_values import PAPER, PUBLISHED, ROBUST
from retu.audit.report.loss_and_ceiling import COMMON, OBSERVED
from retu.core.markdown import interval, number
from retu.reporting.sensitivity_text import percent, span
from retu.reporting.study_answer import Finding

STATEMENT = "statement"
BY_MEASURE = tuple(f"probability_{measure}" for measure in ("ceiling", "common", "best"))
BY_CEILING, BY_COMMON, BY_BEST = BY_MEASURE
FORECAST = "forecast"
INDICATOR = "Does the minimum loss predict the ceiling"
INDICATORS = {
    PUBLISHED: "the published ceilings",
    PAPER: "the paper's protocol",
    ROBUST: "robust ceilings",
    OBSERVED: "best observed scores",
    COMMON: "scores at equal compute",
}
STRONG = -0.5
"""An interval of r that reaches above this leaves open whether the relation is strong."""
MOST_LISTED = 3
"""Sentences that a paragraph quotes; the table below it has all."""


@dataclass(frozen=True)
class Evidence:
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


def findings(evidence: Evidence) -> list[Finding]:
    """The answer, most important part first."""
    return [
        reproduction_finding(evidence.table_4),
        identification_finding(evidence.table_4),
        headline_finding(evidence.claims),
        indicator_finding(evidence.figure_8),
        sensitivity_finding(evidence.sensitivity),
        paper_finding(evidence.claims),
        labels_finding(evidence.labels),
        forecast_finding(evidence.forecasts),
    ]


def reproduction_finding(table_4: pd.DataFrame) -> Finding:
    """How many published numbers of Table 4 come out, by which protocol."""
    n = counts(table_4)
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
    return Finding("What reproduces", text, weak)


def identification_finding(table_4: pd.DataFrame) -> Finding:
    """What the data say about ceilings, and what they say for certain."""
    n = counts(table_4)
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
    return Finding("What the data identify", text, 2 * n["robust_identified"] < n["branches"])


def headlines(claims: pd.DataFrame) -> pd.DataFrame:
    """The headline sentences that the released curves can test."""
    rows = claims[claims["quantity"] == STATEMENT]
    return rows[rows[list(BY_MEASURE)].notna().any(axis=1)]


def headline_finding(claims: pd.DataFrame) -> Finding:
    """Which sentences hold at equal compute and which rest on extrapolation."""
    rows = headlines(claims)
    if rows.empty:
        return Finding("Which headlines hold", "No sentence can be tested here.", True)
    holds = {column: rows[column] >= HOLDS for column in (BY_CEILING, BY_COMMON)}
    text = headline_counts(claims)
    text += listed(rows[rows[BY_COMMON] <= FAILS], BY_COMMON, "Contradicted at equal compute")
    rest = rows[holds[BY_COMMON] & ~holds[BY_CEILING]]
    text += listed(rest, BY_CEILING, "Open as ceilings, though true at equal compute")
    text += listed(rows[rows[BY_CEILING] <= FAILS], BY_CEILING, "Contradicted by ceilings")
    return Finding("Which headlines hold", text, not bool(holds[BY_CEILING].all()))


def headline_counts(claims: pd.DataFrame) -> str:
    """How many headline sentences hold by which measure, in words."""
    rows, total = headlines(claims), int((claims["quantity"] == STATEMENT).sum())
    holds = {column: int((rows[column] >= HOLDS).sum()) for column in BY_MEASURE}
    return (
        f"{len(rows)} of {total} headline sentences can be tested on the released curves. Under"
        f" evaluation noise {holds[BY_COMMON]} hold with probability {HOLDS:g} or more when"
        f" branches are compared at equal RL compute, {holds[BY_BEST]} by the best observed score,"
        f" and {holds[BY_CEILING]} by the extrapolated ceiling, which is what the paper speaks of."
    )


def listed(rows: pd.DataFrame, column: str, title: str) -> str:
    """The least probable sentences with their probability, or nothing."""
    first = rows.sort_values(column, kind="stable").head(MOST_LISTED)
    parts = [
        f"\N{LEFT DOUBLE QUOTATION MARK}{str(row['sentence']).rstrip('.')}"
        f"\N{RIGHT DOUBLE QUOTATION MARK} ({number(float(row[column]), 2)})"
        for row in first.to_dict("records")
    ]
    more = len(rows) - len(first)
    if more:
        parts.append(f"and {more} more, listed below")
    return f" {title}: {'; '.join(parts)}." if parts else ""


def indicator_finding(figure_8: pd.DataFrame) -> Finding:
    """Does minimum loss predict the ceiling, by which column set?"""
    rows = {row["column_set"]: row for row in figure_8.to_dict("records")}
    parts = [
        f"{number(row['pearson'], 2)}{noise_interval(row)} for {INDICATORS[name]}"
        for name, row in rows.items()
        if name in INDICATORS
    ]
    published, robust = rows[PUBLISHED], rows[ROBUST]
    fisher = interval(published["fisher_low"], published["fisher_high"], 2)
    text = (
        "Correlation of an SFT set's highest value with its minimum validation loss over"
        f" {published['n']} sets, with the 90% interval that evaluation noise gives:"
        f" {', '.join(parts)}. That sets are so few makes every such r uncertain: Fisher's 95%"
        f" interval of the published one is {fisher}."
    )
    return Finding(INDICATOR, text, not robust["boot_high"] < STRONG)


def noise_interval(row: dict[Any, Any]) -> str:
    """The bootstrap interval of r, nothing where there is none."""
    if not np.isfinite([row["boot_low"], row["boot_high"]]).all():
        return ""
    return f" {interval(row['boot_low'], row['boot_high'], 2)}"


def sensitivity_finding(summary: pd.DataFrame) -> Finding:
    """How much of it depends on the way to fit."""
    whole = {
        row["measure"]: row
        for row in summary.to_dict("records")
        if row["axis"] == "all recipes" and np.isfinite(row["pearson_min"])
    }
    parts = [
        f"{words} in {percent(whole[measure]['share_exact_order'])} of them (r from"
        f" {span(whole[measure]['pearson_min'], whole[measure]['pearson_max'], 2)})"
        for measure, words in (("a_post", "by ceilings"), ("common_score", "at equal compute"))
        if measure in whole
    ]
    least = float(summary.loc[summary["measure"] == "best_smoothed", "share_exact_order"].min())
    always = "for every" if least == 1 else f"in at least {percent(least)} of cases for every"
    text = (
        f"Refitted by {int(summary['n_recipes'].max())} reasonable recipes, with and without the"
        " benchmarks that split the branches, the sets come out in the exact order of their losses"
        f" {' and '.join(parts)}; by the best observed score {always} choice of benchmarks."
    )
    exact = [row["share_exact_order"] for measure, row in whole.items() if measure == "a_post"]
    return Finding("Does the way of fitting matter", text, not exact or exact[0] < HOLDS)


def paper_finding(claims: pd.DataFrame) -> Finding:
    """What contradicts itself in the paper, whatever the data say."""
    numbers = claims[claims["quantity"] != STATEMENT]
    wrong = numbers[numbers["verdict"] == INCONSISTENT]
    places = ", ".join(f"{place} ({n})" for place, n in wrong["place"].value_counts().items())
    text = f"{len(wrong)} of {len(numbers)} published numbers contradict other published numbers"
    return Finding("Is the paper consistent", f"{text}{': ' + places if places else ''}.", False)


def labels_finding(labels: pd.DataFrame) -> Finding:
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
    return Finding("Are the sub-phases decided", text, agree < n)


def forecast_finding(scores: pd.DataFrame) -> Finding:
    """How well the rest of a branch can be foretold."""
    parts = []
    for _, rows in scores.groupby("fraction", sort=True):
        own = rows[rows["method"] == FORECAST].to_dict("records")
        others = rows[rows["method"] != FORECAST].sort_values("median_rmse").to_dict("records")
        if not own or not others:
            continue
        parts.append(
            f"from the first {percent(own[0]['fraction'])} with a median error of"
            f" {number(own[0]['median_rmse'], 2)} points (90% intervals cover"
            f" {percent(own[0]['coverage'])}; best simple rule, {others[0]['method']}:"
            f" {number(others[0]['median_rmse'], 2)})"
        )
    text = f"The rest of a branch is forecast {', and '.join(parts)}." if parts else "No forecast."
    return Finding("Can a branch be forecast", text, not parts)


def verdict_counts(claims: pd.DataFrame, verdicts: Sequence[str]) -> pd.DataFrame:
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
