"""hypotheses.md: the verdicts, what every replicate says, and how it was judged."""

import pandas as pd

from retu.audit.hypotheses.judge_hypotheses import SCORE
from retu.audit.study_claims.sentence_outcome import CANNOT_BE_ASKED, STUDY_VERDICTS
from retu.config.hypotheses import HypothesesSettings
from retu.core.markdown import (
    MISSING,
    TextTable,
    format_integer,
    format_number,
    make_table,
)
from retu.core.text import format_quantity
from retu.reporting.hypotheses_table import list_effect_columns


def format_hypotheses(
    table: pd.DataFrame, detail: pd.DataFrame, study: str, settings: HypothesesSettings
) -> str:
    """The page.

    Args:
        table: a row a hypothesis; detail: a row a hypothesis, replicate and measure.
        study: its name; settings: its `hypotheses`.
    """
    asked = table[table["verdict"] != CANNOT_BE_ASKED]
    counted = ", ".join(f"{(table['verdict'] == v).sum()} {v}" for v in STUDY_VERDICTS)
    parts = [
        "# Hypotheses over replicates\n",
        f"Protocol {settings.protocol}, study {study},"
        f" {format_quantity(len(settings.replicates), 'replicate')}"
        f" ({', '.join(settings.replicates)}): {counted}. An effect is positive where the paper is"
        " right.\n",
        "## Verdicts\n",
        tabulate_verdicts(table, settings).format_markdown(),
        "## Replicates\n",
        tabulate_replicates(table, detail, settings).format_markdown(),
        "## What could be found\n",
        tabulate_power(asked).format_markdown() if len(asked) else "Nothing could be asked.\n",
        "## Ceilings instead of final scores\n",
        "Secondary: nothing is decided by it. Ceilings are extrapolated; only those that are"
        " identified say where RL would end.\n",
        tabulate_ceilings(table).format_markdown(),
        "## To know\n",
        list_notes(table),
        "## What was registered\n",
        tabulate_registered(table).format_markdown(),
        "## How it was judged\n",
        explain_judgement(settings, len(asked)),
    ]
    return "\n".join(parts)


def tabulate_verdicts(table: pd.DataFrame, settings: HypothesesSettings) -> TextTable:
    """Every hypothesis with its verdict, effect and p value."""
    return make_table(
        [
            ("", False, list(table["id"])),
            ("Hypothesis", False, list(table["hypothesis"])),
            ("Verdict", False, list(table["verdict"])),
            *list_effect_columns(table, settings.alpha, 2),
            ("Replicates", True, [format_integer(int(v)) for v in table["n_replicates"]]),
        ]
    )


def tabulate_replicates(
    table: pd.DataFrame, detail: pd.DataFrame, settings: HypothesesSettings
) -> TextTable:
    """The contrast of every replicate with its sampling error; a dash where runs are missing."""
    scores = detail[detail["measure"] == SCORE].set_index(["hypothesis", "replicate"])
    columns = [("", False, list(table["id"])), ("Unit", False, list(table["unit"]))]
    for name in settings.replicates:
        cells = []
        for one in table["id"]:
            row = scores.loc[(one, name)] if (one, name) in scores.index else None
            if row is None or pd.isna(row["contrast"]):
                cells.append(MISSING)
                continue
            error = format_number(float(row["sampling_error"]), 2)
            cells.append(f"{format_number(float(row['contrast']), 2)} ± {error}")
        columns.append((name, True, cells))
    return make_table(columns)


def tabulate_power(asked: pd.DataFrame) -> TextTable:
    """What so many replicates would find, and how many an effect of this size takes."""
    return make_table(
        [
            ("", False, list(asked["id"])),
            ("Scatter of replicates", True, [format_number(float(v), 2) for v in asked["scatter"]]),
            ("Error by problems", True,
             [format_number(float(v), 2) for v in asked["sampling_error"]]),
            ("Found with a chance of 80%", True,
             [format_number(float(v), 2) for v in asked["detectable_effect"]]),
            ("Replicates that would settle it", True,
             [MISSING if pd.isna(v) else format_integer(int(v)) for v in asked["seeds_needed"]]),
        ]
    )  # fmt: skip


def tabulate_ceilings(table: pd.DataFrame) -> TextTable:
    """The same contrasts with fitted ceilings."""
    known = table[table["n_ceilings"].notna()]
    shares = zip(known["n_identified"], known["n_ceilings"], strict=True)
    ceilings = [format_number(float(v), 2) for v in known["ceiling_effect"]]
    return make_table(
        [
            ("", False, list(known["id"])),
            ("Effect by ceilings", True, ceilings),
            ("Effect by final scores", True, [format_number(float(v), 2) for v in known["effect"]]),
            ("Identified", True, [f"{some} of {every}" for some, every in shares]),
        ]
    )


def list_notes(table: pd.DataFrame) -> str:
    """What a reader must know to agree, and what is missing."""
    lines = []
    for row in table.to_dict("records"):
        parts = [row["note"], row["beside"] and f"beside it, {row['beside']}"]
        parts.append(row["missing"] and f"missing: {row['missing']}")
        if told := "; ".join(filter(None, parts)):
            lines.append(f"- {row['id']}: {told}.\n")
    return "".join(lines) or "Nothing.\n"


def tabulate_registered(table: pd.DataFrame) -> TextTable:
    """The hypotheses as they stood before the runs."""
    return make_table(
        [
            ("", False, list(table["id"])),
            ("Place", False, list(table["place"])),
            ("Prediction", False, list(table["prediction"])),
            ("Against it", False, list(table["against"])),
        ]
    )


def explain_judgement(settings: HypothesesSettings, n_asked: int) -> str:
    """How effects, intervals and verdicts came about."""
    counted = (
        "benchmarks, each counting once"
        if settings.average_over == "benchmarks"
        else "all problems of the benchmarks"
    )
    tested = (
        "p values are two-sided"
        if settings.test == "t"
        else "p values are two-sided, from all ways to turn the signs of the replicates' contrasts"
        " (at least that of the problems alone)"
    )
    return (
        f"S of a branch is the mean of its last {settings.last_evaluations} evaluations, a score"
        f" being the mean over {counted}, out of distribution left out. The effect is the mean of"
        " the replicates' contrasts. Its squared standard error is their scatter over their number"
        " plus its variance when problems are drawn again within each benchmark, the same for all"
        f" runs and replicates; t has one degree of freedom fewer than replicates."
        f" {tested}, of rank correlations at least those of random orders, and adjusted by Holm"
        f" over the {n_asked} hypotheses that could be asked: one is"
        f" supported or contradicted below {settings.alpha:g}. Intervals are not adjusted. How many"
        " replicates would settle a hypothesis is for the effect and scatter seen, a power of 0.8"
        f" and level {settings.alpha:g} over their number; a dash is more than 1000, or no"
        " number at which the noise of the problems allows it.\n"
    )
