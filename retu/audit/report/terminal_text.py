"""What a run of a released study prints at its end: plain text, at most 40 lines of 100 columns."""

import textwrap

import pandas as pd

from retu.audit.claims.claim_verdict import CLAIM_VERDICTS
from retu.audit.report.answer_text import (
    answer_identification,
    answer_reproduction,
    count_verdicts,
    describe_headline_counts,
)
from retu.audit.report.compared_values import PAPER, PUBLISHED, ROBUST
from retu.audit.report.loss_and_ceiling import COMMON, OBSERVED
from retu.core.markdown import MISSING, TextTable, format_number, make_table
from retu.reporting.terminal import TERMINAL_WIDTH, render_table

SHOWN_COLUMN_SETS = (PUBLISHED, PAPER, ROBUST, OBSERVED, COMMON)
MOST_DATASETS = 8
"""Data sets that are printed; the figure has all of them."""


def format_audit_summary(
    study: str, claims: pd.DataFrame, table_4: pd.DataFrame, figure_8: pd.DataFrame, report: str
) -> str:
    """Verdict counts, the highest values of the data sets, key findings, where the report is."""
    sentences = [
        answer_reproduction(table_4).text,
        answer_identification(table_4).text,
        describe_headline_counts(claims),
    ]
    parts = [
        f"Study {study}: {len(claims)} claims, {len(table_4)} RL branches refitted\n",
        render_table(tabulate_verdict_counts(claims)),
        render_table(tabulate_dataset_values(figure_8)),
        *["\n".join(textwrap.wrap(text, TERMINAL_WIDTH)) + "\n" for text in sentences],
        f"Report: {report}\n",
    ]
    return "\n".join(parts)


def tabulate_verdict_counts(claims: pd.DataFrame) -> TextTable:
    """How many claims got each verdict that occurs."""
    counts = count_verdicts(claims, CLAIM_VERDICTS)
    rows = counts[counts.sum(axis=1) > 0]
    return make_table(
        [
            ("verdict", False, [str(name) for name in rows.index]),
            ("numbers", True, [str(n) for n in rows["numbers"]]),
            ("sentences", True, [str(n) for n in rows["sentences"]]),
        ]
    )


def tabulate_dataset_values(figure_8: pd.DataFrame) -> TextTable:
    """Highest value of every SFT set by measure, and at the bottom r with the minimum losses."""
    names = [str(name) for name in figure_8["dataset"].drop_duplicates()][:MOST_DATASETS]
    columns: list[tuple[str, bool, list[str]]] = [
        ("highest of", False, [*names, "r with minimum loss"])
    ]
    for column_set in SHOWN_COLUMN_SETS:
        rows = figure_8[figure_8["column_set"] == column_set]
        own = {row["dataset"]: format_number(row["value"]) for row in rows.to_dict("records")}
        r = format_number(float(rows["pearson"].iloc[0]), 2) if len(rows) else MISSING
        columns.append((column_set, True, [*(own.get(name, MISSING) for name in names), r]))
    return make_table(columns)
