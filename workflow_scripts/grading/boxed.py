r"""Rule `boxed`: math-verify with pinned extraction, made safe for rewards.

Only the last boxed answer counts (`\boxed{1} and \boxed{2}` count as one), else a LaTeX answer
that the closing words announce ("final answer is $2$"). A bare number is never taken for an
answer: the library's default extraction does that, and rewards an untrained model for luck.
Hostile answers are refused with a reason before the engine sees them (`guard`).
"""

import functools
import re
from typing import Any

from workflow_scripts.errors import InputError
from workflow_scripts.grading.extract import BOX, box_content, last_boxes
from workflow_scripts.grading.guard import text_problem
from workflow_scripts.grading.settings import GraderSettings
from workflow_scripts.grading.spacing import settle, side_by_side
from workflow_scripts.grading.symbolic import (
    clearly_different,
    names_two_values,
    parse,
    parsed_problem,
    shown,
    sides,
    verify,
)
from workflow_scripts.grading.verdict import Grade, right, wrong

BARE = re.compile(r"\s*(\$*)(.*?)\1\s*", re.DOTALL)
# So written, and no longer than a double can tell apart, two integers are equal as texts or not.
PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}")


def find(generation: str, settings: GraderSettings) -> Grade | str:
    """The answer in a generation, or the verdict when there is none; needs no engine."""
    start = generation.rfind(BOX)
    answers = last_boxes(generation)
    if start >= 0 and not answers:
        return wrong("box not closed")
    text = " and ".join(answers) if answers else generation[-settings.tail_chars :]
    if not answers and not re.search(r"(?i)answer", text):
        return wrong("no answer")
    problem = text_problem(text, max(settings.max_chars, 0 if answers else settings.tail_chars))
    return wrong(f"refused: {problem}") if problem else text


def plain(answer: str, gold: str, settings: GraderSettings) -> Grade | None:
    """The verdict when both are plain integers, the very one of `judge`; None otherwise."""
    if not (answer.startswith(BOX) and answer.endswith("}") and answer.count(BOX) == 1):
        return None
    text = box_content(answer).strip(" ")
    room = min(len(text), len(gold)) > 0 and max(len(answer), len(gold) + 8) <= settings.max_chars
    if not (room and PLAIN_INTEGER.fullmatch(text) and PLAIN_INTEGER.fullmatch(gold)):
        return None
    return right("equal", text) if text == gold else wrong("differs", text)


def judge(answer: str, gold: str, settings: GraderSettings) -> Grade:
    """Parse an answer that `find` returned and compare it with its gold answer.

    Raises:
        InputError: the gold answer does not parse.
    """
    wanted = parse_gold(gold, settings)
    boxed = answer if BOX in answer else ""
    answer = settle(answer)
    if side_by_side(answer):
        return wrong("two numbers side by side", boxed)
    candidates = parse(answer, "boxed, repaired" if settings.repair else "boxed")
    if not candidates:
        return wrong("not readable as LaTeX" if boxed else "no answer", boxed)
    problem = parsed_problem(candidates)
    if problem:
        return wrong(f"refused: {problem}", boxed)
    text = shown(candidates)
    equation = bool(sides(wanted[0]))
    if not equation and names_two_values(candidates[0], settings.float_rounding):
        return wrong("equates a number with another value", text)
    quick = settings.strict and clearly_different(wanted, candidates, settings.float_rounding)
    if not quick and verify(wanted, candidates, settings.float_rounding, settings.strict):
        return right("equal", text)
    return wrong("differs", text)


@functools.lru_cache(maxsize=65_536)
def parse_gold(gold: str, settings: GraderSettings) -> tuple[Any, ...]:
    """Parse a gold answer once: a bare LaTeX expression, or text that holds a boxed one.

    Raises:
        InputError: it is empty, refused or does not parse.
    """
    bare = BARE.fullmatch(gold)
    text = settle(" and ".join(last_boxes(gold)) or f"{BOX}{{{bare[2] if bare else gold}}}")
    problem = text_problem(text, settings.max_chars)
    problem = problem or ("two numbers side by side" if side_by_side(text) else None)
    parsed = [] if problem or not gold.strip() else parse(text, "boxed, repaired")
    problem = problem or parsed_problem(parsed)
    if problem or not parsed:
        raise InputError(f"gold answer {gold[:60]!r}: {problem or 'does not parse as LaTeX'}")
    return tuple(parsed)


def is_plain(gold: str) -> bool:
    """Whether a gold answer is read without the engine."""
    return bool(PLAIN_INTEGER.fullmatch(gold))


def show_gold(gold: str, settings: GraderSettings) -> str:
    """How the gold answer was read; InputError when it was not."""
    return gold if is_plain(gold) else shown(parse_gold(gold, settings))
