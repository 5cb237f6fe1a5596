"""The part of a training study's claims.md on the numbers of the paper."""

import pandas as pd

from retu.audit.study_claims.number_correlations import CORRELATIONS
from retu.audit.study_claims.published_numbers import LOSSES, WIDEST_POINTS, JudgedNumbers
from retu.audit.study_claims.sentence_outcome import CANNOT_BE_ASKED, STUDY_VERDICTS
from retu.core.markdown import MISSING, TextTable, format_interval, format_number, make_table
from retu.core.text import format_quantity

DIGITS = {**dict.fromkeys((*LOSSES, *CORRELATIONS), 2), "sft_step": 0}
"""Of a number by its quantity, behind the point; 1 of what is not named."""
PLACES = "Tables 1, 4, 5 and 6 and Figures 4, 7 and 8"


def format_published_numbers(numbers: JudgedNumbers, study: str) -> str:
    """The section: counts, what was judged, what is missing, and how many numbers are of others."""
    table = numbers.table
    asked = table[table["verdict"] != CANNOT_BE_ASKED]
    missing = table[table["verdict"] == CANNOT_BE_ASKED]
    parts = ["\n## Numbers of the paper\n", *count_others(numbers)]
    if len(table):
        counted = ", ".join(
            f"{int((table['verdict'] == verdict).sum())} {verdict}" for verdict in STUDY_VERDICTS
        )
        parts += [
            f"{format_quantity(len(table), 'number')}, judged on study {study}: {counted}. A number"
            " is supported where it lies within the study's 90% interval, widened by its own error"
            f" and rounding, and undecided where that interval is wider than {WIDEST_POINTS:g}"
            " points or a ceiling is not identified (docs/claims.md).\n"
        ]
    if len(asked):
        parts.append(tabulate_numbers(asked).format_markdown())
    if len(missing):
        parts += ["### Numbers that cannot be asked here\n"]
        parts.append(tabulate_missing_numbers(missing).format_markdown())
    return "\n".join(parts)


def count_others(numbers: JudgedNumbers) -> list[str]:
    """A sentence on the numbers that the study has no model or no data set for."""
    lines = []
    if numbers.n_of_other_models:
        lines.append(
            f"{format_quantity(numbers.n_of_other_models, 'published number')} of {PLACES} are of"
            " models that this study does not have.\n"
        )
    if numbers.n_of_other_sets:
        lines.append(
            f"{format_quantity(numbers.n_of_other_sets, 'published number')} of {PLACES} are of"
            " data sets that its models were not trained on.\n"
        )
    return lines


def tabulate_numbers(rows: pd.DataFrame) -> TextTable:
    """The numbers with a verdict."""
    digits = [DIGITS.get(str(name), 1) for name in rows["quantity"]]
    ours = zip(rows["ours"], digits, strict=True)
    ends = zip(rows["low"], rows["high"], digits, strict=True)
    return make_table(
        [
            ("Claim", False, list(rows["id"])),
            ("Model", False, list(rows["model"])),
            ("Published", True, list(rows["published"])),
            ("Ours", True, [format_number(float(value), places) for value, places in ours]),
            ("90% interval", True, [format_interval(low, high, n) for low, high, n in ends]),
            ("Verdict", False, list(rows["verdict"])),
            ("Seeds", True, [str(int(count)) for count in rows["n_seeds"]]),
            ("To know", False, [text or MISSING for text in rows["why"]]),
        ]
    )


def tabulate_missing_numbers(rows: pd.DataFrame) -> TextTable:
    """The numbers that lack a run here."""
    return make_table(
        [("Claim", False, list(rows["id"])), ("What is missing", False, list(rows["why"]))]
    )
