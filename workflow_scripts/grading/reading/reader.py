r"""From LaTeX to a value: lists, relations, sets, tuples, matrices, quantities, expressions.

Gold answers and answers of a model are read by the same rules (docs/grading.md lists them).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from workflow_scripts.grading.reading import brackets, phrases
from workflow_scripts.grading.reading.clean import clean_latex, show_tokens
from workflow_scripts.grading.reading.leaf import (
    TRIGONOMETRY,
    UnevaluatedError,
    UnreadableError,
    parse_expression,
)
from workflow_scripts.grading.reading.numbers import (
    has_numbers_side_by_side,
    read_clock,
    read_number,
    read_number_in_base,
)
from workflow_scripts.grading.reading.tokens import (
    Tokens,
    is_balanced,
    is_enclosed,
    is_text,
    iterate_top_level,
    split_tokens,
    trim_tokens,
    unwrap_text,
)
from workflow_scripts.grading.reading.units import find_unit
from workflow_scripts.grading.reading.values import (
    Items,
    Matrix,
    Number,
    Qualified,
    Quantities,
    Ratio,
    Relation,
    Scalar,
    Value,
    Verbatim,
    Words,
)
from workflow_scripts.grading.reading.vocabulary import load_vocabulary

SIGNS = {"=", "<", ">", "\\le", "\\ge", "\\ne", "\\in", "\\notin", "\\approx", "\\equiv", "\\to"}
SIGNS |= {"\\implies", "\\subset", "\\subseteq", "\\cong", "\\propto", "\\perp", "\\parallel"}
COMPOUND_SIGNS = {("<", "="): "\\le", (">", "="): "\\ge", ("!", "="): "\\ne", ("=", "="): "="}
PLUS_MINUS = {"\\pm": ("+", "-"), "\\mp": ("-", "+")}
BROKEN_NUMBER = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
GROUPED_RUN = re.compile(r"\d{1,3}(?:,\d{3})+")
ANGLE = re.compile(r"(\d+)\\degree(\d+)'(?:(\d+)'')?")
EMPTY_END = " .,;:"


def read_latex(text: str) -> Value:
    """The value of a LaTeX text.

    Raises:
        UnreadableError: it is empty or no rule reads it.
    """
    tokens = clean_latex(text)
    if not is_balanced(tokens):
        raise UnreadableError("braces do not match")
    return read_tokens(join_signs(tokens))


def read_alternatives(text: str) -> tuple[Value, ...]:
    r"""The value of a LaTeX text; with the label of an option before it (`\text{(D)} 35`), both.

    Raises:
        UnreadableError: it is empty or no rule reads it.
    """
    tokens = trim_tokens(clean_latex(text))
    label = unwrap_text(tokens[0]).strip(" ().:") if tokens and is_text(tokens[0]) else ""
    rest = trim_tokens(tokens[1:], " .:)")
    if len(label) == 1 and label.isupper() and rest and rest[0] not in SIGNS | {"+", "-", "(", "'"}:
        return read_tokens(join_signs(rest)), read_scalar([label])
    return (read_latex(text),)


def join_signs(tokens: Sequence[str]) -> Tokens:
    """Tokens with `<=`, `>=` and `!=` as one sign each."""
    out: Tokens = []
    for token in tokens:
        pair = (out[-1], token) if out else ("", token)
        if pair in COMPOUND_SIGNS:
            out[-1] = COMPOUND_SIGNS[pair]
        elif pair == ("\\not", "="):
            out[-1] = "\\ne"
        elif pair == ("\\not", "\\in"):
            out[-1] = "\\notin"
        else:
            out.append(token)
    return out


def read_tokens(tokens: Sequence[str]) -> Value:
    """The value of canonical tokens, whatever kind it is."""
    tokens = turn_brackets(phrases.drop_fillers(trim_tokens(tokens, EMPTY_END)))
    while is_enclosed(tokens, "{", "}"):
        tokens = trim_tokens(tokens[1:-1], EMPTY_END)
    if not tokens:
        raise UnreadableError("empty")
    tokens = phrases.cut_leading_quantifier(tokens)
    if phrases.has_only_words(tokens):
        return read_words(tokens)
    quantities = read_quantities(tokens)
    if quantities:
        return quantities
    tokens, condition = phrases.cut_condition(tokens)
    value = read_list(tokens)
    return Qualified(value, condition) if condition else value


def turn_brackets(tokens: Sequence[str]) -> Tokens:
    """Tokens with round brackets for square ones that are turned outwards: `]0, 1[`."""
    tokens = list(tokens)
    if {",", ";"} & set(tokens):
        tokens[0] = "(" if tokens[0] == "]" else tokens[0]
        tokens[-1] = ")" if tokens[-1] == "[" else tokens[-1]
    return tokens


def read_words(tokens: Sequence[str]) -> Value:
    """Text: a letter or a word as it is, a list joined by "and" and "or"."""
    parts = split_members(tokens)
    if len(parts) > 1:
        return Items(tuple(read_tokens(part) for part in parts), "list")
    words = phrases.write_sentence(tokens)
    if not words:
        raise UnreadableError("empty")
    content = "".join(unwrap_text(t) for t in tokens if is_text(t)).strip(" ().")
    if len(content) == 1 and content.isalpha():
        return read_scalar([content])
    number = load_vocabulary().number_words.get(words)
    return read_scalar(list(str(number))) if number else Words(words)


def split_members(tokens: Sequence[str]) -> list[Tokens]:
    """Parts of a list, between commas, semicolons and the words "and" and "or"."""
    marked: Tokens = []
    for token in tokens:
        content = unwrap_text(token).strip(" ,") if is_text(token) else ""
        if content.lower() in load_vocabulary().conjunctions:
            marked.append(",")
        elif is_text(token) and re.search(r"\b(?:and|or)$|^(?:and|or)\b", content):
            words = re.sub(r"\b(?:and|or)$|^(?:and|or)\b", "", content).strip(" ,")
            inside = [f"\\text{{{words}}}"] if words else []
            marked += [",", *inside] if re.match(r"(?:and|or)\b", content) else [*inside, ","]
        else:
            marked.append(token)
    parts, _ = split_tokens(marked, {",", ";"})
    return [part for part in parts if trim_tokens(part, EMPTY_END)]


def read_quantities(tokens: Sequence[str]) -> Value | None:
    """Several numbers with units, None for anything else."""
    angle = ANGLE.fullmatch(phrases.write_math(tokens))
    if angle:
        parts = [make_scalar(read_number(part)) for part in angle.groups() if part]  # type: ignore[arg-type]
        return Quantities(tuple(parts), ("degree", "arcminute", "arcsecond")[: len(parts)])
    found = phrases.split_quantities(tokens)
    numbers = [read_number(phrases.write_math(number)) for number, _ in found]
    if not found or not all(numbers):
        return None
    units = tuple(phrases.tidy_words(words) for _, words in found)
    if any(load_vocabulary().predicates.match(u) and not find_unit(u) for u in units):
        return None
    scalars = tuple(make_scalar(number) for number in numbers if number)
    return Quantities(scalars, units)


def read_list(tokens: Sequence[str]) -> Value:
    """A list of values, or what is no list."""
    parts = split_members(join_thousands(tokens))
    if len(parts) < 2:
        return read_relation(parts[0] if parts else tokens)
    if any(trim_tokens(part) == ["\\ldots"] for part in parts):
        return Verbatim(show_tokens(tokens))
    semicolons, _ = split_tokens(tokens, {";"})
    groups = [group for group in semicolons if trim_tokens(group)]
    if len(groups) > 1 and any(len(split_members(group)) > 1 for group in groups):
        return Items(tuple(read_group(group) for group in groups), "list")
    members = [part for part in parts if not is_letter_range(part)] or parts
    values = tuple(member for part in members for member in list_members(read_tokens(part)))
    return values[0] if len(values) == 1 else Items(drop_shared_name(values), "list")


def read_group(tokens: Sequence[str]) -> Value:
    """Values that belong together, as `p=5, q=2` between semicolons."""
    value = read_tokens(tokens)
    return Items(value.members, "tuple") if isinstance(value, Items) else value


def is_letter_range(part: Sequence[str]) -> bool:
    r"""Whether it only says what a letter runs over: `k \in \mathbb{Z}`."""
    sides, signs = split_tokens(part, {"\\in"})
    return bool(signs) and trim_tokens(sides[-1])[:1] == ["\\mathbb"]


def list_members(value: Value) -> tuple[Value, ...]:
    r"""The members that a list takes in from one of its parts, such as `\pm 1`."""
    return value.members if isinstance(value, Items) and value.kind == "list" else (value,)


def drop_shared_name(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Values of a list `n = 1, 2, 3`: the name counts for each, so it is left out for all."""
    first, *others = values
    named = isinstance(first, Relation) and first.signs == ("=",)
    if named and not any(isinstance(value, Relation) for value in others):
        return (first.sides[-1], *others) if isinstance(first, Relation) else values
    return values


def join_thousands(tokens: Sequence[str]) -> Tokens:
    """Tokens without the commas between groups of three digits; in brackets commas part members."""
    out: Tokens = []
    run: Tokens = []
    outside = set(iterate_top_level(tokens))
    for index, token in enumerate([*tokens, ""]):
        if index in outside and (token.isdigit() or token == ","):
            run.append(token)
            continue
        text = "".join(run)
        tail = "," * (len(text) - len(text.rstrip(",")))
        if GROUPED_RUN.fullmatch(text.rstrip(",")):
            run = [*text.replace(",", ""), *tail]
        out += [*run, token]
        run = []
    return out[:-1]


def read_relation(tokens: Sequence[str]) -> Value:
    """A chain of equations, inequalities or memberships, or what is none."""
    sides, signs = split_tokens(tokens, SIGNS)
    if not signs:
        return read_term(tokens)
    if signs[-1] == "\\implies":
        return read_tokens(sides[-1])
    if "\\to" in signs or not all(trim_tokens(side) for side in sides[1:]):
        raise UnreadableError("not readable as LaTeX")
    if not trim_tokens(sides[0]):
        return read_tokens(sides[-1])
    text = show_tokens(tokens)
    return Relation(tuple(read_side(side) for side in sides), tuple(signs), text)


def read_side(tokens: Sequence[str]) -> Value:
    """One side of a relation; dots in it leave it as it is written."""
    return Verbatim(show_tokens(tokens)) if "\\ldots" in tokens else read_term(tokens)


def read_term(tokens: Sequence[str]) -> Value:
    """A set, tuple, matrix, ratio, or expression."""
    tokens = phrases.drop_fillers(trim_tokens(tokens, EMPTY_END))
    while is_enclosed(tokens, "{", "}"):
        tokens = trim_tokens(tokens[1:-1], EMPTY_END)
    if not tokens:
        raise UnreadableError("empty")
    if phrases.has_only_words(tokens):
        return read_words(tokens)
    if any(token in PLUS_MINUS for token in tokens):
        return read_plus_minus(tokens)
    value = brackets.read_brackets(tokens, read_tokens)
    return value or read_ratio(tokens) or read_scalar(tokens)


def read_plus_minus(tokens: Sequence[str]) -> Value:
    """Both values of an expression with plus-minus signs."""
    versions = [[PLUS_MINUS.get(t, (t, t))[side] for t in tokens] for side in (0, 1)]
    members = [list_members(read_tokens(version)) for version in versions]
    if isinstance(read_tokens(versions[0]), Items):
        flat = tuple(dict.fromkeys(value for part in members for value in part))
        return Items(flat, "list")
    return Items((members[0][0], members[1][0]), "list")


def read_ratio(tokens: Sequence[str]) -> Value | None:
    """A time or a ratio, None without a colon."""
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
        return Verbatim(show_tokens(tokens))
    return Ratio(tuple(read_scalar(part) for part in parts))


def read_scalar(tokens: Sequence[str]) -> Value:
    """A number or an expression, with what belongs to it: unit, per cent, base."""
    tokens = trim_tokens(tokens, EMPTY_END)
    text = phrases.write_math(tokens)
    number = read_number(text) or read_number_in_base(BROKEN_NUMBER.sub("", text))
    if number:
        return make_scalar(number) if isinstance(number, Number) else number
    special = phrases.find_base(text) or phrases.find_remainder(text)
    if special:
        return read_scalar(list(special)) if "_" in special else Words(special)
    core, unit = phrases.cut_unit(tokens)
    if unit:
        return read_quantity(core, unit, phrases.find_exponent(tokens))
    percent = tokens[-1:] == ["\\%"]
    core = trim_tokens(tokens[:-1]) if percent else drop_degree(tokens)
    if len(core) < len(tokens):
        value = read_term(core)
        return make_percent(value) if percent else value
    if any(is_text(t) and len(unwrap_text(t).strip(" ().")) > 1 for t in tokens):
        return Words(phrases.write_sentence(tokens))
    if has_numbers_side_by_side(BROKEN_NUMBER.sub("", text)):
        raise UnreadableError("two numbers side by side")
    return read_expression(tokens, text)


def read_expression(tokens: Sequence[str], text: str) -> Value:
    """An expression that the engine parses; a matrix where the result is one."""
    try:
        expression = parse_expression(join_digits(tokens))
    except UnevaluatedError as error:
        return Verbatim(str(error))
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


def join_digits(tokens: Sequence[str]) -> Tokens:
    """Tokens without blanks between digits, where groups of thousands stand in an expression."""
    out = [t for i, t in enumerate(tokens) if t != " " or not is_digit_gap(tokens, i)]
    return list(out)


def is_digit_gap(tokens: Sequence[str], index: int) -> bool:
    """Whether the blank at an index stands between two digits."""
    around = tokens[max(index - 1, 0) : index] + list(tokens[index + 1 : index + 2])
    return len(around) == 2 and all(token.isdigit() for token in around)


def drop_degree(tokens: Sequence[str]) -> Tokens:
    """Tokens without a last sign of degrees, which a value in degrees may leave out."""
    inside = TRIGONOMETRY & set(tokens)  # there degrees are converted, not dropped
    last = tokens[-1] == "\\degree" and len(tokens) > 1
    return trim_tokens(tokens[:-1]) if last and not inside else list(tokens)


def read_quantity(core: Sequence[str], unit: str, exponent: int) -> Value:
    """A value with its unit; other words are left out, per cent and words of multitude count."""
    value = read_term(core)
    words = unit.lower().strip(" .").split()
    vocabulary = load_vocabulary()
    if unit.lower().strip(" .") in vocabulary.percent_words or words[:1] == ["percent"]:
        return make_percent(value)
    factor = vocabulary.multipliers.get(words[0], 1) if words else 1
    if factor != 1 and isinstance(value, Scalar):
        return Scalar(
            multiply_expression(value.expression, factor), value.text + words[0], value.decimal
        )
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
    if isinstance(value, Items):
        return Items(tuple(make_percent(member) for member in value.members), value.kind)
    return value


def make_scalar(number: Number) -> Scalar:
    """A plain number as a scalar."""
    import sympy

    value = sympy.Rational(number.value.numerator, number.value.denominator)
    return Scalar(value, number.text or str(value), number.decimal)
