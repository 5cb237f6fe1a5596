"""The tables of an audit's page that others have computed: claims, findings, labels, forecasts."""

from typing import Any

import pandas as pd

from retu.audit.claims.claim_verdict import VERDICTS
from retu.audit.released.curve_quality import KINDS
from retu.audit.report.answer_text import (
    BY_BEST,
    BY_CEILING,
    BY_COMMON,
    STATEMENT,
    verdict_counts,
)
from retu.core.markdown import (
    MISSING,
    TextTable,
    integer,
    interval,
    make_table,
    number,
    signed,
)
from retu.reporting.sensitivity_text import percent

MARKS = {
    "no": "bad", "yes": "good", "identified": "good", "bound": "warn", "not identified": "warn",
    "exact": "good", "within rounding": "good", "within noise": "good", "outside": "bad",
    "inconsistent with the paper itself": "bad", "impossible": "bad",
    "not identified by the data": "warn",
}  # fmt: skip
"""Cells that the page colours; the words themselves say the same."""


def verdicts_text(claims: pd.DataFrame) -> TextTable:
    """How many claims got which verdict."""
    table = verdict_counts(claims, VERDICTS)
    return make_table(
        [
            ("Verdict", False, list(VERDICTS)),
            ("Numbers", True, [str(n) for n in table["numbers"]]),
            ("Headline sentences", True, [str(n) for n in table["sentences"]]),
        ]
    )


def statements_text(rows: pd.DataFrame) -> TextTable:
    """The headline sentences with their probabilities."""
    columns = {"By ceiling": BY_CEILING, "At equal compute": BY_COMMON, "Best observed": BY_BEST}
    return make_table(
        [
            ("Sentence", False, words(rows["sentence"])),
            ("Place", False, words(rows["place"])),
            *[
                (name, True, [number(p, 2) for p in rows[column]])
                for name, column in columns.items()
            ],
            ("Verdict (ceiling)", False, words(rows["verdict"])),
            ("Note", False, words(rows["note"])),
        ]
    )


def ledger_text(claims: pd.DataFrame) -> TextTable:
    """Every number of the ledger, what contradicts the data or the paper first."""
    rows = claims[claims["quantity"] != STATEMENT]
    first = [verdict for verdict in VERDICTS if MARKS.get(verdict) == "bad"]
    rank = rows["verdict"].map(lambda verdict: (verdict not in first, VERDICTS.index(verdict)))
    rows = rows.loc[rank.sort_values(kind="stable").index]
    ends = zip(rows["low"], rows["high"], strict=True)
    return make_table(
        [
            ("Claim", False, words(rows["id"])),
            ("Place", False, words(rows["place"])),
            ("Published", True, words(rows["published"])),
            ("Ours", True, [ours(value) for value in rows["ours"]]),
            ("90% interval", True, [interval(low, high, 2) for low, high in ends]),
            ("Verdict", False, words(rows["verdict"])),
            ("Source", False, words(rows["source"])),
            ("Note", False, words(rows["note"])),
        ]
    )


def ours(value: Any) -> str:
    """A number to two decimals, or a label as it is."""
    try:
        return number(float(value), 2)
    except ValueError:
        return str(value)


def kinds_text(quality: pd.DataFrame) -> TextTable:
    """How many findings there are of each kind, those without any included."""
    found = [str(int((quality["kind"] == kind).sum())) for kind in KINDS]
    return make_table(
        [
            ("Looked for", False, list(KINDS.values())),
            ("Findings", True, found),
        ]
    )


def quality_text(quality: pd.DataFrame) -> TextTable:
    """Every finding."""
    return make_table(
        [
            ("Kind", False, [str(kind).replace("_", " ") for kind in quality["kind"]]),
            ("Data set", False, words(quality["dataset"])),
            ("SFT step", True, [integer(step) for step in quality["sft_step"].astype(float)]),
            ("Where", False, words(quality["where"])),
            ("What", False, words(quality["what"])),
            ("Consequence", False, words(quality["consequence"])),
        ]
    )


def labels_text(labels: pd.DataFrame) -> TextTable:
    """The checkpoints whose drawn sub-phase is not plainly what the losses say."""
    plain = labels[["agrees_digitised", "agrees_2dp", "decided_2dp", "decided_digitised"]]
    rows = labels[~plain.astype(bool).all(axis=1)]
    return make_table(
        [
            ("Data set", False, words(rows["dataset"])),
            ("SFT step", True, [integer(step) for step in rows["sft_step"]]),
            ("Loss, digitised", True, [number(loss, 4) for loss in rows["val_loss"]]),
            ("two decimals", True, [number(loss, 2) for loss in rows["val_loss_2dp"]]),
            (
                "Margin to Stable",
                True,
                [signed(margin, 4) for margin in rows["margin_stable_digitised"]],
            ),
            ("Drawn", False, words(rows["subphase_in_figure"])),
            ("By digitised loss", False, words(rows["subphase_digitised"])),
            ("Possible within its error", False, words(rows["possible_digitised"])),
            ("Possible with two decimals", False, words(rows["possible_2dp"])),
        ]
    )


def forecasts_text(scores: pd.DataFrame) -> TextTable:
    """Errors of the forecasts and of simple rules."""
    return make_table(
        [
            ("Method", False, words(scores["method"])),
            ("From the first", True, [percent(share) for share in scores["fraction"]]),
            ("Branches", True, [str(n) for n in scores["n"]]),
            ("RMSE, median", True, [number(value, 2) for value in scores["median_rmse"]]),
            ("RMSE, mean", True, [number(value, 2) for value in scores["mean_rmse"]]),
            ("90% interval covers", True, [percent(share) for share in scores["coverage"]]),
            ("Error of the best score", True, [number(value, 2) for value in scores["best_mae"]]),
        ]
    )


def caches_text(caches: pd.DataFrame) -> TextTable:
    """The released files and their hashes."""
    return make_table(
        [
            ("File", False, words(caches["path"])),
            ("Bytes", True, [integer(size) for size in caches["bytes"]]),
            ("SHA-256", False, words(caches["sha256"])),
        ]
    )


def words(column: pd.Series) -> list[str]:
    """Cells as text, a dash for empty ones."""
    return [MISSING if pd.isna(value) or value == "" else str(value) for value in column]
