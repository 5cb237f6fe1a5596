"""What a run of a released study prints at its end: plain text, at most 40 lines of 100 columns."""

import textwrap

import pandas as pd

from retu.audit.claims.claim_verdict import VERDICTS
from retu.audit.report.answer_text import (
    headline_counts,
    identification_finding,
    reproduction_finding,
    verdict_counts,
)
from retu.audit.report.compared_values import PAPER, PUBLISHED, ROBUST
from retu.audit.report.loss_and_ceiling import COMMON, OBSERVED
from retu.core.markdown import MISSING, TextTable, make_table, number
from retu.reporting.terminal import WIDTH, render

SHOWN = (PUBLISHED, PAPER, ROBUST, OBSERVED, COMMON)
MOST_DATASETS = 8
"""Data sets that are printed; the figure has all of them."""


def summary(
    study: str, claims: pd.DataFrame, table_4: pd.DataFrame, figure_8: pd.DataFrame, report: str
) -> str:
    """Verdict counts, the highest values of the data sets, key findings, where the report is."""
    sentences = [
        reproduction_finding(table_4).text,
        identification_finding(table_4).text,
        headline_counts(claims),
    ]
    parts = [
        f"Study {study}: {len(claims)} claims, {len(table_4)} RL branches refitted\n",
        render(verdict_table(claims)),
        render(dataset_table(figure_8)),
        *["\n".join(textwrap.wrap(text, WIDTH)) + "\n" for text in sentences],
        f"Report: {report}\n",
    ]
    return "\n".join(parts)


def verdict_table(claims: pd.DataFrame) -> TextTable:
    """How many claims got each verdict that occurs."""
    counts = verdict_counts(claims, VERDICTS)
    rows = counts[counts.sum(axis=1) > 0]
    return make_table(
        [
            ("verdict", False, [str(name) for name in rows.index]),
            ("numbers", True, [str(n) for n in rows["numbers"]]),
            ("sentences", True, [str(n) for n in rows["sentences"]]),
        ]
    )


def dataset_table(figure_8: pd.DataFrame) -> TextTable:
    """Highest value of every SFT set by measure, and at the bottom r with the minimum losses."""
    names = [str(name) for name in figure_8["dataset"].drop_duplicates()][:MOST_DATASETS]
    columns: list[tuple[str, bool, list[str]]] = [
        ("highest of", False, [*names, "r with minimum loss"])
    ]
    for column_set in SHOWN:
        rows = figure_8[figure_8["column_set"] == column_set]
        own = {row["dataset"]: number(row["value"]) for row in rows.to_dict("records")}
        r = number(float(rows["pearson"].iloc[0]), 2) if len(rows) else MISSING
        columns.append((column_set, True, [*(own.get(name, MISSING) for name in names), r]))
    return make_table(columns)
