"""The summary printed at the end of a run: plain text, at most 100 columns."""

import textwrap
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import pandas as pd

from retu.advice.advice_record import StudyAnswer
from retu.core.markdown import (
    MISSING,
    TextTable,
    align_columns,
    format_integer,
    format_interval,
    format_number,
    make_table,
)
from retu.core.text import CUT_MARK
from retu.reporting.answer_words import format_answer
from retu.reporting.result_tables import (
    build_table_4,
    find_varying_columns,
    format_text_cells,
    label_branches,
)
from retu.reporting.short_answer import format_short_answer
from retu.reporting.tidy_files import NO_DATASET
from retu.reporting.token_cuts import CUT_SHARE, add_cuts, describe_cut_answers, format_cut_columns

TERMINAL_WIDTH = 100
COLUMN_GAP = 2
SHORT_SUBPHASES = {"Mild Overfitting": "Mild", "Severe Overfitting": "Severe"}


def format_run_summary(
    fits: pd.DataFrame,
    report: str,
    curves: pd.DataFrame | None = None,
    answer: StudyAnswer | None = None,
) -> str:
    """The branches in the order of Table 4, data sets as they come in fits.csv, and the report.

    With `curves` (overall rows) the highest share of cut answers stands beside the scores; an
    `answer` comes below the table.
    """
    table = build_table_4(fits, list(fits["dataset"].drop_duplicates()))
    notes: list[str] = []
    if curves is not None:
        table = add_cuts(table, curves)
        notes = [
            line
            for text in describe_cut_answers(curves)
            for line in textwrap.wrap(text, TERMINAL_WIDTH, break_on_hyphens=False)
        ]
    names = list_name_columns(table)
    header, rule, *rows = render_table(
        tabulate_run_summary(table, names), n_names=1 + len(names)
    ).splitlines()
    text = "\n".join([header, rule, *name_models(rows, table["model"].tolist())])
    title = f"Study {fits['study'].iloc[0]}: {len(table)} RL runs, scores in percent"
    told = "".join(f"{line}\n" for line in notes)
    answered = f"{format_answer(answer, TERMINAL_WIDTH)}\n" if answer and answer.pools else ""
    short = format_short_answer(answer, TERMINAL_WIDTH) if answer else ""
    return f"{title}\n\n{text}\n\n{answered}{told}{short}Report: {report}\n"


def list_name_columns(table: pd.DataFrame) -> list[str]:
    """Which of recipe and seed need a column; models have lines of their own."""
    return [name for name in find_varying_columns(table) if name != "model"]


def name_models(rows: Sequence[str], models: Sequence[str]) -> list[str]:
    """The lines of the table, which is sorted by model, below the name of each of several."""
    lines = []
    for model, of_model in groupby(zip(models, rows, strict=True), key=itemgetter(0)):
        lines += [*([f"{model}:"] if len(set(models)) > 1 else []), *(row for _, row in of_model)]
    return lines


def name_starts(table: pd.DataFrame) -> list[str]:
    """Where RL started: the data set of SFT, or the paradigm of a run from the base model."""
    starts = zip(table["paradigm"], table["dataset"], strict=True)
    return [paradigm if dataset == NO_DATASET else dataset for paradigm, dataset in starts]


def tabulate_run_summary(table: pd.DataFrame, names: Sequence[str]) -> TextTable:
    """The columns worth a glance, after the data set those in `names`.

    Where recipes have a column, it tells what `SFT-then-LUFFY` beside the data set would.
    """
    ends = zip(table["a_post_low"], table["a_post_high"], strict=True)
    subphases = [
        SHORT_SUBPHASES.get(label, label) or MISSING
        for label in format_text_cells(table["subphase"])
    ]
    return make_table(
        [
            ("data set", False, (name_starts if "recipe" in names else label_branches)(table)),
            *[(name, False, format_text_cells(table[name])) for name in names],
            ("step", True, [format_integer(value) for value in table["sft_step"]]),
            ("sub-phase", False, subphases),
            ("P_sft", True, [format_number(value) for value in table["p_sft"]]),
            ("best", True, [format_number(value) for value in table["best_score"]]),
            *(format_cut_columns(table[CUT_SHARE].tolist()) if CUT_SHARE in table else []),
            ("A_post", True, [format_number(value) for value in table["a_post"]]),
            ("90% interval", True, [format_interval(low, high) for low, high in ends]),
            ("verdict", False, [label or MISSING for label in format_text_cells(table["verdict"])]),
        ]
    )


def shorten_name(name: str, width: int) -> str:
    """A name that fits `width`: both ends stay, for paradigm and data set differ there."""
    if len(name) <= width:
        return name
    tail = max(0, width - len(CUT_MARK)) // 2
    return name[: width - len(CUT_MARK) - tail] + CUT_MARK + name[len(name) - tail :]


def compute_name_widths(widths: Sequence[int], n_names: int) -> list[int]:
    """Widths at which a line fits the terminal: the widest of the first `n_names` give way."""
    fitted = list(widths)
    excess = sum(fitted) + COLUMN_GAP * (len(fitted) - 1) - TERMINAL_WIDTH
    for _ in range(excess):
        widest = max(range(n_names), key=lambda i: fitted[i])
        fitted[widest] = max(1, fitted[widest] - 1)
    return fitted


def render_table(table: TextTable, n_names: int = 1) -> str:
    """Aligned columns under a rule; the first `n_names` are shortened as far as the width asks."""
    lines = [table.headers, *table.rows]
    longest = [max(len(line[i]) for line in lines) for i in range(len(table.headers))]
    widths = compute_name_widths(longest, n_names)
    shown = [
        [shorten_name(cell, w) for cell, w in zip(line, widths, strict=True)] for line in lines
    ]
    printed = align_columns(shown, table.right)
    return "\n".join([printed[0], "-" * max(map(len, printed)), *printed[1:]]) + "\n"
