"""Expressions: canonical tokens to sympy by the engine, with what the engine misreads kept from it.

The engine (latex2sympy2_extended) evaluates gcd of symbols to 1, drops primes and degrees, keeps
decimals as binary floats and takes `d x` for a differential. Such parts are rewritten before, or
stand in for a symbol while it parses and are put back after.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from workflow_scripts.grading.guard import expression_problem
from workflow_scripts.grading.reading.numbers import REPEATING, read_repeating
from workflow_scripts.grading.reading.tokens import (
    Tokens,
    find_closer,
    is_text,
    render_tokens,
    split_tokens,
    take_argument,
    unwrap_text,
)
from workflow_scripts.grading.symbolic import parse_latex

TRIGONOMETRY = {"\\sin", "\\cos", "\\tan", "\\cot", "\\sec", "\\csc"}
SEVERAL_ARGUMENTS = {"\\max", "\\min", "\\gcd", "\\lcm"}
# `e`, `i` and `d` have meanings of their own, and so has a capital I.
LETTER = re.compile(r"[a-cf-hj-zA-HJ-Z]")
MULTIPLE = re.compile(r"([-+]?)(\d{1,6})?(?:\\sqrt\{(\d{1,9})\}|(\\pi|\\infty))")
JOINT = {"\\gcd": "gcd", "\\lcm": "lcm"}
PERCENT = re.compile(r"(\d+(?:\.\d+)?)\\%")
BROKEN_NUMBER = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
PLACEHOLDER = "z_{%d}"
FIRST_PLACEHOLDER = 90_001
MOST_TERMS = 100
PRIME_INDEX = "_{p%d}"


class UnreadableError(Exception):
    """No rule reads this LaTeX; the message says why."""


class UnevaluatedError(UnreadableError):
    """A sum, integral or limit, which no comparison evaluates; the message is its plain text."""


def parse_expression(tokens: Sequence[str]) -> Any:
    """A sympy expression (or matrix) from canonical tokens.

    Raises:
        UnreadableError: the engine does not read it, or it must not be compared (`guard`).
    """
    stand_ins: dict[str, Any] = {}
    prepared = hide_joint_functions(replace_set_braces(spell_letters(tokens)), stand_ins)
    text = render_tokens(
        separate_differentials(name_primes(convert_degrees(mark_products(prepared))))
    )
    text = PERCENT.sub(r"\\frac{\1}{100}", REPEATING.sub(write_repeating_decimal, text))
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

    if LETTER.fullmatch(text):
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
        return expression_problem(expression)
    except RecursionError:
        return "nested too deep"


def spell_letters(tokens: Sequence[str]) -> Tokens:
    r"""Tokens with `\text{x}` as the letter x; other text is no expression."""
    out: Tokens = []
    for token in tokens:
        content = unwrap_text(token).strip(" ().") if is_text(token) else ""
        if is_text(token) and not (len(content) == 1 and content.isalpha()):
            raise UnreadableError("words in an expression")
        out.append(content if is_text(token) else token)
    return out


def replace_set_braces(tokens: Sequence[str]) -> Tokens:
    r"""Tokens with round brackets for the braces of `\max\{a, b\}`."""
    out = list(tokens)
    for index, token in enumerate(out[:-1]):
        if token in SEVERAL_ARGUMENTS and out[index + 1] == "\\{":
            close = find_closer(out, index + 1, "\\{", "\\}")
            if close > 0:
                out[index + 1], out[close] = "(", ")"
    return out


def hide_joint_functions(tokens: Sequence[str], stand_ins: dict[str, Any]) -> Tokens:
    """Tokens with a symbol for every gcd and lcm, which the engine would evaluate."""
    out: Tokens = []
    index = 0
    while index < len(tokens):
        name = JOINT.get(tokens[index])
        opening = index + 1
        while opening < len(tokens) and tokens[opening] == " ":
            opening += 1
        close = (
            find_closer(tokens, opening, "(", ")") if tokens[opening : opening + 1] == ["("] else 0
        )
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


def convert_degrees(tokens: Sequence[str]) -> Tokens:
    """Degrees inside trigonometric functions in radians; elsewhere the sign is dropped."""
    out: Tokens = []
    until = -1
    for index, token in enumerate(tokens):
        if token in TRIGONOMETRY:
            until = max(until, find_argument_end(tokens, index))
        if token != "\\degree":
            out.append(token)
        elif index < until:
            start = len(out)
            while start and (out[start - 1].isdigit() or out[start - 1] == "."):
                start -= 1
            if start == len(out):
                start -= 1
            out[start:] = ["(", "\\frac", "{", *out[start:], "\\pi", "}", *"{180}", ")"]
    return out


def find_argument_end(tokens: Sequence[str], index: int) -> int:
    """Index after the argument of the function at `index`: its bracket, or what a sum would end."""
    start = index + 1
    while start < len(tokens) and (tokens[start] == " " or tokens[start] == "^"):
        start = take_argument(tokens, start + 1)[1] if tokens[start] == "^" else start + 1
    if start < len(tokens) and tokens[start] in {"(", "{"}:
        return take_argument(tokens, start)[1]
    end = start
    while end < len(tokens) and tokens[end] not in {"+", "-", "=", ")", "}", *TRIGONOMETRY}:
        end += 1
    return end


def mark_products(tokens: Sequence[str]) -> Tokens:
    """Tokens with a dot between a number or bracket and a round bracket behind it.

    The engine takes `3(4)` for a mixed number. Square brackets and braces are no product.
    """
    solid = [token for token in tokens if token != " "]
    out: Tokens = []
    for before, token in zip(["", *solid], solid, strict=False):
        if before == ")" or (before.isdigit() and not is_index_digit(out)):
            if token == "(":
                out.append("\\cdot")
            elif token in {"[", "\\{"}:
                raise UnreadableError("two numbers side by side")
        out.append(token)
    return out


def is_index_digit(tokens: Sequence[str]) -> bool:
    """Whether the digits at the end of the tokens are an index without braces."""
    index = len(tokens)
    while index and tokens[index - 1].isdigit():
        index -= 1
    return index > 0 and tokens[index - 1] == "_"


def name_primes(tokens: Sequence[str]) -> Tokens:
    """Tokens with primes as an index of the letter, which the engine would drop."""
    out: Tokens = []
    count = 0
    for token in [*tokens, ""]:
        if token == "'":
            count += 1
            continue
        if count and out:
            out += list(PRIME_INDEX % count)
        count = 0
        out.append(token)
    return out[:-1]


def separate_differentials(tokens: Sequence[str]) -> Tokens:
    """Tokens with a dot between the letter d and the next letter, unless something integrates."""
    if "\\int" in tokens:
        return list(tokens)
    out: Tokens = []
    solid = [token for token in tokens if token != " "]
    for token, following in zip(solid, [*solid[1:], ""], strict=True):
        out.append(token)
        if token == "d" and (
            following.isalpha() or (following.startswith("\\") and len(following) > 2)
        ):
            out.append("\\cdot")
    return out


def write_repeating_decimal(found: re.Match[str]) -> str:
    """A repeating decimal inside an expression as a fraction."""
    number = read_repeating(found[0])
    return write_fraction(number.value) if number else found[0]


def write_fraction(value: Fraction) -> str:
    """A fraction as LaTeX."""
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def make_expression_exact(expression: Any, stand_ins: dict[str, Any]) -> Any:
    """The expression with rational numbers for floats and with what the symbols stood for."""
    import sympy

    expression = expand_short_sums(expression)
    if isinstance(expression, sympy.MatrixBase):
        return expression.applyfunc(lambda entry: make_expression_exact(entry, stand_ins))
    if isinstance(expression, sympy.MatrixExpr):
        return make_expression_exact(expression.doit(), stand_ins)
    if not isinstance(expression, sympy.Expr):
        raise UnreadableError("not readable as an expression")
    changes: dict[Any, Any] = {
        number: sympy.Rational(str(number)) for number in expression.atoms(sympy.Float)
    }
    changes |= {sympy.Symbol(name): meant for name, meant in stand_ins.items()}
    if expression.has(sympy.I):
        changes[sympy.I] = sympy.Symbol("I")
    return expression.xreplace(changes) if changes else expression


def expand_short_sums(expression: Any) -> Any:
    """The expression with sums and products of few terms written out."""
    import sympy

    if not isinstance(expression, sympy.Basic):
        return expression
    written: dict[Any, Any] = {}
    for node in expression.atoms(sympy.Sum, sympy.Product):
        (letter, start, end), *more = node.limits
        whole = not more and start.is_Integer and end.is_Integer
        if (
            whole
            and 0 <= int(end) - int(start) < MOST_TERMS
            and not node.function.has(sympy.Sum, sympy.Product)
        ):
            terms = [
                node.function.xreplace({letter: sympy.Integer(n)}) for n in range(start, end + 1)
            ]
            build = sympy.Add if isinstance(node, sympy.Sum) else sympy.Mul
            written[node] = build(*terms, evaluate=False)
    return expression.xreplace(written) if written else expression
