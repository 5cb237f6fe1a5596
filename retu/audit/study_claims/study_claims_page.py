"""claims.md of a training study: what its own numbers say to sentences of the paper and others."""

import pandas as pd

from retu.audit.study_claims.sentence_outcome import CANNOT_BE_ASKED, STUDY_VERDICTS
from retu.core.markdown import MISSING, TextTable, format_interval, format_number, make_table
from retu.core.text import format_quantity

RELATED = "related."
HEADING = "# Claims on the study's own numbers\n"


def format_study_claims(table: pd.DataFrame, study: str) -> str:
    """The page: verdicts first, then each sentence with what decides it, then what is missing."""
    leading = table[table["leads"].astype(bool)]
    asked = table[table["verdict"] != CANNOT_BE_ASKED]
    missing = table[table["verdict"] == CANNOT_BE_ASKED]
    ours = asked["id"].str.startswith(RELATED)
    counted = ", ".join(
        f"{int((leading['verdict'] == verdict).sum())} {verdict}" for verdict in STUDY_VERDICTS
    )
    parts = [
        HEADING,
        f"{format_quantity(len(leading), 'sentence')}, judged on study {study}: {counted}.\n",
        "A sentence is supported from a probability of 0.95 on, contradicted up to 0.05. One about"
        " ceilings stays undecided while those that decide are not identified, whatever the draws"
        " say; the columns beside it tell what was reached.\n",
        describe_noise(asked),
        "## Sentences of the paper\n",
        tabulate_asked(asked[~ours]).format_markdown() if (~ours).any() else "None.\n",
        "## Sentences of others\n",
        tabulate_asked(asked[ours]).format_markdown() if ours.any() else "None.\n",
        "## What decided\n",
        tabulate_reasons(asked).format_markdown() if len(asked) else "Nothing.\n",
        "## Cannot be asked here\n",
        tabulate_missing(missing).format_markdown() if len(missing) else "None.\n",
    ]
    return "\n".join(parts)


def describe_noise(asked: pd.DataFrame) -> str:
    """What intervals hold, and what they lack with one seed."""
    if asked.empty:
        return "The study has no runs that any sentence is about.\n"
    seeds = int(asked["n_seeds"].min())
    if seeds == 1:
        return (
            "Intervals (90%) hold the sampling of problems only: with one seed the scatter between"
            " seeds is unknown, and another seed may decide otherwise.\n"
        )
    return (
        f"Intervals (90%) hold the sampling of problems and the scatter of {seeds} seeds or more.\n"
    )


def tabulate_asked(rows: pd.DataFrame) -> TextTable:
    """The sentences with a verdict."""
    ends = zip(rows["effect_low"], rows["effect_high"], strict=True)
    columns = [
        ("Sentence", False, list(rows["sentence"])),
        *([("Model", False, list(rows["model"]))] if rows["model"].nunique() > 1 else []),
        ("Verdict", False, list(rows["verdict"])),
        ("Effect", True, [format_number(float(v), 2) for v in rows["effect"]]),
        ("90% interval", True, [format_interval(low, high, 2) for low, high in ends]),
        ("Effect is", False, list(rows["effect_is"])),
        ("Probability", True, [format_number(float(v), 2) for v in rows["probability"]]),
        ("At equal RL compute", False, format_verdicts(rows["verdict_common"])),
        ("By best score", False, format_verdicts(rows["verdict_best"])),
        ("Seeds", True, [str(int(v)) for v in rows["n_seeds"]]),
    ]
    return make_table(columns)


def format_verdicts(column: pd.Series) -> list[str]:
    """Verdicts, a dash where nothing was asked."""
    return [text if isinstance(text, str) and text else MISSING for text in column]


def tabulate_reasons(rows: pd.DataFrame) -> TextTable:
    """What each verdict rests on."""
    return make_table(
        [
            ("Claim", False, list(rows["id"])),
            ("By", False, [text or MISSING for text in rows["measure"]]),
            ("Source", False, list(rows["source"] + ", " + rows["place"])),
            ("Branches", False, list(rows["branches"])),
            ("To know", False, [text or MISSING for text in rows["why"]]),
        ]
    )


def tabulate_missing(rows: pd.DataFrame) -> TextTable:
    """The sentences that the study cannot be asked, and what it lacks."""
    return make_table(
        [
            ("Claim", False, list(rows["id"])),
            ("Sentence", False, list(rows["sentence"])),
            ("What is missing", False, list(rows["why"])),
        ]
    )
