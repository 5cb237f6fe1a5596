"""The kinds of values that an answer can have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Union

from retu.grading.reading.units import PhysicalUnit


@dataclass(frozen=True)
class Scalar:
    """A number or an expression.

    Attributes:
        expression: a sympy expression, unevaluated.
        text: its canonical LaTeX.
        decimal: whether it was written with a decimal point, hence possibly rounded.
        percent: whether it is in per cent; the expression is then the number before the sign.
        without_unit: the expression without a last letter that may be a unit, None without one.
        index: letters used as an index, so that `i` is none of the imaginary unit.
        unit: a unit that is compared, None for none or for words that are left out.
    """

    expression: Any
    text: str
    decimal: bool = False
    percent: bool = False
    without_unit: Any = None
    index: frozenset[str] = frozenset()
    unit: PhysicalUnit | None = None


@dataclass(frozen=True)
class ValueCollection:
    """Several values.

    Attributes:
        members: the values in reading order.
        kind: `list` (commas, "and", "or", plus-minus), `set` (braces), `tuple` (round or angle
            brackets, two of them also an open interval), `bracket` (square, two of them a closed
            interval).
    """

    members: tuple["Value", ...]
    kind: str


@dataclass(frozen=True)
class Region:
    """A set of real numbers as a sympy set: intervals, unions, the empty set, number sets."""

    region: Any
    text: str


@dataclass(frozen=True)
class Relation:
    """Values in a chain of signs: `x = 5`, `1 < x \\le 2`, `x \\in [0, 1]`."""

    sides: tuple["Value", ...]
    signs: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class TextValue:
    """Text, or a sentence with mathematics in it, tidied for comparison."""

    text: str


@dataclass(frozen=True)
class Clock:
    """A time of day, or minutes and seconds: `3:00`, `12:30 pm`."""

    parts: tuple[int, ...]
    half: str = ""


@dataclass(frozen=True)
class Ratio:
    """Parts of a ratio: `2:3:5`."""

    parts: tuple["Value", ...]


@dataclass(frozen=True)
class NumberInBase:
    """A number in a base other than ten: digits in capitals and the base."""

    digits: str
    base: int


@dataclass(frozen=True)
class Quantities:
    """Several numbers with their units: `3 hours 20 minutes`."""

    numbers: tuple[Scalar, ...]
    units: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """A matrix or vector: rows of values."""

    rows: tuple[tuple["Value", ...], ...]


@dataclass(frozen=True)
class QualifiedValue:
    """A value that holds under a condition in words."""

    value: "Value"
    condition: str


@dataclass(frozen=True)
class VerbatimLatex:
    """LaTeX that no rule reads and that equals only itself: `1, 2, \\ldots, n`."""

    text: str


Value = Union[  # noqa: UP007 - the names are not defined when `|` would be evaluated
    Scalar,
    ValueCollection,
    Region,
    Relation,
    TextValue,
    Clock,
    Ratio,
    NumberInBase,
    Quantities,
    Matrix,
    QualifiedValue,
    VerbatimLatex,
]


@dataclass(frozen=True)
class PlainNumber:
    """A plain number as it is written, before it becomes a scalar."""

    value: Fraction
    decimal: bool = False
    text: str = field(default="", compare=False)


# Reads tokens, given to readers of what holds further values.
Reader = Callable[[Sequence[str]], Value]


def list_members(value: Value) -> tuple[Value, ...]:
    r"""The members that a list takes in from one of its parts, such as `\pm 1`."""
    return (
        value.members if isinstance(value, ValueCollection) and value.kind == "list" else (value,)
    )
