"""A few stored answers of a study, right and wrong, as they were read and graded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from retu.advice.advice_record import BranchAdvice, StudyAnswer
from retu.core.markdown import MISSING, TextTable, make_table
from retu.core.run_paths import Run, locate_run, name_checkpoint
from retu.core.tables import read_table
from retu.core.text import format_quantity
from retu.evaluation.scores import FINISHED, GRADE_COLUMNS
from retu.reporting.answer_words import arrange_answers

MOST_CHARACTERS = 700
"""Of a cell; what is beyond is counted, not shown."""
MOST_BENCHMARKS = 8
KEYS = ["step", "benchmark", "problem_id", "sample"]
SHOWN = ("prompt", "gold", "generation")


@dataclass(frozen=True)
class AnswerSamples:
    """Which checkpoint answered, how many answers it gave, how many were right, and a few."""

    checkpoint: str
    answers: int
    right: int
    table: TextTable


def read_samples(
    answer: StudyAnswer, grades: Sequence[Path], generations: Sequence[Path]
) -> AnswerSamples | None:
    """Samples of the checkpoint where RL is to start, else of the last one of the first SFT run.

    Args:
        answer: answer.json.
        grades: grades.parquet of SFT runs; those without generations are not looked at.
        generations: generations.parquet of SFT runs.

    Returns:
        None where no answers are stored.
    """
    runs = {locate_run(path)[1]: path for path in generations}
    graded = {locate_run(path)[1]: path for path in grades}
    known = [run for run in runs if run in graded]
    if not known:
        return None
    run, step = choose_checkpoint(answer, known)
    table = read_table(graded[run], GRADE_COLUMNS)
    step = step if step in set(table["step"]) else int(table["step"].max())
    texts = read_table(runs[run], (*KEYS, *SHOWN))
    rows = table[table["step"] == step].merge(texts[[*KEYS, *SHOWN]], on=KEYS)
    return AnswerSamples(
        f"{run.model}, {name_checkpoint(run.dataset, step)}",
        len(rows),
        int(rows["correct"].sum()),
        tabulate_samples(choose_rows(rows)),
    )


def choose_checkpoint(answer: StudyAnswer, runs: Sequence[Run]) -> tuple[Run, int]:
    """The SFT run and the step to show; step -1 stands for the last."""
    for pool in arrange_answers(answer).opened:
        advice = pool.advice
        branches: list[BranchAdvice] = advice.branches if advice else []
        for branch in branches:
            if advice is None or branch.name != advice.start:
                continue
            for run in runs:
                of_pool = f"{run.model}, seed {run.seed}" == pool.sft_of
                if of_pool and run.dataset == branch.dataset:
                    return run, branch.sft_step
    return runs[0], -1


def choose_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The first right and the first wrong answer on every benchmark, in their stored order."""
    benchmarks = list(dict.fromkeys(rows["benchmark"]))[:MOST_BENCHMARKS]
    kept = rows[rows["benchmark"].isin(benchmarks)]
    first = kept.drop_duplicates(["benchmark", "correct"])
    return first.sort_values("correct", ascending=False, kind="stable")


def tabulate_samples(rows: pd.DataFrame) -> TextTable:
    """Samples for people: problem, expected answer, what the model wrote, and the verdict."""
    return make_table(
        [
            ("Benchmark", False, [str(name) for name in rows["benchmark"]]),
            ("Verdict", False, [name_verdict(bool(right)) for right in rows["correct"]]),
            ("Problem", False, [cut_text(text) for text in rows["prompt"]]),
            ("Expected", False, [shorten_text(gold) for gold in rows["gold"]]),
            ("Answer", False, [cut_text(text) for text in rows["generation"]]),
            ("Read as", False, [shorten_text(text) for text in rows["parsed"]]),
            ("Why", False, [explain_row(row) for row in rows.to_dict("records")]),
        ]
    )


def name_verdict(right: bool) -> str:
    """`right` or `wrong`."""
    return "right" if right else "wrong"


def show_text(value: Any) -> str:
    """A cell, a dash where nothing was read."""
    return MISSING if value is None or pd.isna(value) or value == "" else str(value)


def explain_row(row: Mapping[Any, Any]) -> str:
    """The grader's reason, and whether the token limit ended the answer."""
    finished = row.get(FINISHED)
    cut = not pd.isna(finished) and not bool(finished)
    reason = show_text(row["reason"])
    return f"{reason}; cut at the token limit" if cut else reason


def shorten_text(value: object) -> str:
    """A text as `show_text` shows it, a long one with what is left out told."""
    text = show_text(value)
    more = len(text) - MOST_CHARACTERS
    tail = f" [{format_quantity(more, 'more character')}]" if more > 0 else ""
    return text[:MOST_CHARACTERS] + tail


def cut_text(value: object) -> Markup:
    """A prompt or an answer with its line breaks, cut as by `shorten_text`."""
    return Markup("<pre>{}</pre>").format(shorten_text(value))
