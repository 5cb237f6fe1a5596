"""Expressions: canonical tokens to sympy by the engine, with what the engine misreads kept from it.

The engine (latex2sympy2_extended) would evaluate the gcd of symbols to 1: a symbol stands in for
it while the engine parses. Other parts are rewritten before (`rewriting`) or made exact after
(`exactness`).
"""

import re
from collections.abc import Sequence
from typing import Any

from retu.grading.reading.exactness import make_expression_exact
from retu.grading.reading.rewriting import replace_set_braces, spell_letters, write_engine_latex
from retu.grading.reading.tex_tokens import (
    LatexTokens,
    find_closer,
    skip_blanks,
    split_tokens,
)
from retu.grading.reading.unreadable import UnevaluatedError, UnreadableError
from retu.grading.symbolic.parsing_guard import explain_unsafe_expression
from retu.grading.symbolic.symbolic_engine import parse_latex

# `e`, `i` and `d` have meanings of their own, and so has a capital I.
VARIABLE_LETTER = re.compile(r"[a-cf-hj-zA-HJ-Z]")
MULTIPLE = re.compile(r"([-+]?)(\d{1,6})?(?:\\sqrt\{(\d{1,9})\}|(\\pi|\\infty))")
JOINT_FUNCTIONS = {"\\gcd": "gcd", "\\lcm": "lcm"}
PLACEHOLDER = "z_{%d}"
FIRST_PLACEHOLDER = 90_001


def parse_expression(tokens: Sequence[str]) -> Any:
    """A sympy expression (or matrix) from canonical tokens.

    Raises:
        UnreadableError: the engine does not read it, or it must not be compared (`parsing_guard`).
    """
    stand_ins: dict[str, Any] = {}
    prepared = hide_joint_functions(replace_set_braces(spell_letters(tokens)), stand_ins)
    text = write_engine_latex(prepared)
    simple = parse_simple_expression(text)
    if simple is not None:
        return simple
    try:
        expression = parse_latex(text)
    except Exception as error:  # the engine's listener raises no type of its own
        raise UnreadableError("not readable as LaTeX") from error
    expression = make_expression_exact(expression, stand_ins)
    problem = find_expression_problem(expression)
    if problem and problem.startswith("left unevaluated"):
        raise UnevaluatedError(str(expression))
    if problem:
        raise UnreadableError(f"refused: {problem}")
    return expression


def parse_simple_expression(text: str) -> Any | None:
    """A letter, an infinity, or a multiple of a root or of pi, as the engine would read it.

    They are common and the engine takes a hundred times longer. None for anything else.
    """
    import sympy

    if VARIABLE_LETTER.fullmatch(text):
        return sympy.Symbol(text)
    found = MULTIPLE.fullmatch(text)
    if not found:
        return None
    sign, factor, radicand, constant = found.groups()
    known = {"\\pi": sympy.pi, "\\infty": sympy.oo}
    value = known[constant] if constant else sympy.Pow(int(radicand), sympy.S.Half, evaluate=False)
    number = int(f"{sign or ''}{factor or 1}")
    if constant == "\\infty":
        return None if factor else number * value
    return value if number == 1 else sympy.Mul(number, value, evaluate=False)


def find_expression_problem(expression: Any) -> str | None:
    """Why an expression must not be compared, None if it may."""
    try:
        return explain_unsafe_expression(expression)
    except RecursionError:
        return "nested too deep"


def hide_joint_functions(tokens: Sequence[str], stand_ins: dict[str, Any]) -> LatexTokens:
    """Tokens with a symbol for every gcd and lcm, which the engine would evaluate."""
    out: LatexTokens = []
    index = 0
    while index < len(tokens):
        name = JOINT_FUNCTIONS.get(tokens[index])
        opening = skip_blanks(tokens, index + 1)
        bracketed = list(tokens[opening : opening + 1]) == ["("]
        close = find_closer(tokens, opening, "(", ")") if bracketed else 0
        if name is None or close <= 0:
            out.append(tokens[index])
            index += 1
            continue
        parts, _ = split_tokens(tokens[opening + 1 : close], {","})
        symbol = PLACEHOLDER % (FIRST_PLACEHOLDER + len(stand_ins))
        stand_ins[symbol] = apply_joint_function(name, [parse_expression(part) for part in parts])
        out += ["z", "_", "{", *symbol[3:-1], "}"]
        index = close + 1
    return out


def apply_joint_function(name: str, arguments: list[Any]) -> Any:
    """The gcd or lcm of numbers, or a function of expressions in a fixed order."""
    import sympy

    if all(getattr(item, "is_Integer", False) for item in arguments):
        return sympy.Integer((sympy.igcd if name == "gcd" else sympy.ilcm)(*arguments))
    return sympy.Function(name)(*sorted(arguments, key=sympy.default_sort_key))
