"""Whether an answer equals the gold answer, kind by kind; docs/grading.md has the rules."""

import re
import threading
from collections.abc import Callable, Sequence

from retu.grading.comparing import relations
from retu.grading.comparing.members import (
    MemberComparison,
    compare_items,
    compare_matrices,
    compare_vector,
    list_cells,
)
from retu.grading.comparing.quantities import (
    compare_clock_with_number,
    compare_clocks,
    compare_quantities,
    compare_ratio_with_clock,
    compare_ratio_with_number,
    compare_ratios,
    compare_total,
)
from retu.grading.comparing.regions import (
    ORDERS,
    TURNED,
    compare_sets,
    find_region,
    has_decimals,
)
from retu.grading.comparing.scalars import (
    ComparisonContext,
    compare_scalars,
    fold_names,
    is_defined,
)
from retu.grading.reading.values import (
    Clock,
    Matrix,
    NumberInBase,
    QualifiedValue,
    Quantities,
    Ratio,
    Region,
    Relation,
    Scalar,
    TextValue,
    Value,
    ValueCollection,
    VerbatimLatex,
)

# The number of digits that mpmath computes with belongs to the process, not to a thread.
PRECISION_LOCK = threading.RLock()


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
            gold, answer, ComparisonContext(places, fold_names(*letters), list_indices(gold))
        )


def has_value(value: Value, places: int) -> bool:
    """Whether every expression in a value is defined: no nan, no division by zero."""
    context = make_context(value, places)
    with PRECISION_LOCK:
        return all(is_defined(scalar, context) for scalar in list_scalars(value))


def make_context(value: Value, places: int) -> ComparisonContext:
    """What comparing parts of one value with each other depends on."""
    return ComparisonContext(places, {}, list_indices(value))


def list_scalars(value: Value) -> list[Scalar]:
    """Every number and expression in a value."""
    if isinstance(value, Scalar):
        return [value]
    if isinstance(value, Matrix):
        parts: Sequence[Value] = list_cells(value)
    elif isinstance(value, QualifiedValue):
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


def compare_values(gold: Value, answer: Value, context: ComparisonContext) -> bool:
    """Compare two values after what surrounds them is taken off."""
    gold, answer = unwrap_single_member(gold), unwrap_single_member(answer)
    if isinstance(gold, QualifiedValue) or isinstance(answer, QualifiedValue):
        return compare_qualified_values(gold, answer, context)
    if isinstance(gold, Relation) or isinstance(answer, Relation):
        return compare_relations(gold, answer, context)
    if is_region(gold) or is_region(answer):
        return compare_regions(gold, answer, context)
    kinds = type(gold), type(answer)
    if kinds in MEMBER_COMPARISONS:
        return MEMBER_COMPARISONS[kinds](gold, answer, bind_context(context))
    return kinds in COMPARISONS and COMPARISONS[kinds](gold, answer, context)


def bind_context(context: ComparisonContext) -> MemberComparison:
    """How the members of values are compared."""
    return lambda gold, answer: compare_values(gold, answer, context)


def unwrap_single_member(value: Value) -> Value:
    """A value of one member as that member; the set of a set is another set."""
    while isinstance(value, ValueCollection) and len(value.members) == 1:
        if value.kind == "set" and isinstance(value.members[0], Region | ValueCollection):
            break
        value = value.members[0]
    return value


def compare_qualified_values(gold: Value, answer: Value, context: ComparisonContext) -> bool:
    """Compare values with their conditions; a condition on one side only counts."""
    conditions = {v.condition if isinstance(v, QualifiedValue) else "" for v in (gold, answer)}
    first, second = (v.value if isinstance(v, QualifiedValue) else v for v in (gold, answer))
    related = isinstance(first, Relation) or isinstance(second, Relation)
    # A residue may be given without its modulus, which the problem states.
    remainders = not related and all(c.startswith("mod ") for c in conditions if c)
    one_sided = remainders and "" in conditions
    return (len(conditions) == 1 or one_sided) and compare_values(first, second, context)


def compare_relations(gold: Value, answer: Value, context: ComparisonContext) -> bool:
    """Compare where at least one is an equation, an inequality or a membership."""
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        lists = relations.spread_either_chain(gold, answer)
        if lists:
            return compare_values(*lists, context)
        if relations.has_named_value(gold) and relations.has_named_value(answer):
            return compare_named_values(gold, answer, context)
        if relations.compare_equations(gold, answer, context):
            return True
        if is_inequality(gold) and is_inequality(answer):
            same = compare_regions(gold, answer, context)
            return same or compare_inequalities(gold, answer, context)
        if is_inequality(gold) != is_inequality(answer):
            return compare_regions(gold, answer, context)
        return gold.signs == answer.signs and all(
            compare_values(a, b, context) for a, b in zip(gold.sides, answer.sides, strict=True)
        )
    relation, other = (gold, answer) if isinstance(gold, Relation) else (answer, gold)
    assert isinstance(relation, Relation)
    spread = relations.spread_chain(relation) if isinstance(other, ValueCollection) else None
    if spread:
        first, second = (spread, other) if relation is gold else (other, spread)
        return compare_values(first, second, context)
    if is_inequality(relation):
        return compare_regions(gold, answer, context)
    value = relations.find_single_value(relation, context)
    if value is None:
        return False
    first, second = (value, other) if relation is gold else (other, value)
    return compare_values(first, second, context)


def compare_inequalities(gold: Relation, answer: Relation, context: ComparisonContext) -> bool:
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


def compare_named_values(gold: Relation, answer: Relation, context: ComparisonContext) -> bool:
    """Compare two names with their values; the name of a function may have another letter."""
    names = [relations.take_name_head(relation.sides[0], context) for relation in (gold, answer)]
    values = [relations.take_named_value(relation) for relation in (gold, answer)]
    membership = "\\in" in gold.signs or "\\in" in answer.signs
    if membership or compare_values(names[0], names[1], context):
        renamed = relations.rename_arguments(gold.sides[0], answer.sides[0], values[1])
        return compare_values(values[0], renamed, context)
    return relations.compare_equations(gold, answer, context)


def is_region(value: Value) -> bool:
    """Whether a value is a set of real numbers or several inequalities."""
    return isinstance(value, Region) or (
        isinstance(value, ValueCollection)
        and value.kind == "list"
        and any(map(is_inequality, value.members))
    )


def compare_regions(gold: Value, answer: Value, context: ComparisonContext) -> bool:
    """Compare sets of real numbers, whatever they are written as."""
    if isinstance(gold, ValueCollection) and isinstance(answer, ValueCollection):
        same_length = len(gold.members) == len(answer.members)
        if same_length and compare_items(gold, answer, bind_context(context)):
            return True
    regions = find_region(gold), find_region(answer)
    if regions[0] is None or regions[1] is None:
        return False
    decimal = has_decimals(gold) or has_decimals(answer)
    return compare_sets(regions[0], regions[1], decimal, context)


def compare_words(
    gold: TextValue | VerbatimLatex, answer: TextValue | VerbatimLatex, context: ComparisonContext
) -> bool:
    """Compare tidied words, or LaTeX as it is written; words joined by "and" in any order."""
    if gold.text == answer.text:
        return True
    words = isinstance(gold, TextValue) and isinstance(answer, TextValue)
    return words and order_words(gold.text) == order_words(answer.text)


def order_words(text: str) -> list[str]:
    """Words in the singular; what "and" or "or" joins is put in order."""
    singular = re.sub(r"(?<=[a-z]{3}[a-rt-z])s\b", "", text)
    joined = re.split(r" (and|or) ", singular)
    return sorted(joined) if len(set(joined[1::2])) == 1 else joined


def swap_sides(comparison: Callable[..., bool]) -> Callable[..., bool]:
    """A comparison with its two sides exchanged."""
    return lambda gold, answer, context: comparison(answer, gold, context)


# Values that hold no others; their kinds may differ.
COMPARISONS: dict[tuple[type, type], Callable[..., bool]] = {
    (Scalar, Scalar): compare_scalars,
    (TextValue, TextValue): compare_words,
    (Clock, Clock): compare_clocks,
    (Ratio, Ratio): compare_ratios,
    (NumberInBase, NumberInBase): lambda gold, answer, context: gold == answer,
    (Quantities, Quantities): compare_quantities,
    (VerbatimLatex, VerbatimLatex): compare_words,
    (Quantities, Scalar): compare_total,
    (Scalar, Quantities): swap_sides(compare_total),
    (Ratio, Scalar): compare_ratio_with_number,
    (Scalar, Ratio): swap_sides(compare_ratio_with_number),
    (Clock, Scalar): compare_clock_with_number,
    (Ratio, Clock): compare_ratio_with_clock,
}
# Values made of others, with how to compare those as the last argument.
MEMBER_COMPARISONS: dict[tuple[type, type], Callable[..., bool]] = {
    (ValueCollection, ValueCollection): compare_items,
    (Matrix, Matrix): compare_matrices,
    (Matrix, ValueCollection): compare_vector,
    (ValueCollection, Matrix): compare_vector,
}
