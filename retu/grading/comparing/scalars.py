"""Equality of numbers and expressions.

Exact values are compared exactly; a value written with decimals is compared to so many decimal
places, or relatively where it is smaller than those places. Expressions with letters are equal
when they agree at points, positive and negative; letters under an even root or in a logarithm are
positive there, because a root or a logarithm of a letter is only written where it is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import mpmath

from retu.grading.comparing.evaluate_expressions import (
    EvaluationPoint,
    OutsideError,
    compute_fraction,
    evaluate_expression,
    find_rooted_letters,
    find_rounded_letters,
    find_whole_letters,
)
from retu.grading.reading.values import Scalar

DIGITS, MORE_DIGITS = 60, 600
# Agreement of two exact values computed with DIGITS digits; of values at points.
CLOSE = mpmath.mpf(10) ** -45
# Two written decimals, or a decimal and an exact value, both below the last place compared.
SMALL_RELATIVE = 1e-6
# Rounding to places must not hide a larger difference than this, relative to the value.
MOST_ROUNDING = 2e-3
# A decimal with that many digits of an irrational number is the number.
LONG_RELATIVE = 1e-9
POINTS, MOST_POINTS = 9, 64
# Integers must show every remainder by small numbers.
WHOLE_POINTS = 32
NEEDED_POINTS = 3


@dataclass(frozen=True)
class ComparisonContext:
    """What comparing depends on besides the two values.

    Attributes:
        places: decimal places to which decimals must agree.
        names: what letters are called when capitals are told apart only where one text has both.
        index: letters that the gold answer uses as an index.
    """

    places: int
    names: dict[str, str] = field(default_factory=dict)
    index: frozenset[str] = frozenset()

    def make_point(
        self,
        number: int,
        real: bool = True,
        positive: Iterable[str] = (),
        whole: Iterable[str] = (),
    ) -> EvaluationPoint:
        """A point to evaluate at; letters of `positive` and `whole` are such numbers there."""
        names, counts = (
            frozenset(self.names.get(name, name) for name in letters)
            for letters in (positive, whole)
        )
        return EvaluationPoint(
            number, self.names, frozenset("ie") - self.index, real, names, counts
        )

    def find_letters(self, expression: Any) -> frozenset[str]:
        """Names of the letters in an expression that are no constants."""
        symbols = getattr(expression, "free_symbols", ())
        names = {self.names.get(symbol.name, symbol.name) for symbol in symbols}
        return frozenset(names) - (frozenset("ie") - self.index)


def fold_names(gold: Iterable[str], answer: Iterable[str]) -> dict[str, str]:
    r"""Letters by the name they share: shapes of a letter count only where one text has both.

    Shapes are capitals, and variants such as `\\varepsilon`.
    """
    texts = set(gold), set(answer)
    shared = {name: name.lower().removeprefix("var") for names in texts for name in names}
    clashing = {
        key
        for names in texts
        for key, count in Counter(shared[name] for name in names).items()
        if count > 1
    }
    return {name: key for name, key in shared.items() if key not in clashing}


def compare_scalars(gold: Scalar, answer: Scalar, context: ComparisonContext) -> bool:
    """Whether two numbers or expressions are equal, in per cent or not, with a unit or without."""
    if gold.unit and answer.unit and gold.unit != answer.unit:
        if gold.unit.dimension != answer.unit.dimension:
            return False
        gold, answer = convert_to_first_unit(gold), convert_to_first_unit(answer)
    for first, second in pair_readings(gold, answer):
        if gold.percent == answer.percent:
            equal = compare_expressions(first, second, gold.decimal or answer.decimal, context)
        else:
            equal = compare_percentages(first, second, gold, answer, context)
        if equal:
            return True
    return False


def convert_to_first_unit(scalar: Scalar) -> Scalar:
    """A quantity in the first unit of its dimension."""
    import sympy

    factor = scalar.unit.factor if scalar.unit else 1
    expression = sympy.Mul(scalar.expression, sympy.Rational(factor), evaluate=False)
    return replace(scalar, expression=expression, unit=None)


def is_defined(scalar: Scalar, context: ComparisonContext) -> bool:
    """Whether an expression has a value: no division by zero, no difference of infinities."""
    expression = scalar.expression
    if type(expression).__name__ in {"Infinity", "NegativeInfinity"}:
        return True
    if compute_fraction(expression) is not None:
        return True
    with mpmath.workdps(DIGITS):
        letters = bool(context.find_letters(expression))
        for number in range(MOST_POINTS if letters else 1):
            try:
                evaluate_expression(expression, context.make_point(number, real=letters))
                return True
            except OutsideError:
                continue
    return False


def pair_readings(gold: Scalar, answer: Scalar) -> Iterator[tuple[Any, Any]]:
    """Pairs of expressions to compare: as they stand, and without a letter that may be a unit."""
    golds = [gold.expression, *([gold.without_unit] if gold.without_unit is not None else [])]
    answers = [
        answer.expression,
        *([answer.without_unit] if answer.without_unit is not None else []),
    ]
    return ((first, second) for first in golds for second in answers)


def compare_percentages(
    first: Any, second: Any, gold: Scalar, answer: Scalar, context: ComparisonContext
) -> bool:
    """A percentage equals its share; a whole number of per cent also that number."""
    import sympy

    number, other = compute_fraction(first), compute_fraction(second)
    if number is not None and number == other and number.denominator == 1:
        return True
    hundredth = sympy.Rational(1, 100)
    shares = [
        sympy.Mul(item, hundredth, evaluate=False) if value.percent else item
        for item, value in ((first, gold), (second, answer))
    ]
    return compare_expressions(shares[0], shares[1], gold.decimal or answer.decimal, context)


def compare_expressions(first: Any, second: Any, decimal: bool, context: ComparisonContext) -> bool:
    """Whether two sympy expressions are equal."""
    if first == second:
        return type(first).__name__ not in {"NaN", "ComplexInfinity"}
    exact = compute_fraction(first), compute_fraction(second)
    if exact[0] is not None and exact[1] is not None:
        return exact[0] == exact[1] or (
            decimal and is_equal_rounded(exact[0], exact[1], context.places)
        )
    if is_infinite(first) or is_infinite(second):
        return False
    if context.find_letters(first) | context.find_letters(second):
        return compare_at_points(first, second, decimal, context)
    return compare_constants(first, second, decimal, context)


def is_infinite(expression: Any) -> bool:
    """Whether an expression is an infinity."""
    return type(expression).__name__ in {"Infinity", "NegativeInfinity", "ComplexInfinity", "NaN"}


def compare_constants(first: Any, second: Any, decimal: bool, context: ComparisonContext) -> bool:
    """Whether two expressions without letters have one value."""
    point = context.make_point(0, real=False)
    try:
        with mpmath.workdps(DIGITS):
            values = evaluate_expression(first, point), evaluate_expression(second, point)
            if is_close(*values):
                return True
            gap = abs(values[0] - values[1])
        if gap < CLOSE:  # tiny values, or one value that cancellation hides: more digits decide
            with mpmath.workdps(MORE_DIGITS):
                values = evaluate_expression(first, point), evaluate_expression(second, point)
                return bool(abs(values[0] - values[1]) < mpmath.mpf(10) ** (DIGITS - MORE_DIGITS))
    except OutsideError:
        return False
    return decimal and compare_decimals(*values, irrational=True, places=context.places)


def is_close(first: Any, second: Any) -> bool:
    """Whether two computed values agree up to the error of computing."""
    return bool(abs(first - second) <= CLOSE * max(abs(first), abs(second)))


def compare_decimals(first: Any, second: Any, irrational: bool, places: int) -> bool:
    """Whether computed values agree to so many decimal places; real and imaginary parts alike."""
    pairs = [(mpmath.re(first), mpmath.re(second)), (mpmath.im(first), mpmath.im(second))]
    for one, other in pairs:
        size = max(abs(one), abs(other))
        long_enough = irrational and size and abs(one - other) <= LONG_RELATIVE * size
        if not (
            long_enough
            or is_equal_rounded(convert_to_fraction(one), convert_to_fraction(other), places)
        ):
            return False
    return True


def convert_to_fraction(value: Any) -> Fraction:
    """A computed real value as a fraction of as many digits as comparing needs."""
    return Fraction(
        mpmath.nstr(value, DIGITS // 2, strip_zeros=False, min_fixed=-400, max_fixed=400)
    )


def is_equal_rounded(first: Fraction, second: Fraction, places: int) -> bool:
    """Whether two numbers round to the same decimal places.

    Below the last place they must agree relatively, and rounding never hides more than a small
    share of the value.
    """
    if first == second:
        return True
    gap, size = abs(first - second), max(abs(first), abs(second))
    if size < Fraction(1, 10**places):
        return gap <= Fraction(SMALL_RELATIVE) * size
    # Who asks for two places only means to round more.
    most = max(Fraction(MOST_ROUNDING), Fraction(5, 10**places))
    return round(first, places) == round(second, places) and gap <= most * size


def compare_at_points(first: Any, second: Any, decimal: bool, context: ComparisonContext) -> bool:
    """Whether two expressions with letters agree at points of both signs."""
    agreed = 0
    rooted = find_rooted_letters(first) | find_rooted_letters(second)
    whole = find_whole_letters(first) | find_whole_letters(second)
    rounded = find_rounded_letters(first) | find_rounded_letters(second)
    points = WHOLE_POINTS if whole | rounded else POINTS
    with mpmath.workdps(DIGITS):
        for number in range(MOST_POINTS):
            if number >= points and agreed >= NEEDED_POINTS:
                break
            try:
                integers = whole | rounded if number % 2 else whole
                point = context.make_point(number, positive=rooted, whole=integers)
                values = [evaluate_expression(item, point) for item in (first, second)]
            except OutsideError:
                continue
            if not (is_close(*values) or (decimal and is_nearly_equal(*values))):
                return False
            agreed += 1
    return agreed >= NEEDED_POINTS


def is_nearly_equal(first: Any, second: Any) -> bool:
    """Whether values of expressions with decimal coefficients agree relatively."""
    return bool(abs(first - second) <= SMALL_RELATIVE * max(abs(first), abs(second)))


def find_proportion(first: Any, second: Any, context: ComparisonContext) -> Any | None:
    """The constant that `first` is of `second` at every point, None where there is none."""
    ratios = []
    with mpmath.workdps(DIGITS):
        for number in range(POINTS):
            try:
                top, bottom = (
                    evaluate_expression(item, context.make_point(number))
                    for item in (first, second)
                )
            except OutsideError:
                continue
            if bottom == 0 or top == 0:
                continue
            ratios.append(top / bottom)
    same = len(ratios) >= NEEDED_POINTS and all(is_close(ratio, ratios[0]) for ratio in ratios)
    return ratios[0] if same else None
