"""Whether numbers with what belongs to them are equal: times, ratios, several quantities."""

from fractions import Fraction

from retu.grading.comparing.scalars import ComparisonContext, compare_scalars
from retu.grading.reading.units import PhysicalUnit, find_unit
from retu.grading.reading.values import Clock, Quantities, Ratio, Scalar

RATIO_OF_TWO = 2
NOON = 12
ANGLES = {
    "degree": PhysicalUnit("angle", Fraction(1)),
    "arcminute": PhysicalUnit("angle", Fraction(1, 60)),
    "arcsecond": PhysicalUnit("angle", Fraction(1, 3600)),
}


def compare_clocks(gold: Clock, answer: Clock, context: ComparisonContext) -> bool:
    """Compare times; morning or afternoon counts where both say it, or one counts to 24."""
    if gold.half and answer.half:
        return (gold.parts, gold.half) == (answer.parts, answer.half)
    return gold.parts == answer.parts or count_to_24(gold) == count_to_24(answer)


def count_to_24(clock: Clock) -> tuple[int, ...]:
    """The parts of a time, the hours of an afternoon from 12 to 23."""
    hours, *rest = clock.parts
    if clock.half:
        hours = hours % NOON + NOON * (clock.half == "p")
    return (hours, *rest)


def compare_ratios(gold: Ratio, answer: Ratio, context: ComparisonContext) -> bool:
    """Compare ratios: the parts are proportional."""
    if len(gold.parts) != len(answer.parts):
        return False
    quotients = [Ratio((gold.parts[0], part)) for part in gold.parts[1:]]
    others = [Ratio((answer.parts[0], part)) for part in answer.parts[1:]]
    pairs = [(divide_parts(a), divide_parts(b)) for a, b in zip(quotients, others, strict=True)]
    return all(a is not None and b is not None and compare_scalars(a, b, context) for a, b in pairs)


def divide_parts(ratio: Ratio) -> Scalar | None:
    """A ratio of two numbers as their quotient."""
    import sympy

    first, second = ratio.parts[0], ratio.parts[-1]
    if len(ratio.parts) != RATIO_OF_TWO:
        return None
    if not isinstance(first, Scalar) or not isinstance(second, Scalar) or second.expression == 0:
        return None
    quotient = sympy.Mul(first.expression, sympy.Pow(second.expression, -1))
    return Scalar(quotient, "", first.decimal or second.decimal)


def convert_to_ratio(clock: Clock) -> Ratio:
    """What looks like a time, as a ratio."""
    import sympy

    return Ratio(tuple(Scalar(sympy.Integer(part), str(part)) for part in clock.parts))


def compare_ratio_with_number(gold: Ratio, answer: Scalar, context: ComparisonContext) -> bool:
    """Compare a ratio of two numbers with a number."""
    quotient = divide_parts(gold)
    return quotient is not None and compare_scalars(quotient, answer, context)


def compare_clock_with_number(gold: Clock, answer: Scalar, context: ComparisonContext) -> bool:
    """Compare what may be a time or a ratio with a fraction."""
    whole = getattr(answer.expression, "is_Integer", False)
    return not whole and compare_ratio_with_number(convert_to_ratio(gold), answer, context)


def compare_ratio_with_clock(gold: Ratio, answer: Clock, context: ComparisonContext) -> bool:
    """Compare a ratio with what looks like a time."""
    return compare_ratios(gold, convert_to_ratio(answer), context)


def add_quantities(quantities: Quantities) -> Scalar | None:
    """Quantities of one dimension as one, in the first of their units; None for mixed ones."""
    import sympy

    units = [ANGLES.get(word) or find_unit(word) for word in quantities.units]
    if len({unit.dimension if unit else None for unit in units}) != 1 or units[0] is None:
        return None
    terms = [
        sympy.Mul(number.expression, sympy.Rational(unit.factor / units[0].factor))
        for number, unit in zip(quantities.numbers, units, strict=True)
        if unit
    ]
    return Scalar(sympy.Add(*terms), "", any(n.decimal for n in quantities.numbers), unit=units[0])


def compare_total(gold: Quantities, answer: Scalar, context: ComparisonContext) -> bool:
    """Compare several quantities with one, as 3 hours 20 minutes with 200 minutes."""
    total = add_quantities(gold)
    return total is not None and compare_scalars(total, answer, context)


def compare_quantities(gold: Quantities, answer: Quantities, context: ComparisonContext) -> bool:
    """Compare several quantities: every number and every unit counts."""
    totals = add_quantities(gold), add_quantities(answer)
    if totals[0] is not None and totals[1] is not None:
        return compare_scalars(totals[0], totals[1], context)
    if len(gold.numbers) != len(answer.numbers):
        return False
    numbers = zip(gold.numbers, answer.numbers, strict=True)
    units = zip(gold.units, answer.units, strict=True)
    return all(compare_scalars(a, b, context) for a, b in numbers) and all(
        drop_plural(a) == drop_plural(b) for a, b in units
    )


def drop_plural(unit: str) -> str:
    """A unit in the singular."""
    return unit.rstrip("s")
