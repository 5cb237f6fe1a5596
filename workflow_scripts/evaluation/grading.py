r"""Grading final answers with math-verify, made safe for training rewards and for threads.

Only the last boxed answer counts (`\boxed{1} and \boxed{2}` count as one), else a LaTeX answer
that the closing words announce ("final answer is $2$"). A bare number is never taken for an
answer: the library's default extraction does that, and rewards an untrained model for luck.
Hostile answers are refused with a reason before the engine sees them (`guard`).
"""

import functools
import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from workflow_scripts.errors import InputError
from workflow_scripts.evaluation.guard import expression_problem, text_problem

BOX = "\\boxed"
JOINT = re.compile(r"\s*\$?\s*(?:,|,?\s*and|,?\s*or)\s*\$?\s*")
MAX_JOINED = 6
# Parser and comparison share caches that are not written for several threads.
ENGINE_LOCK = threading.Lock()

Completion = str | Sequence[dict[str, str]]


@dataclass(frozen=True)
class GraderSettings:
    r"""What may change a grade; part of the identity of every grade.

    Attributes:
        max_chars: longest answer that is parsed, in characters.
        tail_chars: how much of the end of an answer without a box is searched.
        float_rounding: decimal places to which numbers must agree.
        strict: variables and kinds of sets must agree, too.
        repair: accept malformed LaTeX such as `\frac12` in answers; in gold answers it always is.
    """

    max_chars: int = 300
    tail_chars: int = 500
    float_rounding: int = 6
    strict: bool = True
    repair: bool = False

    @classmethod
    def from_spec(cls, spec: object) -> "GraderSettings":
        """Settings from decoded JSON; InputError for an unknown key or a value of another type."""
        if not isinstance(spec, dict):
            raise InputError("grader settings: expected a JSON object such as {}")
        types = {field.name: type(field.default) for field in fields(cls)}
        for key, value in spec.items():
            if key not in types:
                raise InputError(f"grader settings: unknown key {key!r}; use {', '.join(types)}")
            if type(value) is not types[key] or (type(value) is int and value < 1):
                raise InputError(
                    f"grader settings: {key} = {value!r}; use a {expected(types[key])}"
                )
        return cls(**spec)


@dataclass(frozen=True)
class Grade:
    """Verdict on one answer: `parsed` is what was read, `reason` why the verdict came out."""

    correct: bool
    parsed: str
    reason: str


def expected(kind: type) -> str:
    """How an error message calls the values of a setting."""
    return "a positive whole number" if kind is int else "true or false"


def grade(generation: str, gold: str, settings: GraderSettings | None = None) -> Grade:
    """Grade one generation against its gold answer.

    Raises:
        InputError: the gold answer does not parse.
    """
    settings = settings or GraderSettings()
    parse_gold(gold, settings)
    if not generation.strip():
        return Grade(False, "", "empty")
    start = generation.rfind(BOX)
    answers = last_boxes(generation)
    if start >= 0 and not answers:
        return Grade(False, "", "box not closed")
    text = " and ".join(answers) if answers else generation[-settings.tail_chars :]
    if not answers and not re.search(r"(?i)answer", text):
        return Grade(False, "", "no answer")
    return compare(text, gold, settings)


def last_boxes(text: str) -> list[str]:
    r"""The last `\boxed{...}` and those joined to it by a comma, "and" or "or", in reading order.

    Empty when there is none or the last one is not closed.
    """
    boxes: list[str] = []
    end = len(text)
    while len(boxes) < MAX_JOINED and (start := text.rfind(BOX, 0, end)) >= 0:
        close = closing_brace(text, start + len(BOX))
        if close is None or (boxes and not JOINT.fullmatch(text[close:end])):
            break
        boxes.insert(0, text[start:close])
        end = start
    return boxes


def closing_brace(text: str, start: int) -> int | None:
    """Index after the brace that closes the group opening at `start`, None if there is none."""
    opening = re.compile(r"\s*\{").match(text, start)
    if opening is None:
        return None
    depth = 1
    for brace in re.finditer(r"(?<!\\)[{}]", text[opening.end() :]):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return opening.end() + brace.end()
    return None


@functools.lru_cache(maxsize=65_536)
def compare(answer: str, gold: str, settings: GraderSettings) -> Grade:
    """Parse an extracted answer and compare it; equal pairs are graded once per process."""
    shown = answer if BOX in answer else ""
    problem = text_problem(answer, max(settings.max_chars, 0 if shown else settings.tail_chars))
    if problem:
        return Grade(False, "", f"refused: {problem}")
    candidates = parse(answer, settings.repair)
    if not candidates:
        return Grade(False, shown, "not readable as LaTeX" if shown else "no answer")
    problem = next(filter(None, map(expression_problem, candidates)), None)
    if problem:
        return Grade(False, shown, f"refused: {problem}")
    if verify(parse_gold(gold, settings), candidates, settings):
        return Grade(True, str(candidates[0]), "equal")
    return Grade(False, str(candidates[0]), "differs")


@functools.lru_cache(maxsize=65_536)
def parse_gold(gold: str, settings: GraderSettings) -> tuple[Any, ...]:
    """Parse a gold answer once: a bare LaTeX expression, or text that holds a boxed one.

    Raises:
        InputError: it is empty, refused or does not parse.
    """
    bare = re.fullmatch(r"\s*(\$*)(.*?)\1\s*", gold, re.DOTALL)
    text = " and ".join(last_boxes(gold)) or f"{BOX}{{{bare[2] if bare else gold}}}"
    problem = text_problem(text, settings.max_chars)
    parsed = [] if problem or not gold.strip() else parse(text, repair=True)
    problem = problem or next(filter(None, map(expression_problem, parsed)), None)
    if problem or not parsed:
        raise InputError(f"gold answer {gold[:60]!r}: {problem or 'does not parse as LaTeX'}")
    return tuple(parsed)


def check_golds(
    golds: Iterable[str], settings: GraderSettings | None = None, where: str = "gold answers"
) -> None:
    """Make sure that every gold answer of `where` parses; InputError lists those that do not."""
    bad: list[str] = []
    for gold in dict.fromkeys(golds):
        try:
            parse_gold(gold, settings or GraderSettings())
        except InputError as error:
            bad.append(str(error))
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise InputError(
            f"{where}: {len(bad)} unusable: {'; '.join(bad[:5])}{more}; mend the data set"
        )


def parse(text: str, repair: bool) -> list[Any]:
    """Expressions that math-verify reads from `text` by LaTeX extraction alone, [] if none."""
    engine = load_engine()
    with ENGINE_LOCK:
        found: list[Any] = engine.parse(
            text,
            extraction_config=engine.extraction(repair),
            fallback_mode="no_fallback",
            extraction_mode="first_match",
            parsing_timeout=None,
        )
    return found


def verify(gold: Sequence[Any], answer: Sequence[Any], settings: GraderSettings) -> bool:
    """Compare parsed expressions; what the engine cannot compare is not equal."""
    with ENGINE_LOCK:
        return bool(
            load_engine().verify(
                list(gold),
                list(answer),
                float_rounding=settings.float_rounding,
                strict=settings.strict,
                timeout_seconds=None,
            )
        )


@dataclass(frozen=True)
class Engine:
    """The parts of math-verify in use."""

    parse: Callable[..., list[Any]]
    verify: Callable[..., bool]
    extraction: Callable[[bool], tuple[Any, ...]]


@functools.cache
def load_engine() -> Engine:
    """Import math-verify on first use: it costs about a second and loads sympy."""
    import math_verify
    from latex2sympy2_extended import NormalizationConfig

    # It warns in every process that it runs without its signal-based limits; `guard` is why.
    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.ERROR)

    def extraction(repair: bool) -> tuple[Any, ...]:
        rules = NormalizationConfig(units=True, nits=True, malformed_operators=repair)
        return (
            math_verify.LatexExtractionConfig(
                try_extract_without_anchor=False,
                boxed_match_priority=0,
                normalization_config=rules,
            ),
        )

    return Engine(math_verify.parse, math_verify.verify, extraction)


def make_reward(settings: GraderSettings | None = None) -> Callable[..., list[float]]:
    """A reward function for TRL trainers: 1.0 for a correct completion, else 0.0.

    It reads the data set's column `gold`; completions are texts or chat messages.
    """
    chosen = settings or GraderSettings()

    def accuracy_reward(
        completions: Sequence[Completion], gold: Sequence[str], **_: object
    ) -> list[float]:
        pairs = zip(map(completion_text, completions), gold, strict=True)
        return [float(grade(text, answer, chosen).correct) for text, answer in pairs]

    return accuracy_reward


def completion_text(completion: Completion) -> str:
    """The text of a completion: itself, or the last message of a chat."""
    return completion if isinstance(completion, str) else completion[-1]["content"]
