"""Grading one answer in this process, by the rule of the grader: find, then judge.

Finding needs no engine and no clock. Judging may: where many answers of a model are graded, use
`service`, which bounds its time and memory; this module's `grade` does not.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from retu.config.graders import DEFAULT_GRADER, GraderSettings
from retu.core.errors import InputError
from retu.core.text import format_rest
from retu.grading import boxed, choice, paper_rules
from retu.grading.grade_verdict import (
    Grade,
    make_correct_grade,
    make_unusable_grade,
    make_wrong_grade,
)


@dataclass(frozen=True)
class GradingRule:
    """How a grader works: `find` an answer, `judge` it, and show how the gold answer is read."""

    find: Callable[[str, GraderSettings], Grade | str]
    judge: Callable[[str, str, GraderSettings], Grade]
    show_gold: Callable[[str, GraderSettings], str]
    # The verdict of `judge` without the engine, where that can be known.
    plain: Callable[[str, str, GraderSettings], Grade | None]
    # Whether `show_gold` reads a gold answer without the engine.
    gold_is_plain: Callable[[str], bool]


def leave_undecided(answer: str, gold: str, settings: GraderSettings) -> None:
    """Decide no answer without `judge`."""


def needs_no_engine(gold: str) -> bool:
    """Say of any gold answer that it is read without the engine."""
    return True


PAPER_RULE = GradingRule(
    paper_rules.find_response,
    paper_rules.judge_response,
    paper_rules.show_gold_string,
    leave_undecided,
    needs_no_engine,
)
GRADING_RULES = {
    "boxed": GradingRule(
        boxed.find_boxed_answer,
        boxed.judge_boxed_answer,
        boxed.show_boxed_gold,
        boxed.judge_integer_answer,
        boxed.is_plain_integer,
    ),
    "lenient": PAPER_RULE,
    "strict": PAPER_RULE,
    "choice": GradingRule(
        choice.find_option_answer,
        choice.judge_option,
        choice.show_gold_option,
        choice.judge_usable_option,
        needs_no_engine,
    ),
}


def get_rule(settings: GraderSettings) -> GradingRule:
    """The rule of a grader."""
    return GRADING_RULES[settings.rule]


def find_answer(generation: str, settings: GraderSettings) -> Grade | str:
    """The answer in a generation, or the verdict when there is none."""
    return (
        get_rule(settings).find(generation, settings)
        if generation.strip()
        else make_wrong_grade("empty")
    )


@functools.lru_cache(maxsize=65_536)
def judge_answer(answer: str, gold: str, settings: GraderSettings) -> Grade:
    """The verdict on an answer that `find` returned; equal pairs are judged once per process."""
    return get_rule(settings).judge(answer, gold, settings)


def grade(generation: str, gold: str, grader: str | GraderSettings = DEFAULT_GRADER) -> Grade:
    r"""Grade one generation against its gold answer, in this process.

        grade(r"so it is \boxed{1/2}", "0.5").correct
        grade("The answer is 4", "4", grader="paper_lenient").correct

    A hostile answer may take as long and as much memory as it likes; `GradingService` bounds both,
    with the same verdicts.

    Args:
        generation: the whole text that a model wrote.
        gold: the right answer alone, as LaTeX or plain text.
        grader: a name in `config/graders.yaml` (math_verify, paper_strict, paper_lenient,
            multiple_choice), or its settings.

    Returns:
        The verdict: `correct`, what was read (`parsed`), and the `reason`.

    Raises:
        InputError: an unknown grader, something else than a text, or a gold answer that cannot be
            used.
    """
    for name, text in (("generation", generation), ("gold", gold)):
        if not isinstance(text, str):
            raise InputError(f"{name}: is {text!r}; give a text")
    settings = GraderSettings(name=grader) if isinstance(grader, str) else grader
    get_rule(settings).show_gold(gold, settings)
    answer = find_answer(generation, settings)
    return answer if isinstance(answer, Grade) else judge_answer(answer, gold, settings)


def read_gold(gold: str, settings: GraderSettings) -> Grade:
    """How a gold answer is read: `parsed`, or the `reason` why it is not `usable`."""
    try:
        return make_correct_grade("", get_rule(settings).show_gold(gold, settings))
    except InputError as error:
        return make_unusable_grade(str(error))


def describe_gold_problem(gold: str, settings: GraderSettings) -> str | None:
    """Why a gold answer cannot be used, None if it can."""
    read = read_gold(gold, settings)
    return None if read.usable else read.reason


def check_golds(
    golds: Iterable[str], settings: GraderSettings | None = None, where: str = "gold answers"
) -> None:
    """Make sure that every gold answer of `where` can be used; InputError lists the others."""
    chosen = settings or GraderSettings()
    refuse_golds(
        filter(None, (describe_gold_problem(gold, chosen) for gold in dict.fromkeys(golds))), where
    )


def refuse_golds(problems: Iterable[str], where: str) -> None:
    """Raise an InputError that lists the problems of gold answers, if there are any."""
    bad = list(problems)
    if bad:
        listed = "; ".join(bad[:5]) + format_rest(len(bad), 5)
        raise InputError(f"{where}: {len(bad)} unusable: {listed}; mend the data set")
