r"""What brackets enclose: tuples, sets, intervals and their unions, matrices.

`(a, b)` is a pair and an open interval; `[a, b]` a closed interval; `[a, b, c]` a list.
"""

from collections.abc import Sequence
from typing import Any

from retu.grading.reading.canonical_latex import find_environment_end, show_tokens
from retu.grading.reading.tex_tokens import (
    CLOSERS,
    OPENERS,
    LatexTokens,
    find_closer,
    is_enclosed,
    split_tokens,
    trim_tokens,
)
from retu.grading.reading.unreadable import UnreadableError
from retu.grading.reading.values import (
    Matrix,
    Reader,
    Region,
    Relation,
    Scalar,
    Value,
    ValueCollection,
    VerbatimLatex,
    list_members,
)

SET_SIGNS = {"\\cup", "\\cap", "\\setminus"}
ENDS = {"(": True, "[": False}
CLOSES = {")": True, "]": False}
NUMBER_SETS = {"R": "Reals", "Z": "Integers", "N": "Naturals", "Q": "Rationals", "C": "Complexes"}
TRANSPOSED = {"T", "t", "\\top", "\\intercal", "\\text{T}"}
MATRIX_ENVIRONMENTS = {"matrix", "pmatrix", "bmatrix", "Bmatrix"}


def read_brackets(tokens: Sequence[str], read: Reader) -> Value | None:
    """A set, tuple, interval or matrix; None for what is none of these."""
    if tokens[0] == "\\emptyset" and len(tokens) == 1:
        return make_named_region("EmptySet", "\\emptyset")
    number_set = read_number_set(tokens)
    if number_set:
        return number_set
    parts, signs = split_tokens(tokens, SET_SIGNS)
    if signs:
        return read_union(tokens, parts, signs, read)
    transposed = read_transposed(tokens, read)
    if transposed:
        return transposed
    if tokens[0] == "\\begin":
        return read_matrix(tokens, read)
    for opener, closer, kind in (("\\{", "\\}", "set"), ("\\langle", "\\rangle", "tuple")):
        if is_enclosed(tokens, opener, closer):
            return read_members(tokens[1:-1], kind, read)
    return read_round_or_square_brackets(tokens, read)


def read_number_set(tokens: Sequence[str]) -> Value | None:
    r"""`\mathbb{R}` and the like, None for anything else."""
    solid = [token for token in tokens if token != " "]
    if len(solid) == 4 and solid[0] == "\\mathbb" and solid[2] in NUMBER_SETS:
        return make_named_region(NUMBER_SETS[solid[2]], show_tokens(tokens))
    return None


def read_members(inside: Sequence[str], kind: str, read: Reader) -> Value:
    """The members between braces or angle brackets; a set by its condition as a relation."""
    if not trim_tokens(inside):
        return make_named_region("EmptySet", "\\emptyset")
    if kind == "set":
        parts, signs = split_tokens(inside, {"|", ":"})
        if signs and len(parts) == 2 and not any(t.isdigit() for t in parts[0]):
            return read(parts[1])
    parts = [part for part in split_tokens(inside, {",", ";"})[0] if trim_tokens(part)]
    if ["\\ldots"] in map(trim_tokens, parts):
        return VerbatimLatex(f"\\{{{show_tokens(inside)}\\}}")
    members = [read(part) for part in parts]
    return ValueCollection(tuple(m for value in members for m in list_members(value)), kind)


def read_round_or_square_brackets(tokens: Sequence[str], read: Reader) -> Value | None:
    """A tuple, an interval, or what stands in brackets that mean nothing."""
    if tokens[0] not in ENDS or tokens[-1] not in CLOSES or not has_enclosing_pair(tokens):
        return None
    inside = tokens[1:-1]
    parts, _ = split_tokens(inside, {",", ";"})
    parts = [part for part in parts if trim_tokens(part)]
    left, right = ENDS[tokens[0]], CLOSES[tokens[-1]]
    if len(parts) == 1:
        return read(parts[0]) if left == right else None
    members = tuple(read(part) for part in parts)
    if left != right and len(parts) != 2:
        raise UnreadableError("brackets do not match")
    if left == right:
        return ValueCollection(members, "tuple" if left else "bracket")
    return make_interval(members, left, right, show_tokens(tokens))


def read_transposed(tokens: Sequence[str], read: Reader) -> Value | None:
    r"""A matrix or a vector that is transposed (`(1, 2)^T`), None for anything else."""
    end = len(tokens) - 4
    raised = [*tokens[end:]] if end > 0 else []
    if raised[:2] != ["^", "{"] or raised[2] not in TRANSPOSED or tokens[end - 1] not in CLOSERS:
        return None
    value = read(tokens[:end])
    if isinstance(value, Matrix):
        return Matrix(tuple(zip(*value.rows, strict=True)))
    return (
        value if isinstance(value, ValueCollection) and value.kind in {"tuple", "bracket"} else None
    )


def has_enclosing_pair(tokens: Sequence[str]) -> bool:
    """Whether the first bracket is closed by the last token, by a bracket of either kind."""
    depth = 0
    for token in tokens[:-1]:
        depth += (token in OPENERS) - (token in CLOSERS)
        if depth == 0:
            return False
    return True


def make_interval(members: tuple[Value, ...], left: bool, right: bool, text: str) -> Value:
    """An interval of two numbers; `left` and `right` say whether that end is open."""
    import sympy

    if not all(isinstance(member, Scalar) for member in members):
        raise UnreadableError("an interval of what are no numbers")
    start, end = (m.expression for m in members if isinstance(m, Scalar))
    try:
        return Region(sympy.Interval(start, end, left, right), text)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UnreadableError("an interval without real ends") from error


def read_union(
    tokens: Sequence[str], parts: Sequence[LatexTokens], signs: Sequence[str], read: Reader
) -> Value:
    """Unions, intersections and differences of sets, from left to right."""
    import sympy

    operations = {"\\cup": sympy.Union, "\\cap": sympy.Intersection, "\\setminus": sympy.Complement}
    values = [read(part) for part in parts]
    if values and isinstance(values[0], Relation):
        raise UnreadableError("a relation in a union")
    regions = [convert_to_region(value) for value in values]
    if all(isinstance(value, Scalar) for value in values):
        return combine_named_sets([v for v in values if isinstance(v, Scalar)], signs, tokens)
    if any(region is None for region in regions):
        raise UnreadableError("a union of what are no sets")
    result = regions[0]
    for sign, region in zip(signs, regions[1:], strict=True):
        result = operations[sign](result, region)
    return Region(result, show_tokens(tokens))


def combine_named_sets(
    sets: Sequence[Scalar], signs: Sequence[str], tokens: Sequence[str]
) -> Scalar:
    r"""Sets that only have names, as a function of them; order counts for `\setminus` only."""
    import sympy

    names = [item.expression for item in sets]
    if not all(getattr(name, "is_Symbol", False) for name in names):
        raise UnreadableError("a union of what are no sets")
    if len(set(signs)) == 1 and signs[0] != "\\setminus":
        names.sort(key=sympy.default_sort_key)
    joined = names[0]
    for sign, name in zip(signs, names[1:], strict=True):
        joined = sympy.Function(sign.lstrip("\\"))(joined, name)
    return Scalar(joined, show_tokens(tokens))


def convert_to_region(value: Value) -> Any | None:
    """A value as a sympy set of numbers, None if it is none."""
    import sympy

    if isinstance(value, Region):
        return value.region
    if not isinstance(value, ValueCollection) or not all(
        isinstance(m, Scalar) for m in value.members
    ):
        return None
    numbers = [m.expression for m in value.members if isinstance(m, Scalar)]
    if value.kind == "set" or value.kind == "list":
        return sympy.FiniteSet(*numbers)
    if len(numbers) != 2:
        return None
    opened = value.kind == "tuple"
    try:
        return sympy.Interval(*numbers, opened, opened)
    except (ValueError, TypeError, NotImplementedError):
        return None


def make_named_region(name: str, text: str) -> Region:
    """A set that sympy knows by name."""
    import sympy

    return Region(getattr(sympy.S, name), text)


def read_cases(rows: Sequence[Sequence[LatexTokens]], read: Reader) -> Value:
    """The lines of a definition by cases, or of a system: value and condition, in any order."""
    lines = [tuple(read(cell) for cell in row if trim_tokens(cell, " ,;.")) for row in rows]
    return ValueCollection(
        tuple(line[0] if len(line) == 1 else ValueCollection(line, "tuple") for line in lines),
        "list",
    )


def read_matrix(tokens: Sequence[str], read: Reader) -> Value | None:
    """A matrix that fills all tokens, None for an expression with matrices."""
    if find_environment_end(tokens, 0) != len(tokens):
        return None
    name_end = find_closer(tokens, 1)
    name = "".join(tokens[2:name_end])
    if name not in MATRIX_ENVIRONMENTS | {"cases"}:
        return None
    last = max(index for index, token in enumerate(tokens) if token == "\\end")
    rows, _ = split_tokens(tokens[name_end + 1 : last], {"\\\\"})
    cells = [split_tokens(row, {"&"})[0] for row in rows if trim_tokens(row)]
    if name == "cases":
        return read_cases(cells, read)
    if not cells or len({len(row) for row in cells}) != 1:
        raise UnreadableError("rows of a matrix differ in length")
    return Matrix(tuple(tuple(read(cell) for cell in row) for row in cells))
