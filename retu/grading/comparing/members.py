"""Whether values made of other values are equal, given how those are compared: lists, matrices."""

from collections.abc import Callable, Sequence

from retu.grading.reading.values import Matrix, Value, ValueCollection

MemberComparison = Callable[[Value, Value], bool]
# More members than that are compared in their order only.
MAX_MATCHED = 64


def compare_items(
    gold: ValueCollection, answer: ValueCollection, compare: MemberComparison
) -> bool:
    """Compare several values: order counts in tuples, repeats count except in sets."""
    kinds = {gold.kind, answer.kind}
    if kinds == {"tuple", "set"} or ("bracket" in kinds and not has_fitting_brackets(gold, answer)):
        return False
    first, second = gold.members, answer.members
    if kinds == {"set"}:
        first, second = drop_repeats(first, compare), drop_repeats(second, compare)
    if len(first) != len(second):
        return False
    if "tuple" in kinds or "bracket" in kinds or len(first) > MAX_MATCHED:
        return all(compare(a, b) for a, b in zip(first, second, strict=True))
    return match_members(list(first), list(second), compare)


def has_fitting_brackets(gold: ValueCollection, answer: ValueCollection) -> bool:
    """Whether square brackets may face these: a closed interval is only itself, a list any list."""
    if gold.kind == answer.kind:
        return True
    return min(len(gold.members), len(answer.members)) > 2


def drop_repeats(members: Sequence[Value], compare: MemberComparison) -> tuple[Value, ...]:
    """Members of a set, each once."""
    kept: list[Value] = []
    for member in members:
        if not any(compare(other, member) for other in kept):
            kept.append(member)
    return tuple(kept)


def match_members(gold: list[Value], answer: list[Value], compare: MemberComparison) -> bool:
    """Whether the members of two lists are equal in some order; repeats count."""
    for member in gold:
        index = next((i for i, other in enumerate(answer) if compare(member, other)), None)
        if index is None:
            return False
        answer.pop(index)
    return True


def compare_matrices(gold: Matrix, answer: Matrix, compare: MemberComparison) -> bool:
    """Compare matrices entry by entry."""
    shapes = [(len(m.rows), len(m.rows[0])) for m in (gold, answer)]
    pairs = zip(list_cells(gold), list_cells(answer), strict=False)
    return shapes[0] == shapes[1] and all(compare(a, b) for a, b in pairs)


def list_cells(matrix: Matrix) -> list[Value]:
    """Entries of a matrix, row by row."""
    return [cell for row in matrix.rows for cell in row]


def read_rows(items: ValueCollection) -> Matrix | None:
    """The matrix that a list writes row by row, `[[1, 2], [3, 4]]`; None for another list."""
    rows = [
        m.members for m in items.members if isinstance(m, ValueCollection) and m.kind == "bracket"
    ]
    same = len({len(row) for row in rows}) == 1 and len(rows) == len(items.members)
    return Matrix(tuple(rows)) if same and items.kind == "bracket" else None


def compare_vector(
    gold: Matrix | ValueCollection, answer: Matrix | ValueCollection, compare: MemberComparison
) -> bool:
    """Compare a row or a column with a tuple: they are equal entry by entry."""
    matrix, items = (gold, answer) if isinstance(gold, Matrix) else (answer, gold)
    assert isinstance(matrix, Matrix)
    assert isinstance(items, ValueCollection)
    rows = read_rows(items)
    if rows and len(matrix.rows) > 1:
        first, second = (matrix, rows) if matrix is gold else (rows, matrix)
        return compare_matrices(first, second, compare)
    if items.kind == "set" or min(len(matrix.rows), len(matrix.rows[0])) != 1:
        return False
    pairs = [list_cells(matrix), list(items.members)]
    if matrix is not gold:
        pairs.reverse()
    return len(pairs[0]) == len(pairs[1]) and all(
        compare(a, b) for a, b in zip(*pairs, strict=True)
    )
