r"""Rule `boxed`: math-verify with pinned extraction, made safe for rewards.

The last boxed answer counts (`\boxed{1} and \boxed{2}` count as one), unless "final answer is $2$"
follows it; without a box, a LaTeX answer that the word "answer" announces. A bare number is never
taken for an answer: the library's default extraction does that, and rewards an untrained model for
luck. Gold and answer are read alike (`reading`) and compared by kind (`comparing`). Hostile answers
are refused with a reason before the engine sees them (`parsing_guard`).
"""

import functools
import re

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.grading.comparing.compare import are_equal, has_value, make_context
from retu.grading.comparing.relations import is_false_equation
from retu.grading.extraction import (
    find_announced_formulas,
    find_boxes,
    find_final_formulas,
    find_last_boxes,
    join_last_boxes,
)
from retu.grading.grade_verdict import Grade, make_correct_grade, make_wrong_grade
from retu.grading.reading.reader import read_alternatives
from retu.grading.reading.unreadable import UnreadableError
from retu.grading.reading.value_text import describe_value
from retu.grading.reading.values import Relation, Value, ValueCollection
from retu.grading.symbolic.parsing_guard import explain_unsafe_text

# So written, and no longer than a double can tell apart, two integers are equal as texts or not.
PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}")
JOIN = r" \text{ and } "
UNSPECIFIC = "not readable as LaTeX"


def find_boxed_answer(generation: str, settings: GraderSettings) -> Grade | str:
    """The answer in a generation, or the verdict when there is none; needs no engine."""
    boxes, is_open = find_boxes(generation)
    answers = find_final_formulas(generation, boxes, settings.tail_chars)
    if is_open and not answers:
        return make_wrong_grade("box not closed")
    answers = answers or join_last_boxes(generation, boxes)
    answers = answers or find_announced_formulas(generation[-settings.tail_chars :])
    if not answers:
        return make_wrong_grade("no answer")
    text = JOIN.join(answers)
    problem = explain_unsafe_text(text, settings.max_chars)
    return make_wrong_grade(f"refused: {problem}") if problem else text


def judge_integer_answer(answer: str, gold: str, settings: GraderSettings) -> Grade | None:
    """The verdict when both are plain integers, the very one of `judge_answer`; None otherwise."""
    text = answer.strip(" ")
    room = min(len(text), len(gold)) > 0 and max(len(answer), len(gold)) <= settings.max_chars
    if not (room and PLAIN_INTEGER.fullmatch(text) and PLAIN_INTEGER.fullmatch(gold)):
        return None
    return make_correct_grade("equal", text) if text == gold else make_wrong_grade("differs", text)


def judge_boxed_answer(answer: str, gold: str, settings: GraderSettings) -> Grade:
    """Read an answer that `find_answer` returned and compare it with its gold answer.

    Raises:
        InputError: the gold answer cannot be used.
    """
    wanted = parse_gold(gold, settings)
    try:
        values = read_alternatives(answer)
    except (UnreadableError, RecursionError) as error:
        return make_wrong_grade(
            str(error) if isinstance(error, UnreadableError) else UNSPECIFIC, answer
        )
    text = describe_value(values[0])
    if not isinstance(wanted[0], Relation) and has_false_equation(values[0], settings):
        return make_wrong_grade("equates a number with another value", text)
    places = settings.float_rounding
    equal = any(are_equal(one, other, places) for one in wanted for other in values)
    return make_correct_grade("equal", text) if equal else make_wrong_grade("differs", text)


def has_false_equation(value: Value, settings: GraderSettings) -> bool:
    """Whether it is, or lists, an equation that equates a number with something else."""
    members = value.members if isinstance(value, ValueCollection) else (value,)
    return any(
        isinstance(member, Relation)
        and is_false_equation(member, make_context(member, settings.float_rounding))
        for member in members
    )


@functools.lru_cache(maxsize=65_536)
def parse_gold(gold: str, settings: GraderSettings) -> tuple[Value, ...]:
    """Read a gold answer once: a LaTeX expression, or text that holds a boxed one.

    Returns:
        Its value; behind the label of an option also that letter.

    Raises:
        InputError: it is empty, refused, not readable, or does not equal itself.
    """
    announced = find_announced_formulas(gold) if len(gold) > settings.max_chars else []
    text = JOIN.join(find_last_boxes(gold) or announced) or gold
    problem = "is not a number" if text.strip().lower() == "nan" else None
    problem = problem or explain_unsafe_text(text, settings.max_chars)
    try:
        values = () if problem or not gold.strip() else read_alternatives(text)
        problem = problem or find_gold_problem(values, settings.float_rounding)
    except (UnreadableError, RecursionError) as error:
        problem = str(error).removeprefix("refused: ")
    if problem:
        problem = "does not parse as LaTeX" if problem == UNSPECIFIC else problem
        raise InputError(f"gold answer {gold[:60]!r}: {problem}")
    return values


def find_gold_problem(values: tuple[Value, ...], places: int) -> str | None:
    """Why a gold answer that was read cannot be used, None if it can."""
    if not values:
        return UNSPECIFIC
    if not has_value(values[0], places):
        return "has no value"
    return None if are_equal(values[0], values[0], places) else "does not equal itself"


def is_plain_integer(gold: str) -> bool:
    """Whether a gold answer is read without the engine."""
    return bool(PLAIN_INTEGER.fullmatch(gold))


def show_boxed_gold(gold: str, settings: GraderSettings) -> str:
    """How the gold answer was read; InputError when it was not."""
    return gold if is_plain_integer(gold) else describe_value(parse_gold(gold, settings)[0])
