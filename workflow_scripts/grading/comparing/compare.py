"""Whether an answer equals the gold answer, kind by kind; docs/grading.md has the rules."""

import threading
from collections.abc import Callable, Sequence
from fractions import Fraction

from workflow_scripts.grading.comparing import relations
from workflow_scripts.grading.comparing.regions import (
    ORDERS,
    TURNED,
    compare_sets,
    find_region,
    has_decimals,
)
from workflow_scripts.grading.comparing.scalars import (
    Context,
    compare_scalars,
    fold_names,
    is_defined,
)
from workflow_scripts.grading.reading.units import Unit, find_unit
from workflow_scripts.grading.reading.values import (
    Based,
    Clock,
    Items,
    Matrix,
    Qualified,
    Quantities,
    Ratio,
    Region,
    Relation,
    Scalar,
    Value,
    Verbatim,
    Words,
)

# The number of digits that mpmath computes with belongs to the process, not to a thread.
PRECISION_LOCK = threading.RLock()
# More members than that are compared in their order only.
MAX_MATCHED = 64
RATIO_OF_TWO = 2
ANGLES = {
    "degree": Unit("angle", Fraction(1)),
    "arcminute": Unit("angle", Fraction(1, 60)),
    "arcsecond": Unit("angle", Fraction(1, 3600)),
}


def are_equal(gold: Value, answer: Value, places: int) -> bool:
    """Whether an answer equals the gold answer.

    Args:
        gold: the value of the gold answer.
        answer: the value of the answer.
        places: decimal places to which decimals must agree.
    """
    letters = [list_letters(value) for value in (gold, answer)]
    with PRECISION_LOCK:
        return compare_values(
            gold, answer, Context(places, fold_names(*letters), list_indices(gold))
        )


def has_value(value: Value, places: int) -> bool:
    """Whether every expression in a value is defined: no nan, no division by zero."""
    context = make_context(value, places)
    with PRECISION_LOCK:
        return all(is_defined(scalar, context) for scalar in list_scalars(value))


def make_context(value: Value, places: int) -> Context:
    """What comparing parts of one value with each other depends on."""
    return Context(places, {}, list_indices(value))


def list_scalars(value: Value) -> list[Scalar]:
    """Every number and expression in a value."""
    if isinstance(value, Scalar):
        return [value]
    if isinstance(value, Matrix):
        parts: Sequence[Value] = [cell for row in value.rows for cell in row]
    elif isinstance(value, Qualified):
        parts = [value.value]
    else:
        names = ("members", "sides", "parts", "numbers")
        parts = next((getattr(value, name) for name in names if hasattr(value, name)), ())
    return [scalar for part in parts if not isinstance(part, int) for scalar in list_scalars(part)]


def list_letters(value: Value) -> list[str]:
    """Names of all letters in a value."""
    return [s.name for scalar in list_scalars(value) for s in scalar.expression.free_symbols]


def list_indices(value: Value) -> frozenset[str]:
    """Letters that a value uses as an index."""
    return frozenset().union(*(scalar.index for scalar in list_scalars(value)))


def compare_values(gold: Value, answer: Value, context: Context) -> bool:
    """Compare two values after what surrounds them is taken off."""
    gold, answer = unwrap_single_member(gold), unwrap_single_member(answer)
    if isinstance(gold, Qualified) or isinstance(answer, Qualified):
        return compare_qualified_values(gold, answer, context)
    if isinstance(gold, Relation) or isinstance(answer, Relation):
        return compare_relations(gold, answer, context)
    if is_region(gold) or is_region(answer):
        return compare_regions(gold, answer, context)
    pair = COMPARISONS.get((type(gold), type(answer)))
    return pair(gold, answer, context) if pair else False


def unwrap_single_member(value: Value) -> Value:
    """A value of one member as that member; the set of a set is another set."""
    while isinstance(value, Items) and len(value.members) == 1:
        if value.kind == "set" and isinstance(value.members[0], Region | Items):
            break
        value = value.members[0]
    return value


def compare_qualified_values(gold: Value, answer: Value, context: Context) -> bool:
    """Compare values with their conditions; a condition on one side only counts."""
    conditions = {v.condition if isinstance(v, Qualified) else "" for v in (gold, answer)}
    inner = [v.value if isinstance(v, Qualified) else v for v in (gold, answer)]
    remainders = all(c.startswith("mod ") for c in conditions if c) and not any(
        isinstance(value, Relation) for value in inner
    )
    one_sided = remainders and "" in conditions
    return (len(conditions) == 1 or one_sided) and compare_values(*inner, context)


def compare_relations(gold: Value, answer: Value, context: Context) -> bool:
    """Compare where at least one is an equation, an inequality or a membership."""
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        if relations.has_named_value(gold) and relations.has_named_value(answer):
            return compare_named_values(gold, answer, context)
        if relations.compare_equations(gold, answer, context):
            return True
        if is_inequality(gold) and is_inequality(answer):
            same = compare_regions(gold, answer, context)
            return same or compare_inequality_sides(gold, answer, context)
        if is_inequality(gold) != is_inequality(answer):
            return compare_regions(gold, answer, context)
        return gold.signs == answer.signs and all(
            compare_values(a, b, context) for a, b in zip(gold.sides, answer.sides, strict=False)
        )
    relation, other = (gold, answer) if isinstance(gold, Relation) else (answer, gold)
    assert isinstance(relation, Relation)
    if is_inequality(relation):
        return compare_regions(gold, answer, context)
    value = relations.find_single_value(relation, context)
    if value is None:
        return False
    return (
        compare_values(value, other, context)
        if relation is gold
        else compare_values(other, value, context)
    )


def compare_inequality_sides(gold: Relation, answer: Relation, context: Context) -> bool:
    """Compare inequalities side by side, also turned round, or as multiples of each other."""
    turned = Relation(answer.sides[::-1], tuple(TURNED[s] for s in answer.signs[::-1]), answer.text)
    for other in (answer, turned):
        if gold.signs == other.signs and all(
            compare_values(a, b, context) for a, b in zip(gold.sides, other.sides, strict=True)
        ):
            return True
    return relations.compare_inequality_multiples(gold, answer, context)


def is_inequality(value: Value) -> bool:
    """Whether a value is an inequality."""
    return isinstance(value, Relation) and set(value.signs) <= ORDERS


def compare_named_values(gold: Relation, answer: Relation, context: Context) -> bool:
    """Compare two names with their values; the name of a function may have another letter."""
    names = [relations.take_name_head(relation.sides[0], context) for relation in (gold, answer)]
    values = [relations.take_named_value(relation) for relation in (gold, answer)]
    if (
        "\\in" in gold.signs
        or "\\in" in answer.signs
        or compare_values(names[0], names[1], context)
    ):
        return compare_values(values[0], values[1], context)
    return relations.compare_equations(gold, answer, context)


def is_region(value: Value) -> bool:
    """Whether a value is a set of real numbers or several inequalities."""
    return isinstance(value, Region) or (
        isinstance(value, Items) and value.kind == "list" and any(map(is_inequality, value.members))
    )


def compare_regions(gold: Value, answer: Value, context: Context) -> bool:
    """Compare sets of real numbers, whatever they are written as."""
    if (
        isinstance(gold, Items)
        and isinstance(answer, Items)
        and len(gold.members) == len(answer.members)
    ):
        if compare_items(gold, answer, context):
            return True
    regions = find_region(gold), find_region(answer)
    if regions[0] is None or regions[1] is None:
        return False
    decimal = has_decimals(gold) or has_decimals(answer)
    return compare_sets(regions[0], regions[1], decimal, context)


def compare_items(gold: Items, answer: Items, context: Context) -> bool:
    """Compare several values: order counts in tuples, repeats count except in sets."""
    kinds = {gold.kind, answer.kind}
    if kinds == {"tuple", "set"} or ("bracket" in kinds and not has_fitting_brackets(gold, answer)):
        return False
    first, second = gold.members, answer.members
    if kinds == {"set"}:
        first, second = drop_repeats(first, context), drop_repeats(second, context)
    if len(first) != len(second):
        return False
    if "tuple" in kinds or "bracket" in kinds or len(first) > MAX_MATCHED:
        return all(compare_values(a, b, context) for a, b in zip(first, second, strict=True))
    return match_members(list(first), list(second), context)


def has_fitting_brackets(gold: Items, answer: Items) -> bool:
    """Whether square brackets may face these: a closed interval is only itself, a list any list."""
    if gold.kind == answer.kind:
        return True
    return min(len(gold.members), len(answer.members)) > 2


def drop_repeats(members: Sequence[Value], context: Context) -> tuple[Value, ...]:
    """Members of a set, each once."""
    kept: list[Value] = []
    for member in members:
        if not any(compare_values(other, member, context) for other in kept):
            kept.append(member)
    return tuple(kept)


def match_members(gold: list[Value], answer: list[Value], context: Context) -> bool:
    """Whether the members of two lists are equal in some order; repeats count."""
    for member in gold:
        place = next(
            (i for i, other in enumerate(answer) if compare_values(member, other, context)), None
        )
        if place is None:
            return False
        answer.pop(place)
    return True


def compare_words(gold: Words, answer: Words, context: Context) -> bool:
    """Compare tidied words."""
    return gold.text == answer.text


def compare_clocks(gold: Clock, answer: Clock, context: Context) -> bool:
    """Compare times; morning or afternoon counts where both say it."""
    return gold.parts == answer.parts and (
        not gold.half or not answer.half or gold.half == answer.half
    )


def compare_ratios(gold: Ratio, answer: Ratio, context: Context) -> bool:
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


def compare_ratio_with_number(gold: Ratio, answer: Scalar, context: Context) -> bool:
    """Compare a ratio of two numbers with a number."""
    quotient = divide_parts(gold)
    return quotient is not None and compare_scalars(quotient, answer, context)


def compare_clock_with_number(gold: Clock, answer: Scalar, context: Context) -> bool:
    """Compare what may be a time or a ratio with a fraction."""
    whole = getattr(answer.expression, "is_Integer", False)
    return not whole and compare_ratio_with_number(convert_to_ratio(gold), answer, context)


def add_quantities(quantities: Quantities) -> Scalar | None:
    """Quantities of one dimension as one, in the first of their units; None for mixed ones."""
    import sympy

    units = [ANGLES.get(word) or find_unit(word) for word in quantities.units]
    numbers = [number for number in quantities.numbers if isinstance(number, Scalar)]
    if len({unit.dimension if unit else None for unit in units}) != 1 or units[0] is None:
        return None
    terms = [
        sympy.Mul(number.expression, sympy.Rational(unit.factor / units[0].factor))
        for number, unit in zip(numbers, units, strict=True)
        if unit
    ]
    return Scalar(sympy.Add(*terms), "", any(n.decimal for n in numbers), unit=units[0])


def compare_total(gold: Quantities, answer: Scalar, context: Context) -> bool:
    """Compare several quantities with one, as 3 hours 20 minutes with 200 minutes."""
    total = add_quantities(gold)
    return total is not None and compare_scalars(total, answer, context)


def compare_quantities(gold: Quantities, answer: Quantities, context: Context) -> bool:
    """Compare several quantities: every number and every unit counts."""
    totals = add_quantities(gold), add_quantities(answer)
    if totals[0] is not None and totals[1] is not None:
        return compare_scalars(totals[0], totals[1], context)
    return (
        len(gold.numbers) == len(answer.numbers)
        and all(
            compare_values(a, b, context) for a, b in zip(gold.numbers, answer.numbers, strict=True)
        )
        and all(
            drop_plural(a) == drop_plural(b) for a, b in zip(gold.units, answer.units, strict=True)
        )
    )


def drop_plural(unit: str) -> str:
    """A unit in the singular."""
    return unit.rstrip("s")


def compare_matrices(gold: Matrix, answer: Matrix, context: Context) -> bool:
    """Compare matrices entry by entry."""
    shapes = [(len(m.rows), len(m.rows[0])) for m in (gold, answer)]
    pairs = zip(list_cells(gold), list_cells(answer), strict=False)
    return shapes[0] == shapes[1] and all(compare_values(a, b, context) for a, b in pairs)


def list_cells(matrix: Matrix) -> list[Value]:
    """Entries of a matrix, row by row."""
    return [cell for row in matrix.rows for cell in row]


def compare_vector(gold: Matrix | Items, answer: Matrix | Items, context: Context) -> bool:
    """Compare a row or a column with a tuple: they are equal entry by entry."""
    matrix, items = (gold, answer) if isinstance(gold, Matrix) else (answer, gold)
    assert isinstance(matrix, Matrix) and isinstance(items, Items)
    if items.kind == "set" or min(len(matrix.rows), len(matrix.rows[0])) != 1:
        return False
    pairs = [list_cells(matrix), list(items.members)]
    if matrix is not gold:
        pairs.reverse()
    return len(pairs[0]) == len(pairs[1]) and all(
        compare_values(a, b, context) for a, b in zip(*pairs, strict=True)
    )


def swap_sides(comparison: Callable[..., bool]) -> Callable[..., bool]:
    """A comparison with its two sides exchanged."""
    return lambda gold, answer, context: comparison(answer, gold, context)


COMPARISONS: dict[tuple[type, type], Callable[..., bool]] = {
    (Scalar, Scalar): compare_scalars,
    (Items, Items): compare_items,
    (Words, Words): compare_words,
    (Clock, Clock): compare_clocks,
    (Ratio, Ratio): compare_ratios,
    (Based, Based): lambda gold, answer, context: gold == answer,
    (Quantities, Quantities): compare_quantities,
    (Matrix, Matrix): compare_matrices,
    (Matrix, Items): compare_vector,
    (Items, Matrix): compare_vector,
    (Verbatim, Verbatim): lambda gold, answer, context: gold.text == answer.text,
    (Quantities, Scalar): compare_total,
    (Scalar, Quantities): swap_sides(compare_total),
    (Ratio, Scalar): compare_ratio_with_number,
    (Scalar, Ratio): swap_sides(compare_ratio_with_number),
    (Clock, Scalar): compare_clock_with_number,
    (Ratio, Clock): lambda gold, answer, context: compare_ratios(
        gold, convert_to_ratio(answer), context
    ),
    (Clock, Ratio): lambda gold, answer, context: False,
}
