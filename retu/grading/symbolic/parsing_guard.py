"""What is safe to hand to a symbolic engine without a clock: checks before and after parsing.

A model under training writes anything, also `9^{9^{9^9}}` or two hundred brackets. The engine's
own time limit is a signal, which works in the main thread only. So an answer is refused, with a
reason, when its text is hostile to the parser or its expression is hostile to the comparison.
Bounds are upper estimates; they do not promise a run time (some radicals simplify slowly).
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

MAX_DIGITS = 400
MAX_BRACKET_DEPTH = 12
MAX_BINOMIAL_DIGITS = 4
# Powers and factorials stay unevaluated while parsing; this bounds what comparing may compute.
MAX_LOG2 = 65_536.0
MAX_EXPANDED_TERMS = 500
MAX_NODES = 600
MAX_SYMBOLS = 12
HUGE = 1e18

OPENING, CLOSING = "([{", ")]}"
UNEVALUATED_TYPES = {"Integral", "Derivative", "Limit", "Sum", "Product"}
BINOMIAL = re.compile(r"\\[dt]?binom|\\choose|\\C\b|\\P\b")


def explain_unsafe_text(text: str, max_chars: int) -> str | None:
    """Why the parser must not see `text`, None if it may."""
    if len(text) > max_chars:
        return f"longer than {max_chars} characters"
    if any(unicodedata.category(char)[0] in "CM" and not char.isspace() for char in text):
        return "control or combining characters"
    if measure_nesting(text) > MAX_BRACKET_DEPTH:
        return f"nested deeper than {MAX_BRACKET_DEPTH}"
    digits = max((len(run) for run in re.findall(r"\d+", text)), default=0)
    if digits > (MAX_BINOMIAL_DIGITS if BINOMIAL.search(text) else MAX_DIGITS):
        # The parser evaluates binomials at once, everything else later.
        return f"a number of {digits} digits"
    return None


def measure_nesting(text: str) -> int:
    """Greatest number of brackets open at once; `\\{` and `\\left(` count like the plain ones."""
    depth = deepest = 0
    for char in text:
        depth += (char in OPENING) - (char in CLOSING)
        deepest = max(deepest, depth)
    return deepest


def explain_unsafe_expression(expression: Any) -> str | None:
    """Why a parsed expression must not be compared, None if it may.

    Args:
        expression: a sympy object as the parser returns it, unevaluated.
    """
    nodes = list(iterate_nodes(expression))
    if len(nodes) > MAX_NODES:
        return f"more than {MAX_NODES} operations"
    unevaluated = sorted({type(node).__name__ for node in nodes} & UNEVALUATED_TYPES)
    if unevaluated:
        return f"left unevaluated ({unevaluated[0]})"
    if len({node for node in nodes if getattr(node, "is_Symbol", False)}) > MAX_SYMBOLS:
        return f"more than {MAX_SYMBOLS} symbols"
    if any(estimate_log2(node) > MAX_LOG2 for node in nodes):
        return "a number too large to compute"
    if any(estimate_expanded_terms(node) > MAX_EXPANDED_TERMS for node in nodes):
        return f"more than {MAX_EXPANDED_TERMS} terms when expanded"
    return None


def list_children(node: Any) -> Iterable[Any]:
    """Operands of a sympy node; the entries of a matrix."""
    if hasattr(node, "flat"):
        return list(node.flat())
    return [arg for arg in getattr(node, "args", ()) if hasattr(arg, "args")]


def iterate_nodes(node: Any) -> Iterable[Any]:
    """The node and everything below it."""
    yield node
    for child in list_children(node):
        yield from iterate_nodes(child)


def estimate_log2(node: Any) -> float:
    """Upper estimate of log2 |value| of a number; a symbol counts as 2."""
    if getattr(node, "is_Integer", False):
        return max(1.0, float(abs(int(node)).bit_length()))
    if getattr(node, "is_Rational", False):
        return max(1.0, math.log2(max(abs(node.p), node.q)))
    sizes = [estimate_log2(child) for child in list_children(node)]
    if not sizes:
        return 1.0
    name = type(node).__name__
    if name in {"Pow", "MatPow"}:
        size = sizes[0] * compute_power_of_two(estimate_exponent_log2(node.args[1], sizes[1]))
    elif name == "exp":
        size = 1.5 * compute_power_of_two(sizes[0])
    elif name in {"factorial", "factorial2", "gamma"}:
        size = compute_power_of_two(sizes[0]) * sizes[0]
    elif name in {"Mul", "MatMul"}:
        size = sum(sizes)
    else:
        size = max(sizes) + math.log2(len(sizes))
    return min(size, HUGE)


def estimate_exponent_log2(exponent: Any, size: float) -> float:
    """log2 of an exponent: exact for an integer, else its upper estimate."""
    if getattr(exponent, "is_Integer", False):
        return math.log2(max(1, abs(int(exponent))))
    return size


def compute_power_of_two(power: float) -> float:
    """2 to the `power`, capped so that it never overflows."""
    return HUGE if power >= math.log2(HUGE) else 2.0**power


def estimate_expanded_terms(node: Any) -> float:
    """Upper estimate of the number of terms after multiplying everything out."""
    if getattr(node, "is_number", False) and all(
        child.is_Rational for child in list_children(node)
    ):
        return 1.0
    terms = [estimate_expanded_terms(child) for child in list_children(node)]
    name = type(node).__name__
    if name == "Add":
        return min(sum(terms), HUGE)
    if name == "Mul":
        return min(math.prod(terms), HUGE)
    if name == "Pow" and terms[0] > 1 and getattr(node.args[1], "is_Integer", False):
        return count_multinomial_terms(terms[0], abs(int(node.args[1])))
    return 1.0


def count_multinomial_terms(terms: float, power: int) -> float:
    """Number of monomials of (a1 + ... + an)^k: C(n + k - 1, k), capped."""
    smaller = min(terms - 1, power)
    if smaller > 64 or power > 100_000:
        return HUGE
    return min(float(math.comb(int(terms) + power - 1, int(smaller))), HUGE)
