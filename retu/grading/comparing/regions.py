"""Sets of real numbers: what inequalities describe, and whether two sets are equal."""

from collections.abc import Callable, Sequence
from typing import Any

from retu.grading.comparing.scalars import ComparisonContext, compare_expressions, is_infinite
from retu.grading.reading.brackets import convert_to_region
from retu.grading.reading.values import Region, Relation, Scalar, Value, ValueCollection

ORDERS = {"<", ">", "\\le", "\\ge", "\\ne"}
TURNED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "\\ne": "\\ne"}
# Highest degree of an inequality that is solved; above, only its text and multiples count.
MAX_DEGREE = 4


def find_region(value: Value) -> Any | None:
    """The sympy set that a value is or describes, None if it describes none."""
    if isinstance(value, Relation):
        return solve_relation(value)
    if isinstance(value, ValueCollection) and value.kind == "list":
        return join_relations(value.members) or convert_to_region(value)
    return convert_to_region(value)


def join_relations(members: Sequence[Value]) -> Any | None:
    """The set that several inequalities describe together.

    Their "and" or "or" is gone: bounds that exclude each other are a union, others both hold.
    """
    import sympy

    if not any(isinstance(member, Relation) for member in members):
        return None
    regions = [find_region(member) for member in members]
    if any(region is None for region in regions):
        return None
    common = sympy.Intersection(*regions)
    return sympy.Union(*regions) if common == sympy.S.EmptySet else common


def solve_relation(relation: Relation) -> Any | None:
    """The numbers that an inequality or membership in one variable allows, None otherwise."""
    import sympy

    if relation.signs == ("\\in",):
        return find_region(relation.sides[1])
    if not set(relation.signs) <= ORDERS:
        return None
    sides = [side.expression for side in relation.sides if isinstance(side, Scalar)]
    variable = find_variable(sides)
    if len(sides) != len(relation.sides) or variable is None:
        return None
    real = sympy.Symbol("t", real=True)
    sides = [side.xreplace({variable: real}) for side in sides]
    steps = zip(sides, relation.signs, sides[1:], strict=False)
    regions = [solve_step(left, sign, right, real) for left, sign, right in steps]
    if any(region is None for region in regions):
        return None
    return sympy.Intersection(*regions)


def find_variable(sides: Sequence[Any]) -> Any | None:
    """The one unknown of an inequality: a letter, or a function as in `0 < f(x) < 1`."""
    from sympy.core.function import AppliedUndef

    functions = {item for side in sides for item in side.atoms(AppliedUndef)}
    rest = {s for side in sides for s in side.free_symbols}
    if len(functions) == 1 and rest <= next(iter(functions)).free_symbols:
        return next(iter(functions))
    return next(iter(rest)) if len(rest) == 1 and not functions else None


def solve_step(left: Any, sign: str, right: Any, variable: Any) -> Any | None:
    """The real numbers for which one inequality holds, None where it is not solved."""
    import sympy

    if is_infinite(left) or is_infinite(right):
        return bound_by_infinity(left, sign, right, variable)
    difference = sympy.expand(left - right)
    if not difference.has(variable):
        return None
    bounded = difference.replace(sympy.Abs, lambda inside: inside)
    if not bounded.is_polynomial(variable) or sympy.degree(bounded, variable) > MAX_DEGREE:
        return None
    build: dict[str, Callable[..., Any]] = {
        "<": sympy.Lt,
        ">": sympy.Gt,
        "\\le": sympy.Le,
        "\\ge": sympy.Ge,
        "\\ne": sympy.Ne,
    }
    linear = difference.as_poly(variable) if difference.is_polynomial(variable) else None
    if linear is not None and linear.degree() == 1:
        slope, intercept = linear.all_coeffs()
        return solve_linear_inequality(slope, intercept, sign)
    try:
        return build[sign](difference, 0).as_set()
    except (NotImplementedError, ValueError, TypeError):
        return None


def bound_by_infinity(left: Any, sign: str, right: Any, variable: Any) -> Any | None:
    """All real numbers for `x < \\infty` and `-\\infty < x`, which exclude none; else None."""
    import sympy

    if sign in {">", "\\ge"}:
        left, right = right, left
    upper = right == sympy.oo and left == variable
    lower = left == -sympy.oo and right == variable
    return sympy.S.Reals if (upper or lower) and sign != "\\ne" else None


def solve_linear_inequality(slope: Any, intercept: Any, sign: str) -> Any | None:
    """The set where `slope * x + intercept` has the sign; numbers may be irrational."""
    import sympy

    root = -intercept / slope
    if not root.is_extended_real or slope.is_extended_real is False:
        return None
    sign = TURNED[sign] if slope.is_negative else sign
    return {
        "<": lambda: sympy.Interval.open(-sympy.oo, root),
        "\\le": lambda: sympy.Interval(-sympy.oo, root),
        ">": lambda: sympy.Interval.open(root, sympy.oo),
        "\\ge": lambda: sympy.Interval(root, sympy.oo),
        "\\ne": lambda: sympy.Union(
            sympy.Interval.open(-sympy.oo, root), sympy.Interval.open(root, sympy.oo)
        ),
    }[sign]()


def compare_sets(gold: Any, answer: Any, decimal: bool, context: ComparisonContext) -> bool:
    """Whether two sympy sets are equal: the same pieces with the same ends."""
    if gold == answer:
        return True
    pieces = split_pieces(gold), split_pieces(answer)
    if not pieces[0] or not pieces[1] or len(pieces[0]) != len(pieces[1]):
        return False
    return all(
        first[2:] == second[2:]
        and all(
            compare_expressions(a, b, decimal, context)
            for a, b in zip(first[:2], second[:2], strict=True)
        )
        for first, second in zip(*pieces, strict=True)
    )


def split_pieces(region: Any) -> list[tuple[Any, Any, bool, bool]]:
    """Intervals and points of a set in order: start, end, whether each is open; [] if unknown."""
    import sympy

    parts = region.args if isinstance(region, sympy.Union) else (region,)
    pieces: list[tuple[Any, Any, bool, bool]] = []
    for part in parts:
        if isinstance(part, sympy.Interval):
            pieces.append((part.start, part.end, bool(part.left_open), bool(part.right_open)))
        elif isinstance(part, sympy.FiniteSet):
            pieces += [(item, item, False, False) for item in part.args]
        else:
            return []
    try:
        return sorted(pieces, key=lambda piece: (float(piece[0]), float(piece[1])))
    except TypeError:
        return pieces


def has_decimals(value: Value) -> bool:
    """Whether a value was written with decimals anywhere."""
    if isinstance(value, Scalar):
        return value.decimal
    if isinstance(value, Region):
        return "." in value.text
    if isinstance(value, ValueCollection):
        return any(map(has_decimals, value.members))
    return isinstance(value, Relation) and any(map(has_decimals, value.sides))
