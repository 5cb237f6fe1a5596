"""Evaluating sympy expressions at points, with as many digits as a comparison needs.

sympy's own evaluation simplifies first, which has no bound; this one only computes. Functions
that nobody defined (`f(x)`, gcd of letters) get a value that depends on their name and arguments.
"""

import functools
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath

FACTORIAL_LIMIT = 3_000
EXACT_BITS = 70_000.0
SCALE = 2**64
FAR_FACTOR = 29
MOST_WHOLE = 60
# Letters that count: integers where a rounding or the sign of a power depends on it.
COUNTING = frozenset("ijklmn")
# Of a value that close to an integer, computing rounded the rest away.
NEAR = mpmath.mpf(10) ** -45


class OutsideError(Exception):
    """The point lies where an even root has no real value, or the value is infinite or unknown."""


@functools.lru_cache(maxsize=4096)
def hash_key(key: str) -> int:
    """A number below SCALE that depends on every bit of a key."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class EvaluationPoint:
    """Where letters stand for numbers.

    Attributes:
        number: which point; 0, 1 and 2 are positive, the others mixed; every third is far out.
        names: what a letter is called when capitals are told apart only where they must be.
        constants: letters that are constants: `i`, `e`.
        real: whether even roots and logarithms of negative numbers are refused.
        positive: letters that are positive at every point.
        whole: letters that are positive integers at every point.
    """

    number: int
    names: Mapping[str, str]
    constants: frozenset[str]
    real: bool = True
    positive: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()

    def find_value(self, name: str) -> Any:
        """The number that a letter stands for here."""
        name = self.names.get(name, name)
        if name in self.constants:
            return mpmath.mpc(0, 1) if name == "i" else mpmath.e
        if name in self.whole:
            return mpmath.mpf(1 + hash_key(f"{self.number}:{name}") % MOST_WHOLE)
        value = self.draw_number(name)
        return abs(value) if name in self.positive else value

    def draw_number(self, key: str) -> Any:
        """A fixed number from 0.3 to 3.3 (far out: to 96), negative at half of the mixed points."""
        code = hash_key(f"{self.number}:{key}")
        size = mpmath.mpf(code) / SCALE * 3 + mpmath.mpf(3) / 10
        size *= FAR_FACTOR if self.number % 3 == 2 else 1
        return -size if self.number > 2 and code % 2 else size


def evaluate_expression(node: Any, point: EvaluationPoint) -> Any:
    """The value of a sympy expression at a point, as an mpmath number.

    Raises:
        OutsideError: it has none there.
    """
    try:
        value = compute_value(node, point)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
        raise OutsideError(str(error)) from error
    if mpmath.isnan(value) or mpmath.isinf(value):
        raise OutsideError("no finite value")
    return value


def compute_value(node: Any, point: EvaluationPoint) -> Any:
    """Evaluate without checks of the result."""
    if getattr(node, "is_Rational", False):
        return mpmath.mpf(node.p) / node.q
    if getattr(node, "is_Symbol", False):
        return point.find_value(node.name)
    name = type(node).__name__
    if name in CONSTANTS:
        return CONSTANTS[name]()
    if name == "Pow":
        return compute_power(node, point)
    if name in UNEVALUATED_NODES:
        raise OutsideError(f"left unevaluated ({name})")
    values = [compute_value(child, point) for child in node.args]
    if name == "log" and point.real and not isinstance(values[0], mpmath.mpc) and values[0] < 0:
        raise OutsideError("a logarithm of a negative number")
    if name in FUNCTIONS:
        return FUNCTIONS[name](*values)
    return point.draw_number(f"{name}({','.join(mpmath.nstr(value, 12) for value in values)})")


def find_rooted_letters(node: Any) -> set[str]:
    """Letters under an even root, in a logarithm, or in the base of a power with letters."""
    found: set[str] = set()
    for child in getattr(node, "args", ()):
        found |= find_rooted_letters(child)
    name = type(node).__name__
    if name == "Pow":
        exponent = compute_fraction(node.exp)
        if exponent is None or exponent.denominator % 2 == 0:
            found |= {symbol.name for symbol in node.base.free_symbols}
    elif name == "log":
        found |= {symbol.name for symbol in node.args[0].free_symbols}
    return found


def find_whole_letters(node: Any) -> set[str]:
    r"""Letters that must be integers: `\lfloor n/2 \rfloor`, the exponent of `(-1)^n`."""
    found: set[str] = set()
    for child in getattr(node, "args", ()):
        found |= find_whole_letters(child)
    name = type(node).__name__
    if name in {"floor", "ceiling"}:
        found |= {s.name for s in node.free_symbols if s.name.lower() in COUNTING}
    elif name == "Pow" and compute_fraction(node.base) is not None and node.base.is_negative:
        found |= {symbol.name for symbol in node.exp.free_symbols}
    return found


def find_rounded_letters(node: Any) -> set[str]:
    """Letters under a floor or ceiling, which must be tried as integers, too."""
    if type(node).__name__ in {"floor", "ceiling"}:
        return {symbol.name for symbol in node.free_symbols}
    return {name for child in getattr(node, "args", ()) for name in find_rounded_letters(child)}


def compute_power(node: Any, point: EvaluationPoint) -> Any:
    """A power; odd roots of negative numbers are the real ones."""
    base, exponent = compute_value(node.base, point), compute_value(node.exp, point)
    if isinstance(base, mpmath.mpc) and base.imag == 0:
        base = base.real
    if isinstance(base, mpmath.mpc) or base >= 0 or mpmath.isint(exponent):
        return mpmath.power(base, exponent)
    ratio = compute_fraction(node.exp)
    if ratio is None:
        return mpmath.power(base, exponent)
    if ratio.denominator % 2:
        size = mpmath.power(-base, mpmath.mpf(ratio.numerator) / ratio.denominator)
        return -size if ratio.numerator % 2 else size
    if point.real:
        raise OutsideError("an even root of a negative number")
    return mpmath.power(base, exponent)


def snap_to_integer(value: Any) -> Any:
    """The value, or the integer that it would be if nothing had been rounded."""
    nearest = mpmath.nint(value)
    return nearest if abs(value - nearest) < NEAR else value


def compute_log(value: Any, base: Any = None) -> Any:
    """A logarithm, natural without a base."""
    return mpmath.log(value) if base is None else mpmath.log(value) / mpmath.log(base)


CONSTANTS: dict[str, Callable[[], Any]] = {
    "Pi": lambda: +mpmath.pi,
    "Exp1": lambda: +mpmath.e,
    "EulerGamma": lambda: +mpmath.euler,
    "GoldenRatio": lambda: +mpmath.phi,
    "ImaginaryUnit": lambda: mpmath.mpc(0, 1),
    "Infinity": lambda: mpmath.inf,
    "NegativeInfinity": lambda: -mpmath.inf,
    "NaN": lambda: mpmath.nan,
    "ComplexInfinity": lambda: mpmath.inf,
}
UNEVALUATED_NODES = {"Integral", "Derivative", "Limit", "Sum", "Product", "Float"}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": lambda *values: mpmath.fsum(values),
    "Mul": lambda *values: mpmath.fprod(values),
    "UnevaluatedExpr": lambda value: value,
    "exp": mpmath.exp,
    "log": compute_log,
    "Abs": abs,
    "floor": lambda value: mpmath.floor(snap_to_integer(value)),
    "ceiling": lambda value: mpmath.ceil(snap_to_integer(value)),
    "factorial": mpmath.factorial,
    "factorial2": mpmath.fac2,
    "gamma": mpmath.gamma,
    "binomial": mpmath.binomial,
    "Max": max,
    "Min": min,
    "Mod": lambda value, modulus: mpmath.fmod(mpmath.fmod(value, modulus) + modulus, modulus),
    "re": mpmath.re,
    "im": mpmath.im,
    "conjugate": mpmath.conj,
    "arg": mpmath.arg,
    "sign": mpmath.sign,
    **{
        name: getattr(mpmath, name)
        for name in (
            *("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "acot", "asec"),
            *("acsc", "sinh", "cosh", "tanh", "coth", "asinh", "acosh", "atanh"),
        )
    },
}


def compute_fraction(node: Any) -> Fraction | None:
    """The value of an expression of rational numbers, None where it is none or too long."""
    if getattr(node, "is_Rational", False):
        return Fraction(int(node.p), int(node.q))
    name = type(node).__name__
    if name not in {"Add", "Mul", "Pow", "UnevaluatedExpr", "factorial"}:
        return None
    values = [compute_fraction(child) for child in node.args]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if name == "Pow":
        return compute_fraction_power(*known)
    if name == "factorial":
        value = known[0]
        fits = value.denominator == 1 and 0 <= value <= FACTORIAL_LIMIT
        return Fraction(math.factorial(int(value))) if fits else None
    return sum(known, Fraction(0)) if name == "Add" else math.prod(known, start=Fraction(1))


def compute_fraction_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    """A whole power of a fraction, None where it is infinite, irrational or too long."""
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1 or abs(exponent) * bits > EXACT_BITS:
        return None
    return None if base == 0 and exponent <= 0 else base ** int(exponent)
