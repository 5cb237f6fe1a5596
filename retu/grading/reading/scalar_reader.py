"""Numbers and expressions with what belongs to them: units, per cent, bases; ratios and times."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from retu.grading.reading import phrases
from retu.grading.reading.canonical_latex import show_tokens
from retu.grading.reading.expressions import parse_expression
from retu.grading.reading.numbers import (
    has_numbers_side_by_side,
    read_clock,
    read_number,
    read_number_in_base,
)
from retu.grading.reading.rewriting import TRIGONOMETRY
from retu.grading.reading.tex_tokens import (
    PUNCTUATION,
    LatexTokens,
    is_text,
    split_tokens,
    trim_tokens,
    unwrap_text,
)
from retu.grading.reading.units import find_unit
from retu.grading.reading.unreadable import UnevaluatedError, UnreadableError
from retu.grading.reading.values import (
    Matrix,
    PlainNumber,
    Quantities,
    Ratio,
    Reader,
    Scalar,
    TextValue,
    Value,
    ValueCollection,
    VerbatimLatex,
)
from retu.grading.reading.vocabulary import load_vocabulary

BROKEN_NUMBER = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
ANGLE = re.compile(r"(\d+)\\degree(\d+)'(?:(\d+)'')?")


def read_quantities(tokens: Sequence[str]) -> Value | None:
    """Several numbers with units, None for anything else."""
    angle = ANGLE.fullmatch(phrases.write_math(tokens))
    if angle:
        read = [read_number(part) for part in angle.groups() if part]
        parts = tuple(make_scalar(number) for number in read if number)
        return Quantities(parts, ("degree", "arcminute", "arcsecond")[: len(parts)])
    found = phrases.split_quantities(tokens)
    numbers = [read_number(phrases.write_math(number)) for number, _ in found]
    if not found or not all(numbers):
        return None
    units = tuple(phrases.tidy_words(words) for _, words in found)
    if any(load_vocabulary().predicates.match(u) and not find_unit(u) for u in units):
        return None
    scalars = tuple(make_scalar(number) for number in numbers if number)
    return Quantities(scalars, units)


def read_ratio(tokens: Sequence[str], read: Reader) -> Value | None:
    """A time or a ratio, None without a colon; `read` reads what stands before a unit."""
    tokens = [":" if is_text(t) and unwrap_text(t).strip() == "to" else t for t in tokens]
    text = phrases.write_math(tokens)
    if ":" not in text:
        return None
    core, unit = phrases.cut_unit(tokens)
    half = re.sub(r"[.\s]", "", unit.lower())
    suffix = f"\\text{{{half}}}" if half in {"am", "pm"} else ""
    clock = read_clock(phrases.write_math(core) + suffix)
    if clock:
        return clock
    parts, signs = split_tokens(core, {":"})
    if not signs:
        return None
    if any(trim_tokens(part) == ["\\ldots"] for part in parts):
        return VerbatimLatex(show_tokens(tokens))
    return Ratio(tuple(read_scalar(part, read) for part in parts))


def read_scalar(tokens: Sequence[str], read: Reader) -> Value:
    """A number or an expression, with what belongs to it: unit, per cent, base.

    Args:
        tokens: canonical tokens.
        read: reads what stands before a unit, a sign of per cent or of degrees.

    Raises:
        UnreadableError: it is neither.
    """
    tokens = trim_tokens(tokens, PUNCTUATION)
    text = phrases.write_math(tokens)
    number = read_number(text) or read_number_in_base(BROKEN_NUMBER.sub("", text))
    if number:
        return make_scalar(number) if isinstance(number, PlainNumber) else number
    special = phrases.find_base(text) or phrases.find_remainder(text)
    if special:
        return read_scalar(list(special), read) if "_" in special else TextValue(special)
    core, unit = phrases.cut_unit(tokens)
    if unit:
        return attach_unit(read(core), unit, phrases.find_exponent(tokens))
    percent = tokens[-1:] == ["\\%"]
    core = trim_tokens(tokens[:-1]) if percent else drop_degree(tokens)
    if len(core) < len(tokens):
        value = read(core)
        return make_percent(value) if percent else value
    if any(is_text(t) and len(unwrap_text(t).strip(" ().")) > 1 for t in tokens):
        return TextValue(phrases.write_sentence(tokens))
    if has_numbers_side_by_side(BROKEN_NUMBER.sub("", text)):
        raise UnreadableError("two numbers side by side")
    return read_expression(tokens, text)


def read_expression(tokens: Sequence[str], text: str) -> Value:
    """An expression that the engine parses; a matrix where the result is one."""
    try:
        expression = parse_expression(join_digits(tokens))
    except UnevaluatedError as error:
        return VerbatimLatex(str(error))
    if hasattr(expression, "tolist"):
        rows = expression.tolist()
        return Matrix(tuple(tuple(Scalar(e, str(e)) for e in row) for row in rows))
    before = phrases.cut_unit_letter(tokens)
    return Scalar(
        expression,
        show_tokens(tokens),
        decimal=bool(re.search(r"\d*\.\d", text)) and "\\overline" not in text,
        without_unit=parse_expression(before) if before else None,
        index=phrases.find_indices(tokens),
    )


def join_digits(tokens: Sequence[str]) -> LatexTokens:
    """Tokens without blanks between digits, where groups of thousands stand in an expression."""
    return [t for i, t in enumerate(tokens) if t != " " or not is_digit_gap(tokens, i)]


def is_digit_gap(tokens: Sequence[str], index: int) -> bool:
    """Whether the blank at an index stands between two digits."""
    around = [*tokens[max(index - 1, 0) : index], *tokens[index + 1 : index + 2]]
    return len(around) == 2 and all(token.isdigit() for token in around)


def drop_degree(tokens: Sequence[str]) -> LatexTokens:
    """Tokens without a last sign of degrees, which a value in degrees may leave out."""
    inside = TRIGONOMETRY & set(tokens)  # there degrees are converted, not dropped
    last = tokens[-1] == "\\degree" and len(tokens) > 1
    return trim_tokens(tokens[:-1]) if last and not inside else list(tokens)


def attach_unit(value: Value, unit: str, exponent: int) -> Value:
    """A value with its unit; other words are left out, per cent and words of multitude count."""
    words = unit.lower().strip(" .").split()
    vocabulary = load_vocabulary()
    if unit.lower().strip(" .") in vocabulary.percent_words or words[:1] == ["percent"]:
        return make_percent(value)
    factor = vocabulary.multipliers.get(words[0], 1) if words else 1
    if factor != 1 and isinstance(value, Scalar):
        product = multiply_expression(value.expression, factor)
        return Scalar(product, value.text + words[0], value.decimal)
    known = find_unit(unit, exponent)
    return replace(value, unit=known) if known and isinstance(value, Scalar) else value


def multiply_expression(expression: Any, factor: int) -> Any:
    """A sympy expression times a whole number."""
    import sympy

    return sympy.Mul(expression, factor)


def make_percent(value: Value) -> Value:
    """A number in per cent; each of a list; anything else as it is."""
    if isinstance(value, Scalar):
        return Scalar(value.expression, value.text + "\\%", value.decimal, percent=True)
    if isinstance(value, ValueCollection):
        return ValueCollection(tuple(make_percent(member) for member in value.members), value.kind)
    return value


def make_scalar(number: PlainNumber) -> Scalar:
    """A plain number as a scalar."""
    import sympy

    value = sympy.Rational(number.value.numerator, number.value.denominator)
    return Scalar(value, number.text or str(value), number.decimal)
