"""Making exact what the engine returns: rational numbers for its floats, short sums written out."""

from typing import Any

from retu.grading.reading.unreadable import UnreadableError

MOST_TERMS = 100


def make_expression_exact(expression: Any, stand_ins: dict[str, Any]) -> Any:
    """The expression with rational numbers for floats and with what the symbols stood for."""
    import sympy

    expression = expand_short_sums(expression)
    if isinstance(expression, sympy.MatrixBase):
        return expression.applyfunc(lambda entry: make_expression_exact(entry, stand_ins))
    if isinstance(expression, sympy.MatrixExpr):
        return make_expression_exact(expression.doit(), stand_ins)
    if not isinstance(expression, sympy.Expr):
        raise UnreadableError("not readable as an expression")
    changes: dict[Any, Any] = {
        number: sympy.Rational(str(number)) for number in expression.atoms(sympy.Float)
    }
    changes |= {sympy.Symbol(name): meant for name, meant in stand_ins.items()}
    if expression.has(sympy.I):
        changes[sympy.I] = sympy.Symbol("I")
    return expression.xreplace(changes) if changes else expression


def expand_short_sums(expression: Any) -> Any:
    """The expression with sums and products of few terms written out."""
    import sympy

    if not isinstance(expression, sympy.Basic):
        return expression
    written: dict[Any, Any] = {}
    for node in expression.atoms(sympy.Sum, sympy.Product):
        (letter, start, end), *more = node.limits
        whole = not more and start.is_Integer and end.is_Integer
        if (
            whole
            and 0 <= int(end) - int(start) < MOST_TERMS
            and not node.function.has(sympy.Sum, sympy.Product)
        ):
            terms = [
                node.function.xreplace({letter: sympy.Integer(n)}) for n in range(start, end + 1)
            ]
            build = sympy.Add if isinstance(node, sympy.Sum) else sympy.Mul
            written[node] = build(*terms, evaluate=False)
    return expression.xreplace(written) if written else expression
