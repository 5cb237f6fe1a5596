"""The symbolic engine: math-verify behind a lock, without its clock, and what it may compare."""

import functools
import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_scripts.grading.guard import children, expression_problem, walk

# Parser and comparison share caches that are not written for several threads.
ENGINE_LOCK = threading.Lock()
EQUATIONS = {"Eq", "Equality"}
MAX_SHOWN = 300
# Relative difference of values that no rounding explains; where symbols are evaluated.
CLEARLY = 1e-3
FIRST_PLACE, STEP = 0.7310585, 0.3181471


@dataclass(frozen=True)
class Engine:
    """The parts of math-verify in use, and the extractions by name."""

    parse: Callable[..., list[Any]]
    verify: Callable[..., bool]
    extractions: dict[str, dict[str, Any]]


@functools.cache
def load_engine() -> Engine:
    """Import math-verify on first use: it costs about a second and loads sympy."""
    import math_verify
    from latex2sympy2_extended import NormalizationConfig

    # It warns in every process that it runs without its signal-based limits; `guard` is why.
    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.ERROR)

    def latex(anchored: bool, **rules: bool) -> dict[str, Any]:
        config = math_verify.LatexExtractionConfig(
            try_extract_without_anchor=not anchored,
            boxed_match_priority=0,
            normalization_config=NormalizationConfig(units=True, **rules),
        )
        return {"extraction_config": (config,), "extraction_mode": "first_match"}

    parse_in_two_stages()
    only = {"fallback_mode": "no_fallback"}
    extractions = {
        "boxed": latex(True, nits=True, malformed_operators=False) | only,
        "boxed, repaired": latex(True, nits=True, malformed_operators=True) | only,
        "latex first": latex(False, nits=False, malformed_operators=False),
        "default": {},
    }
    return Engine(math_verify.parse, math_verify.verify, extractions)


def parse_in_two_stages() -> None:
    """Let the LaTeX parser look ahead no further than it must: several times faster.

    ANTLR's fast prediction (SLL) gives the tree of its full one (LL) or a syntax error; only then
    the text is parsed again in full. This is the parser generator's own recipe.
    """
    from antlr4 import CommonTokenStream, PredictionMode  # type: ignore[import-untyped]
    from latex2sympy2_extended import latex2sympy2

    class TwoStageParser(latex2sympy2.PSParser):  # type: ignore[misc]
        def math(self) -> Any:
            self._interp.predictionMode = PredictionMode.SLL
            try:
                return super().math()
            except Exception:  # the listener raises no type of its own
                # From the first character: a lexer that failed has already skipped the culprit.
                lexer = self.getTokenStream().tokenSource
                lexer.reset()
                self.setTokenStream(CommonTokenStream(lexer))
                self._interp.predictionMode = PredictionMode.LL
                return super().math()

    latex2sympy2.PSParser = TwoStageParser


def parse(text: str, extraction: str) -> list[Any]:
    """Expressions that math-verify reads from `text`, [] if none.

    Args:
        text: what to search.
        extraction: a key of `Engine.extractions`.
    """
    engine = load_engine()
    with ENGINE_LOCK:
        return engine.parse(text, parsing_timeout=None, **engine.extractions[extraction])


def verify(gold: Sequence[Any], answer: Sequence[Any], float_rounding: int, strict: bool) -> bool:
    """Compare parsed expressions; what the engine cannot compare is not equal."""
    with ENGINE_LOCK:
        equal = load_engine().verify(
            list(gold),
            list(answer),
            float_rounding=float_rounding,
            strict=strict,
            timeout_seconds=None,
        )
    return bool(equal)


def clearly_different(gold: Sequence[Any], answer: Sequence[Any], float_rounding: int) -> bool:
    """Whether these are two expressions that no comparison of the engine can equate.

    The engine would try to simplify their difference to zero, which takes a hundred times longer
    than to see that it is none: it is not when the two differ in one place. Percentages stay with
    the engine, which takes 9% for 9, and so does all that has no finite real value there.
    """
    if len(gold) != 1 or len(answer) != 1:
        return False
    first, second = value(gold[0]), value(answer[0])
    if first is None or second is None:
        return False
    size = max(1.0, abs(first), abs(second))
    return abs(first - second) > CLEARLY * size + 2 * 10.0**-float_rounding


def value(expression: Any) -> float | None:
    """Value of an expression where its symbols have fixed positive values, None without one.

    Positive, because that is where rules hold that simplification may use, such as those of roots.
    """
    from sympy import Expr, Symbol

    if not isinstance(expression, Expr) or isinstance(expression, Symbol):
        return None  # the engine compares a lone symbol by its name
    if has_percent(expression):
        return None
    names = sorted(expression.free_symbols, key=str)
    places = {symbol: FIRST_PLACE + STEP * index for index, symbol in enumerate(names)}
    number = expression.evalf(15, subs=places)
    if not (number.is_Float or number.is_Rational):
        return None
    found = float(number)
    return found if math.isfinite(found) else None


def has_percent(expression: Any) -> bool:
    """Whether something in it is kept from being evaluated, as the engine does with per cent."""
    return any(type(node).__name__ == "UnevaluatedExpr" for node in walk(expression))


def parsed_problem(expressions: Iterable[Any]) -> str | None:
    """Why parsed expressions must not be compared, None if they may; strings always may."""
    symbolic = (item for item in expressions if not isinstance(item, str))
    try:
        return next(filter(None, map(expression_problem, symbolic)), None)
    except RecursionError:
        return "nested too deep"


def sides(expression: Any) -> list[Any]:
    """The sides of an equation `a = b`, or of a chain `a = b = c`; [] for anything else."""
    if type(expression).__name__ in EQUATIONS:
        return [expression.lhs, expression.rhs]
    parts: Sequence[Any] = getattr(expression, "_unsorted_args", ())
    if type(expression).__name__ == "And" and all(type(p).__name__ in EQUATIONS for p in parts):
        return [parts[0].lhs, *(part.rhs for part in parts)]
    return []


def names_two_values(expression: Any, float_rounding: int) -> bool:
    """Whether it is, or lists, an equation that equates a number with something else (`5 = 0`).

    The engine reads an equation as its last side, so `5 = 0` would pass for 0 and for nothing
    else that it says. `1/2 = 0.5` says one value twice and is let through.
    """
    members = [expression]
    if not sides(expression) and type(expression).__name__ in {"FiniteSet", "Tuple"}:
        members = list(children(expression))
    for chain in filter(None, map(sides, members)):
        first, *others = chain
        if getattr(first, "is_number", False) and not all(
            verify([first], [side], float_rounding, True) for side in others
        ):
            return True
    return False


def shown(expressions: Sequence[Any]) -> str:
    """How a table shows what was parsed: the first expression, cut to a few hundred characters."""
    if not expressions:
        return ""
    try:
        text = str(expressions[0])
    except (ValueError, RecursionError):  # more digits than Python prints, or too deep
        return type(expressions[0]).__name__
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
