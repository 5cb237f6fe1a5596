"""Markdown report of what changes under another grader, readable on a terminal too."""

import csv
from collections.abc import Sequence

import pandas as pd

from retu.config.graders import GraderSettings
from retu.core.markdown import make_table
from retu.core.text import CUT_MARK
from retu.planning.jobs import CompareJob
from retu.reporting.grader_effects import select_largest_effects
from retu.reporting.grader_flips import DIRECTIONS, FLIP_COUNT_COLUMNS, pick_examples

EXAMPLES_EACH_WAY = 5
EFFECTS_A_TABLE = 5
LONGEST_ANSWER, LONGEST_GENERATION = 30, 60
TABLE_4 = "tables/table_4.csv"


def render_comparison_page(
    job: CompareJob, counted: pd.DataFrame, flips: pd.DataFrame, changed: pd.DataFrame, runs: int
) -> str:
    """The whole page.

    Args:
        job: which graders.
        counted: as `flips.counts` gives it.
        flips: every answer whose verdict changed.
        changed: every cell that changed (`effects.effects`).
        runs: how many runs were graded again.
    """
    answers = int(counted["n_answers"].iloc[-1])
    ways = [f"{int(counted[way].iloc[-1]):,} from {way}" for way in DIRECTIONS]
    head = [
        f"# Study {job.study} graded by {job.after.name}",
        f"Before: {describe_grader(job.before)}.\nAfter: {describe_grader(job.after)}.",
        *describe_own_graders(job),
        f"{format_count(answers, 'answer')} of {format_count(runs, 'run')};"
        f" {format_count(len(flips), 'verdict')} changed: {', '.join(ways)}.",
    ]
    if flips.empty:
        return "\n\n".join([*head, "No verdict changed, so no table and no figure did.\n"])
    judged = changed[(changed["table"] == TABLE_4) & (changed["column"] == "verdict")]
    tables = (
        f"{format_count(len(changed), 'cell')} of"
        f" {format_count(changed['table'].nunique(), 'table')}"
        f" changed; in table 4, {format_count(len(judged), 'verdict')} on a ceiling did."
    )
    return "\n\n".join(
        [
            *head,
            f"## Verdicts that changed\n\n{render_count_table(counted, FLIP_COUNT_COLUMNS)}",
            f"## Largest effects on scores and ceilings, in percent\n\n{tables}",
            *render_effect_table(changed),
            f"## First answers\n\n{render_flip_table(pick_examples(flips, EXAMPLES_EACH_WAY))}",
        ]
    )


def describe_own_graders(job: CompareJob) -> list[str]:
    """A line on the benchmarks that keep a grader of their own; none without any."""
    kept = [f"{name} ({grader.name})" for name, grader in job.own.items()]
    return [f"Graded as before, by a grader of their own: {', '.join(kept)}."] if kept else []


def format_count(count: int, what: str) -> str:
    """A number of things in words."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def describe_grader(grader: GraderSettings) -> str:
    """A grader with the settings that it reads."""
    settings = grader.model_dump(exclude={"name"}, exclude_none=True)
    return f"{grader.name} ({', '.join(f'{key} {value}' for key, value in settings.items())})"


def render_count_table(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """A table with a name in its first column and counts in the others."""
    first, *others = columns
    numbers = [(name, True, [f"{count:,}" for count in table[name]]) for name in others]
    return make_table([(first, False, table[first].tolist()), *numbers]).format_markdown()


def render_effect_table(changed: pd.DataFrame) -> list[str]:
    """The largest effects in every table; nothing where no score changed."""
    rows = select_largest_effects(changed, EFFECTS_A_TABLE)
    if rows.empty:
        return []
    names = shorten_names(rows["row"].tolist())
    columns = [("table", False, rows["table"].tolist()), ("row", False, names)]
    columns.append(("column", False, rows["column"].tolist()))
    columns += [(name, True, rows[name].map(round_text).tolist()) for name in ("before", "after")]
    signs = [f"{float(value):+.2f}" for value in rows["change"]]
    return [make_table([*columns, ("change", True, signs)]).format_markdown()]


def shorten_names(rows: Sequence[str]) -> list[str]:
    """Names of rows without what all of them have in common."""
    parts = [next(csv.reader([row])) for row in rows]
    common = set(parts[0]).intersection(*parts) if len(parts) > 1 else set()
    return [", ".join(part for part in row if part not in common) or "all" for row in parts]


def round_text(text: str) -> str:
    """A score with two decimals."""
    return f"{float(text):.2f}"


def render_flip_table(flips: pd.DataFrame) -> str:
    """Answers with both readings of them."""
    places = [
        f"{row['run']} step {row['step']}, {row['benchmark']} {row['problem_id']}"
        f" sample {row['sample']}"
        for row in flips.to_dict("records")
    ]
    columns = [("answer", False, places)]
    columns.append(("gold", False, [show_text_end(text, LONGEST_ANSWER) for text in flips["gold"]]))
    for when in ("before", "after"):
        read = zip(flips[f"parsed_{when}"], flips[f"reason_{when}"], strict=True)
        columns.append(
            (
                when,
                False,
                [f"{show_text_end(a, LONGEST_ANSWER)} ({why})".strip() for a, why in read],
            )
        )
    ends = [show_text_end(text, LONGEST_GENERATION) for text in flips["generation"]]
    return make_table([*columns, ("end of the generation", False, ends)]).format_markdown()


def show_text_end(text: object, longest: int) -> str:
    """The end of a model's text, safe on a terminal: nothing in it can move the cursor."""
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(text or ""))
    return safe if len(safe) <= longest else CUT_MARK + safe[-longest + 1 :]
