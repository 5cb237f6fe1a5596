"""The answer of a study as the report and the terminal show it."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

from retu.advice.advice_record import PoolAnswer, StudyAnswer
from retu.core.errors import InputError, advise_making

MOST_SHOWN = 2
"""Answers that stand open; the others are folded in the report, and only counted in a summary."""


@dataclass(frozen=True)
class ShownAnswers:
    """The answers in the order in which they are read."""

    opened: list[PoolAnswer]
    folded: list[PoolAnswer]


def read_answer(path: Path) -> StudyAnswer:
    """Read answer.json; InputError says how it is made."""
    try:
        return StudyAnswer.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no readable answer of a study; {advise_making(path)}") from error


def arrange_answers(answer: StudyAnswer) -> ShownAnswers:
    """Of each model and seed the pool of the most RL curves first, as far as there is room."""
    first = [pool for pool in answer.pools if pool.is_first]
    opened = first[:MOST_SHOWN]
    return ShownAnswers(opened, [pool for pool in answer.pools if pool not in opened])


def format_answer(answer: StudyAnswer, width: int) -> str:
    """The findings without their evidence, for a terminal; empty where no pool has one."""
    shown = arrange_answers(answer)
    lines: list[str] = []
    for pool in shown.opened:
        lines.append(f"Answer ({pool.title}):")
        for one in pool.findings:
            text = f"{one.question}: {one.answer}{' (weak)' if one.weak else ''}"
            lines += textwrap.wrap(
                text, width, initial_indent="  ", subsequent_indent=" " * 4, break_on_hyphens=False
            )
    if shown.folded:
        lines.append(f"({len(shown.folded)} more, and what all rest on, in the report)")
    return "".join(f"{line}\n" for line in lines)
