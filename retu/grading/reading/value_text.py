"""How a table shows what was read."""

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
from retu.grading.symbolic.symbolic_engine import write_short

RareValue = Ratio | Clock | NumberInBase | Quantities | QualifiedValue | TextValue | VerbatimLatex
BRACKETS = {"list": ("", ""), "set": ("{", "}"), "tuple": ("(", ")"), "bracket": ("[", "]")}


def describe_value(value: Value) -> str:
    """A value in plain text, cut to a few hundred characters."""
    return write_short(value, write_value)


def write_value(value: Value) -> str:
    """A value in plain text."""
    if isinstance(value, Scalar):
        return str(value.expression) + "%" * value.percent
    if isinstance(value, ValueCollection):
        opener, closer = BRACKETS[value.kind]
        return opener + ", ".join(map(write_value, value.members)) + closer
    if isinstance(value, Relation):
        signs = [sign.lstrip("\\") for sign in value.signs]
        tail = [f" {s} {write_value(side)}" for s, side in zip(signs, value.sides[1:], strict=True)]
        return write_value(value.sides[0]) + "".join(tail)
    if isinstance(value, Matrix):
        return "[" + "; ".join(", ".join(map(write_value, row)) for row in value.rows) + "]"
    if isinstance(value, Region):
        return str(value.region)
    return write_rare_value(value)


def write_rare_value(value: RareValue) -> str:
    """A value of one of the rarer kinds in plain text."""
    if isinstance(value, Ratio):
        return ":".join(map(write_value, value.parts))
    if isinstance(value, Clock):
        return ":".join(f"{part:02d}" for part in value.parts) + value.half
    if isinstance(value, NumberInBase):
        return f"{value.digits} (base {value.base})"
    if isinstance(value, Quantities):
        pairs = zip(value.numbers, value.units, strict=True)
        return " ".join(f"{write_value(number)} {unit}" for number, unit in pairs)
    if isinstance(value, QualifiedValue):
        return f"{write_value(value.value)} {value.condition}"
    return value.text
