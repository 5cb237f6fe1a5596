"""Equations: which of them name a value, and whether two say the same."""

from dataclasses import replace
from typing import Any

from retu.grading.comparing.regions import TURNED
from retu.grading.comparing.scalars import ComparisonContext, compare_scalars, find_proportion
from retu.grading.reading.values import (
    Clock,
    Matrix,
    Ratio,
    Relation,
    Scalar,
    TextValue,
    Value,
    ValueCollection,
    VerbatimLatex,
)

NAMING = {"=", "\\in", "\\approx", "\\equiv"}
EQUATIONS = {"=", "\\equiv"}


def is_name(value: Value) -> bool:
    """Whether a value only names something: letters, `f(3)`, `AB/CD`, `(x, y)`; no numbers."""
    if isinstance(value, TextValue):
        return True
    if isinstance(value, VerbatimLatex):  # an integral or limit, which its value is given to
        return "\\ldots" not in value.text
    if isinstance(value, ValueCollection):
        return all(map(is_name, value.members))
    if isinstance(value, Ratio):
        return all(map(is_name, value.parts))
    return isinstance(value, Scalar) and not value.percent and has_only_names(value.expression)


def has_only_names(expression: Any) -> bool:
    """Whether an expression is made of letters, functions of anything, and divisions only."""
    from sympy.core.function import AppliedUndef

    if getattr(expression, "is_Symbol", False) or isinstance(expression, AppliedUndef):
        return True
    if type(expression).__name__ == "Pow":
        return bool(expression.exp == -1) and has_only_names(expression.base)
    arguments = getattr(expression, "args", ())
    return bool(arguments) and all(map(has_only_names, arguments))


def has_named_value(relation: Relation) -> bool:
    """Whether a relation is a name and its value: `x = 5`, `x \\in [0, 1]`."""
    return set(relation.signs) <= NAMING and is_name(relation.sides[0])


def take_named_value(relation: Relation) -> Value:
    """The value that a name is given: the last side, but none after a sign of approximation."""
    sides = list(relation.sides)
    signs = list(relation.signs)
    while len(sides) > 2 and signs[-1] == "\\approx":
        sides, signs = sides[:-1], signs[:-1]
    return sides[-1]


def find_single_value(relation: Relation, context: ComparisonContext) -> Value | None:
    """The value that a relation stands for, None where it is more than a value.

    A name with its value is that value; a chain of numbers is one number if they are equal, also
    with names between them (`2 + 5 = x = 7`).
    """
    if has_named_value(relation):
        return take_named_value(relation)
    if not set(relation.signs) <= {"=", "\\approx"}:
        return None
    first, *others = relation.sides
    exact = [side for side, sign in zip(others, relation.signs, strict=True) if sign == "="]
    chain = [first, *exact]
    unnamed = [side for side in chain if not is_name(side)]
    chain = unnamed if len(unnamed) > 1 and unnamed[-1] is chain[-1] else chain
    numbers = [side for side in chain if isinstance(side, Scalar)]
    if len(numbers) < len(chain) or any(context.find_letters(n.expression) for n in numbers):
        return None
    same = all(compare_scalars(numbers[0], number, context) for number in numbers[1:])
    return numbers[-1] if same else None


def is_false_equation(relation: Relation, context: ComparisonContext) -> bool:
    """Whether a relation equates a number with something else, such as `5 = 0`."""
    first = relation.sides[0]
    constant = isinstance(first, Scalar) and not context.find_letters(first.expression)
    known = isinstance(first, Clock | Matrix) or constant
    return known and relation.signs[0] in EQUATIONS and find_single_value(relation, context) is None


def take_name_head(value: Value, context: ComparisonContext) -> Value:
    """A name without the letters in its brackets: `f(x)` and `f(n)` name one function."""
    import sympy
    from sympy.core.function import AppliedUndef

    if not isinstance(value, Scalar) or not isinstance(value.expression, AppliedUndef):
        return value
    if all(getattr(item, "is_Symbol", False) for item in value.expression.args):
        head = value.expression.func.__name__
        return Scalar(sympy.Symbol(f"{head}()"), head)
    return value


def rename_arguments(gold: Value, answer: Value, value: Value) -> Value:
    """The value that an answer gives a function, in the letters of the gold answer's function.

    `f(x) = x + 1` says of f what `f(n) = n + 1` does; only expressions are renamed.
    """
    if not isinstance(gold, Scalar) or not isinstance(answer, Scalar):
        return value
    letters = gold.expression.args, answer.expression.args
    symbols = all(getattr(item, "is_Symbol", False) for pair in letters for item in pair)
    distinct = len(set(letters[1])) == len(letters[0]) == len(letters[1])
    if not (isinstance(value, Scalar) and symbols and distinct):
        return value
    used = value.expression.free_symbols - set(letters[1])
    if used & set(letters[0]):  # the letter means something else there
        return value
    changes = dict(zip(letters[1], letters[0], strict=True))
    return replace(value, expression=value.expression.xreplace(changes))


def spread_chain(relation: Relation) -> ValueCollection | None:
    """Names that share a value (`m = n = 1`) as a list of equations, None for anything else."""
    names, value = relation.sides[:-1], relation.sides[-1]
    shared = set(relation.signs) == {"="} and len(names) > 1 and not is_name(value)
    letters = (isinstance(n, Scalar) and getattr(n.expression, "is_Symbol", False) for n in names)
    if not (shared and all(letters)):
        return None
    return ValueCollection(
        tuple(Relation((name, value), ("=",), relation.text) for name in names), "list"
    )


def spread_either_chain(gold: Relation, answer: Relation) -> tuple[Value, Value] | None:
    """Names that share a value as a list, beside the tuple that the other names; or None."""
    if isinstance(answer.sides[0], ValueCollection):
        spread = spread_chain(gold)
        return (spread, answer) if spread else None
    spread = spread_chain(answer) if isinstance(gold.sides[0], ValueCollection) else None
    return (gold, spread) if spread else None


def compare_equations(gold: Relation, answer: Relation, context: ComparisonContext) -> bool:
    """Whether two equations say the same: their differences of sides are proportional."""
    if len(gold.sides) != 2 or len(answer.sides) != 2:
        return False
    if not (gold.signs[0] in EQUATIONS and answer.signs[0] in EQUATIONS):
        return False
    first, second = subtract_sides(gold), subtract_sides(answer)
    if first is None or second is None:
        return False
    if find_proportion(first, second, context) is not None:
        return True
    numerators = take_numerator(first), take_numerator(second)
    return find_proportion(numerators[0], numerators[1], context) is not None


def subtract_sides(relation: Relation) -> Any | None:
    """Left side minus right side, None where they are no expressions."""
    left, right = relation.sides
    if not isinstance(left, Scalar) or not isinstance(right, Scalar):
        return None
    return left.expression - right.expression


def take_numerator(expression: Any) -> Any:
    """The numerator of an expression over its common denominator."""
    import sympy

    return sympy.fraction(sympy.together(expression))[0]


def compare_inequality_multiples(
    gold: Relation, answer: Relation, context: ComparisonContext
) -> bool:
    """Whether two inequalities in several letters are multiples of each other."""
    if len(gold.sides) != 2 or len(answer.sides) != 2 or gold.signs[0] not in TURNED:
        return False
    first, second = subtract_sides(gold), subtract_sides(answer)
    if first is None or second is None:
        return False
    factor = find_proportion(first, second, context)
    if factor is None:
        return False
    sign = gold.signs[0] if factor > 0 else TURNED[gold.signs[0]]
    return sign == answer.signs[0]
