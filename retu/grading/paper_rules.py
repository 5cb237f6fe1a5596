r"""Rules `lenient` and `strict`: the reward and the evaluation of the paper, from its description.

Three stages, each only when those before did not match: math-verify with its default parsing,
math-verify again with the first LaTeX match (boxes first, nothing repaired), and strings. The
lenient rule reads the whole response and takes similar strings for equal; the strict rule reads
the last answer block, if there is one, and takes equal strings only. docs/grading.md says what
the description leaves open. The lenient rule pays for near misses: for audit, never for training.
"""

import re

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.grading.extraction import ANNOUNCED, find_last_block, find_lone_letters
from retu.grading.grade_verdict import Grade, make_correct_grade, make_wrong_grade
from retu.grading.strings import compute_similarity, tidy_string
from retu.grading.symbolic.symbolic_engine import (
    describe_expressions,
    find_parsed_problem,
    parse_text,
    verify_expressions,
)

MAX_TEXT = 300
STAGES = {"default": "equal (default parsing)", "latex first": "equal (LaTeX first)"}
MATH = re.compile(r"(?<!\\)\$|\\\(|\\\[|\\boxed")
NUMBER = re.compile(r"-?\d+,\d\d")
# What makes a letter look like the choice, and how much.
ANNOUNCED_SCORE, BRACKETED_SCORE, LAST_SCORE = 4, 2, 1


def find_response(generation: str, settings: GraderSettings) -> Grade | str:
    """The response as it is, or the verdict when it is too long to search."""
    if len(generation) > settings.max_chars:
        return make_wrong_grade(f"refused: longer than {settings.max_chars} characters")
    return generation


def judge_response(response: str, gold: str, settings: GraderSettings) -> Grade:
    """Grade a whole response against its gold answer.

    Raises:
        InputError: the gold answer is empty or too long.
    """
    show_gold_string(gold, settings)
    block = find_last_block(response)
    candidate = response if block is None else block
    lenient = settings.rule == "lenient"
    searched = response if lenient else candidate
    parsed = ""
    for stage, reason in STAGES.items():
        found = parse_text(searched, stage)
        parsed = parsed or describe_expressions(found)
        if has_match(found, gold, stage, settings):
            return make_correct_grade(reason, describe_expressions(found))
    return compare_strings(candidate, gold, parsed, settings)


def has_match(found: list[object], gold: str, stage: str, settings: GraderSettings) -> bool:
    """Whether what was found equals the gold answer, both parsed as the stage does.

    A gold answer without any mark of mathematics is parsed between dollar signs, because the
    default parsing finds no more than a number in `x^2 + 1`; a number with a decimal comma stays as
    it is, because between dollar signs `1,22` is a list. What must not be compared may be the same.
    """
    as_it_is = MATH.search(gold) or NUMBER.fullmatch(gold.strip())
    wanted = parse_text(gold if as_it_is else f"${gold}$", stage)
    if not found or not wanted:
        return False
    if find_parsed_problem([*wanted, *found]):
        return any(is_same_expression(one, other) for one in wanted for other in found)
    return verify_expressions(wanted, found, settings.float_rounding, settings.strict)


def is_same_expression(one: object, other: object) -> bool:
    """Whether two parsed expressions are built alike; strings are compared in the last stage."""
    if isinstance(one, str) or isinstance(other, str):
        return False
    return describe_expressions([one]) == describe_expressions([other])


def compare_strings(candidate: str, gold: str, parsed: str, settings: GraderSettings) -> Grade:
    """The last stage: equal or, for the lenient rule, similar strings, numbers, option letters."""
    text, wanted = tidy_string(candidate), tidy_string(gold)
    if text == wanted:
        return make_correct_grade("equal strings", parsed or text)
    if settings.rule == "strict":
        return make_wrong_grade("differs", parsed)
    letters = find_lone_letters(wanted)
    if any(char.isdigit() for char in wanted):
        numbers = read_float(text), read_float(wanted)
        if None not in numbers:
            equal = numbers[0] == numbers[1]
            return (
                make_correct_grade("equal numbers", text)
                if equal
                else make_wrong_grade("differs", parsed or text)
            )
    elif letters:
        chosen = find_option_letter(text) or ""
        if chosen == letters[0][1]:
            return make_correct_grade("option letter", chosen)
        return make_wrong_grade("other option letter" if chosen else "differs", chosen or parsed)
    if compute_similarity(text, wanted, settings.near_miss) > settings.near_miss:
        return make_correct_grade("similar strings", text[:MAX_TEXT])
    return make_wrong_grade("differs", parsed)


def read_float(text: str) -> float | None:
    """The number that a string is, None if it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def find_option_letter(text: str) -> str | None:
    """The capital letter that looks most like a choice; the last of equals, None without any."""
    announced = {match.start(1) for match in ANNOUNCED.finditer(text)}
    letters = find_lone_letters(text)
    scores = [
        ANNOUNCED_SCORE * (found.start() in announced)
        + BRACKETED_SCORE * is_bracketed(text, found)
        + LAST_SCORE * (found is letters[-1])
        for found in letters
    ]
    best = max(scores, default=0)
    return next((f[1] for f, s in zip(letters[::-1], scores[::-1], strict=True) if s == best), None)


def is_bracketed(text: str, letter: re.Match[str]) -> bool:
    """Whether a letter stands in brackets or braces: `(B)`, `\\boxed{B}`, `[B]`."""
    before, after = text[: letter.start()][-1:], text[letter.end() :][:1]
    return before + after in {"()", "{}", "[]"}


def show_gold_string(gold: str, settings: GraderSettings) -> str:
    """The gold answer as strings are compared; InputError when it is empty or too long."""
    problem = "is empty" if not gold.strip() else ""
    if len(gold) > settings.max_chars:
        problem = f"longer than {settings.max_chars} characters"
    if problem:
        raise InputError(f"gold answer {gold[:60]!r}: {problem}")
    return tidy_string(gold)
