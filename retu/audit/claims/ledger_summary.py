"""The ledger for people: counts, what is wrong, the headline sentences."""

import pandas as pd

from retu.audit.claims.claim_verdict import (
    CLAIM_VERDICTS,
    EXACT,
    IMPOSSIBLE,
    INCONSISTENT,
    NOISE,
    OUTSIDE,
    UNCHECKABLE,
    UNIDENTIFIED,
)
from retu.core.markdown import MISSING, TextTable, format_interval, format_number, make_table

TIERS = ("release", "paper", "lab", "GPU")
VERDICT_WORDS = {
    EXACT: "holds",
    NOISE: "open: evaluation noise decides",
    OUTSIDE: "contradicted",
    UNIDENTIFIED: "ceilings not identified",
    UNCHECKABLE: UNCHECKABLE,
}
"""How the verdict on a sentence reads."""


def format_claims_summary(table: pd.DataFrame) -> str:
    """claims.md."""
    sentences = table[table["quantity"] == "statement"]
    numbers = table[table["quantity"] != "statement"]
    parts = [
        "# Claims of the paper\n",
        f"{len(table)} claims of {table['version'].iloc[0]}, each with a verdict; the complete list"
        " with intervals and notes is the CSV beside this page.\n",
        "## Verdicts\n",
        tabulate_verdicts(numbers).format_markdown(),
        "A 90% interval misses a true value in one of ten cases, so a few fitted numbers are"
        " outside by chance.\n",
        f"Of the {int((numbers['reproduced'] != '').sum())} fitted numbers, the paper's own"
        f" protocol gives {int((numbers['reproduced'] == EXACT).sum())} as printed and"
        f" {int((numbers['reproduced'] == 'within rounding').sum())} within rounding, whatever"
        " their verdict.\n",
        "## Headline sentences\n",
        "Probability that the sentence holds under evaluation noise, by the extrapolated ceiling,"
        " at equal RL compute, and by the smoothed best score observed"
        f" ({max(sentences['source'])}). The verdict is about the ceiling, as the sentence is.\n",
        tabulate_sentences(sentences).format_markdown(),
    ]
    titles = {
        IMPOSSIBLE: "Impossible",
        INCONSISTENT: "Inconsistent with the paper itself",
        OUTSIDE: "Outside: contradicted by the released data",
    }
    for verdict, title in titles.items():
        rows = numbers[numbers["verdict"] == verdict]
        parts += [f"## {title} ({len(rows)})\n"]
        parts += [tabulate_numbers(rows).format_markdown()] if len(rows) else ["None.\n"]
    return "\n".join(parts)


def tabulate_verdicts(numbers: pd.DataFrame) -> TextTable:
    """How many numbers got which verdict, by what checking them needs."""
    tiers = [tier for tier in TIERS if (numbers["tier"] == tier).any()]
    cells = {
        tier: [
            str(int(((numbers["tier"] == tier) & (numbers["verdict"] == v)).sum()))
            for v in CLAIM_VERDICTS
        ]
        for tier in tiers
    }
    total = [str(int((numbers["verdict"] == verdict).sum())) for verdict in CLAIM_VERDICTS]
    return make_table(
        [
            ("Verdict", False, list(CLAIM_VERDICTS)),
            ("Numbers", True, total),
            *[(f"by {tier}", True, cells[tier]) for tier in tiers],
        ]
    )


def tabulate_sentences(rows: pd.DataFrame) -> TextTable:
    """The headline sentences and their probabilities."""
    return make_table(
        [
            ("Sentence", False, list(rows["sentence"])),
            ("Place", False, list(rows["place"])),
            ("Ceiling", True, [format_probability(value) for value in rows["probability_ceiling"]]),
            (
                "Equal compute",
                True,
                [format_probability(value) for value in rows["probability_common"]],
            ),
            (
                "Best observed",
                True,
                [format_probability(value) for value in rows["probability_best"]],
            ),
            ("Verdict", False, [VERDICT_WORDS[verdict] for verdict in rows["verdict"]]),
            ("Note", False, [note or MISSING for note in rows["note"]]),
        ]
    )


def format_probability(value: float) -> str:
    """A probability, a dash when nothing was tested."""
    return MISSING if pd.isna(value) else format_number(float(value), 2)


def tabulate_numbers(rows: pd.DataFrame) -> TextTable:
    """Numbers with a verdict that needs words."""
    ours = [v if isinstance(v, str) else format_number(float(v), 2) for v in rows["ours"]]
    ends = zip(rows["low"], rows["high"], strict=True)
    return make_table(
        [
            ("Claim", False, list(rows["id"])),
            ("Place", False, list(rows["place"])),
            ("Published", True, list(rows["published"])),
            ("Ours", True, ours),
            ("90% interval", True, [format_interval(low, high, 2) for low, high in ends]),
            ("Paper protocol", False, [text or MISSING for text in rows["reproduced"]]),
            ("Note", False, [note or MISSING for note in rows["note"]]),
        ]
    )
