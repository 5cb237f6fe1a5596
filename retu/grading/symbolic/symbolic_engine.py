"""The symbolic engine: math-verify behind a lock, without its clock, and what it may compare."""

import functools
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from retu.grading.symbolic.parsing_guard import explain_unsafe_expression

# Parser and comparison share caches that are not written for several threads.
ENGINE_LOCK = threading.Lock()
MAX_SHOWN = 300
# Longest text whose expressions are kept.
MAX_KEPT = 2_000


@dataclass(frozen=True)
class SymbolicEngine:
    """The parts of math-verify in use, and the extractions by name."""

    parse: Callable[..., list[Any]]
    verify: Callable[..., bool]
    extractions: dict[str, dict[str, Any]]


@functools.cache
def load_symbolic_engine() -> SymbolicEngine:
    """Import math-verify on first use: it costs about a second and loads sympy."""
    import math_verify
    from latex2sympy2_extended import NormalizationConfig

    # It warns in every process that it runs without its signal-based limits; `guard` is why.
    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.ERROR)

    def make_extraction(anchored: bool, **rules: bool) -> dict[str, Any]:
        config = math_verify.LatexExtractionConfig(
            try_extract_without_anchor=not anchored,
            boxed_match_priority=0,
            normalization_config=NormalizationConfig(units=True, **rules),
        )
        return {"extraction_config": (config,), "extraction_mode": "first_match"}

    install_two_stage_parser()
    extractions = {
        "latex first": make_extraction(False, nits=False, malformed_operators=False),
        "default": {},
    }
    return SymbolicEngine(math_verify.parse, math_verify.verify, extractions)


def install_two_stage_parser() -> None:
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


def parse_text(text: str, extraction: str) -> list[Any]:
    """Expressions that math-verify reads from `text`, [] if none.

    Args:
        text: what to search.
        extraction: a key of `Engine.extractions`.
    """
    keep = len(text) <= MAX_KEPT
    return list((parse_kept_text if keep else parse_text_anew)(text, extraction))


def parse_text_anew(text: str, extraction: str) -> tuple[Any, ...]:
    """What math-verify reads from a text."""
    engine = load_symbolic_engine()
    with ENGINE_LOCK:
        return tuple(engine.parse(text, parsing_timeout=None, **engine.extractions[extraction]))


@functools.lru_cache(maxsize=4_096)
def parse_kept_text(text: str, extraction: str) -> tuple[Any, ...]:
    """What math-verify reads from a short text, such as a gold answer that many answers meet."""
    return parse_text_anew(text, extraction)


@functools.lru_cache(maxsize=8_192)
def parse_latex(text: str) -> Any:
    """The sympy object of one LaTeX expression, capitals and small letters told apart.

    Raises:
        Exception: the engine does not read it; it raises no type of its own.
    """
    load_symbolic_engine()
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

    with ENGINE_LOCK:
        return latex2sympy(
            text,
            is_real=None,
            normalization_config=None,
            conversion_config=ConversionConfig(lowercase_symbols=False),
        )


def verify_expressions(
    gold: Sequence[Any], answer: Sequence[Any], float_rounding: int, strict: bool
) -> bool:
    """Compare parsed expressions; what the engine cannot compare is not equal."""
    with ENGINE_LOCK:
        equal = load_symbolic_engine().verify(
            list(gold),
            list(answer),
            float_rounding=float_rounding,
            strict=strict,
            timeout_seconds=None,
        )
    return bool(equal)


def find_parsed_problem(expressions: Iterable[Any]) -> str | None:
    """Why parsed expressions must not be compared, None if they may; strings always may."""
    symbolic = (item for item in expressions if not isinstance(item, str))
    try:
        return next(filter(None, map(explain_unsafe_expression, symbolic)), None)
    except RecursionError:
        return "nested too deep"


def describe_expressions(expressions: Sequence[Any]) -> str:
    """How a table shows what was parsed: the first expression, cut to a few hundred characters."""
    return write_short(expressions[0], str) if expressions else ""


def write_short(item: Any, write: Callable[[Any], str]) -> str:
    """What `write` makes of an item, cut to a few hundred characters; its type if that fails."""
    try:
        text = write(item)
    except (ValueError, RecursionError):  # more digits than Python prints, or too deep
        text = type(item).__name__
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
