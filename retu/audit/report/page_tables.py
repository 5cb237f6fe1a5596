"""The tables of an audit's page that others have computed: claims, findings, labels, forecasts."""

from typing import Any

import pandas as pd

from retu.audit.claims.claim_verdict import CLAIM_VERDICTS
from retu.audit.released.curve_quality import FINDING_KINDS
from retu.audit.report.answer_text import (
    BY_BEST,
    BY_CEILING,
    BY_COMMON,
    count_verdicts,
)
from retu.core.markdown import (
    MISSING,
    TextTable,
    format_integer,
    format_number,
    format_signed,
    make_table,
)
from retu.reporting.sensitivity_text import format_percent

MARKS = {
    "no": "bad", "yes": "good", "identified": "good", "bound": "warn", "not identified": "warn",
    "exact": "good", "within rounding": "good", "within noise": "good", "outside": "bad",
    "inconsistent with the paper itself": "bad", "impossible": "bad",
    "not identified by the data": "warn",
}  # fmt: skip
"""Cells that the page colours; the words themselves say the same."""


def tabulate_claim_verdicts(claims: pd.DataFrame) -> TextTable:
    """How many claims got which verdict."""
    table = count_verdicts(claims, CLAIM_VERDICTS)
    return make_table(
        [
            ("Verdict", False, list(CLAIM_VERDICTS)),
            ("Numbers", True, [str(n) for n in table["numbers"]]),
            ("Headline sentences", True, [str(n) for n in table["sentences"]]),
        ]
    )


def tabulate_statements(rows: pd.DataFrame) -> TextTable:
    """The headline sentences with their probabilities."""
    columns = {"By ceiling": BY_CEILING, "At equal compute": BY_COMMON, "Best observed": BY_BEST}
    return make_table(
        [
            ("Sentence", False, format_filled_cells(rows["sentence"])),
            ("Place", False, format_filled_cells(rows["place"])),
            *[
                (name, True, [format_number(p, 2) for p in rows[column]])
                for name, column in columns.items()
            ],
            ("Verdict (ceiling)", False, format_filled_cells(rows["verdict"])),
            ("Note", False, format_filled_cells(rows["note"])),
        ]
    )


def format_our_value(value: Any) -> str:
    """A number to two decimals, or a label as it is."""
    try:
        return format_number(float(value), 2)
    except ValueError:
        return str(value)


def tabulate_finding_kinds(quality: pd.DataFrame) -> TextTable:
    """How many findings there are of each kind, those without any included."""
    found = [str(int((quality["kind"] == kind).sum())) for kind in FINDING_KINDS]
    return make_table(
        [
            ("Looked for", False, list(FINDING_KINDS.values())),
            ("Findings", True, found),
        ]
    )


def tabulate_findings(quality: pd.DataFrame) -> TextTable:
    """Every finding."""
    return make_table(
        [
            ("Kind", False, [str(kind).replace("_", " ") for kind in quality["kind"]]),
            ("Data set", False, format_filled_cells(quality["dataset"])),
            (
                "SFT step",
                True,
                [format_integer(step) for step in quality["sft_step"].astype(float)],
            ),
            ("Where", False, format_filled_cells(quality["where"])),
            ("What", False, format_filled_cells(quality["what"])),
            ("Consequence", False, format_filled_cells(quality["consequence"])),
        ]
    )


def tabulate_labels(labels: pd.DataFrame) -> TextTable:
    """The checkpoints whose drawn sub-phase is not plainly what the losses say."""
    plain = labels[["agrees_digitised", "agrees_2dp", "decided_2dp", "decided_digitised"]]
    rows = labels[~plain.astype(bool).all(axis=1)]
    return make_table(
        [
            ("Data set", False, format_filled_cells(rows["dataset"])),
            ("SFT step", True, [format_integer(step) for step in rows["sft_step"]]),
            ("Loss, digitised", True, [format_number(loss, 4) for loss in rows["val_loss"]]),
            ("two decimals", True, [format_number(loss, 2) for loss in rows["val_loss_2dp"]]),
            (
                "Margin to Stable",
                True,
                [format_signed(margin, 4) for margin in rows["margin_stable_digitised"]],
            ),
            ("Drawn", False, format_filled_cells(rows["subphase_in_figure"])),
            ("By digitised loss", False, format_filled_cells(rows["subphase_digitised"])),
            ("Possible within its error", False, format_filled_cells(rows["possible_digitised"])),
            ("Possible with two decimals", False, format_filled_cells(rows["possible_2dp"])),
        ]
    )


def tabulate_forecasts(scores: pd.DataFrame) -> TextTable:
    """Errors of the forecasts and of simple rules."""
    return make_table(
        [
            ("Method", False, format_filled_cells(scores["method"])),
            ("From the first", True, [format_percent(share) for share in scores["fraction"]]),
            ("Branches", True, [str(n) for n in scores["n"]]),
            ("RMSE, median", True, [format_number(value, 2) for value in scores["median_rmse"]]),
            ("RMSE, mean", True, [format_number(value, 2) for value in scores["mean_rmse"]]),
            ("90% interval covers", True, [format_percent(share) for share in scores["coverage"]]),
            (
                "Error of the best score",
                True,
                [format_number(value, 2) for value in scores["best_mae"]],
            ),
        ]
    )


def tabulate_caches(caches: pd.DataFrame) -> TextTable:
    """The released files and their hashes."""
    return make_table(
        [
            ("File", False, format_filled_cells(caches["path"])),
            ("Bytes", True, [format_integer(size) for size in caches["bytes"]]),
            ("SHA-256", False, format_filled_cells(caches["sha256"])),
        ]
    )


def format_filled_cells(column: pd.Series) -> list[str]:
    """Cells as text, a dash for empty and for blank ones."""
    return [MISSING if pd.isna(value) or value == "" else str(value) for value in column]
