r"""From LaTeX to a value: lists, relations, sets, tuples, matrices, quantities, expressions.

Gold answers and answers of a model are read by the same rules (docs/grading.md lists them).
"""

import re
from collections.abc import Sequence

from retu.grading.reading import brackets, phrases
from retu.grading.reading.canonical_latex import clean_latex, show_tokens
from retu.grading.reading.lists import (
    drop_shared_name,
    is_letter_range,
    join_thousands,
    split_members,
)
from retu.grading.reading.scalar_reader import read_quantities, read_ratio, read_scalar
from retu.grading.reading.tex_tokens import (
    PUNCTUATION,
    LatexTokens,
    is_balanced,
    is_enclosed,
    is_text,
    make_text,
    split_tokens,
    trim_tokens,
    unwrap_text,
)
from retu.grading.reading.unreadable import UnreadableError
from retu.grading.reading.values import (
    QualifiedValue,
    Relation,
    TextValue,
    Value,
    ValueCollection,
    VerbatimLatex,
    list_members,
)
from retu.grading.reading.vocabulary import load_vocabulary

SIGNS = {"=", "<", ">", "\\le", "\\ge", "\\ne", "\\in", "\\notin", "\\approx", "\\equiv", "\\to"}
SIGNS |= {"\\implies", "\\subset", "\\subseteq", "\\cong", "\\propto", "\\perp", "\\parallel"}
COMPOUND_SIGNS = {("<", "="): "\\le", (">", "="): "\\ge", ("!", "="): "\\ne", ("=", "="): "="}
# No group of thousands, and no list of two digits.
DECIMAL_COMMA = re.compile(r"[-+]?(?:\d+,(?:\d{2}|\d{4,})|0,\d{3})")
# What may follow a letter that is no label.
NO_ANSWER = SIGNS | {"+", "-", "(", "'", ",", ";", "_", "^"}
OPTIONS = set("ABCDE")
COMMAND = re.compile(r"\\[a-zA-Z]+")
PLUS_MINUS = {"\\pm": ("+", "-"), "\\mp": ("-", "+")}


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
    r"""The value of a LaTeX text, and what else it may mean.

    The label of an option before it (`\text{(D)} 35`) is an answer, too; `2,74` is a list, and the
    decimal number of those who write a comma.

    Raises:
        UnreadableError: it is empty or no rule reads it.
    """
    tokens = mark_label(trim_tokens(clean_latex(text)))
    label = unwrap_text(tokens[0]).strip(" ().:") if tokens and is_text(tokens[0]) else ""
    rest = trim_tokens(tokens[1:], " .:)")
    if len(label) == 1 and label.isupper() and rest and rest[0] not in NO_ANSWER:
        return read_tokens(join_signs(rest)), read_scalar([label], read_term)
    comma = DECIMAL_COMMA.fullmatch(text.strip(" $"))
    return (read_latex(text), *([read_latex(text.replace(",", "."))] if comma else []))


def mark_label(tokens: LatexTokens) -> LatexTokens:
    """Tokens with a label in brackets before a value, `(A) 36`, as text."""
    solid = [*tokens[:3], *trim_tokens(tokens[3:])[:1]]
    if len(solid) == 4 and solid[0] + solid[2] == "()" and solid[1] in OPTIONS:
        value = solid[3].isdigit() or solid[3] in {"\\frac", "\\sqrt"} or is_text(solid[3])
        return [make_text(solid[1]), *tokens[3:]] if value else tokens
    return tokens


def join_signs(tokens: Sequence[str]) -> LatexTokens:
    """Tokens with `<=`, `>=` and `!=` as one sign each."""
    out: LatexTokens = []
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
    tokens = turn_brackets(phrases.drop_fillers(trim_tokens(tokens, PUNCTUATION)))
    while is_enclosed(tokens, "{", "}"):
        tokens = trim_tokens(tokens[1:-1], PUNCTUATION)
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
    return QualifiedValue(value, condition) if condition else value


def turn_brackets(tokens: Sequence[str]) -> LatexTokens:
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
        return ValueCollection(tuple(read_tokens(part) for part in parts), "list")
    content = "".join(unwrap_text(t) for t in tokens if is_text(t)).strip(" ().")
    if len(content) == 1 and content.isalpha():
        return read_scalar([content], read_term)
    words = phrases.write_sentence(tokens)
    if not words:
        raise UnreadableError("empty")
    if words in load_vocabulary().worded_sets:
        return read_tokens(clean_latex(load_vocabulary().worded_sets[words]))
    number = load_vocabulary().number_words.get(words)
    return TextValue(words) if number is None else read_scalar(list(str(number)), read_term)


def read_list(tokens: Sequence[str]) -> Value:
    """A list of values, or what is no list."""
    parts = split_members(join_thousands(tokens))
    if len(parts) < 2:
        return read_relation(parts[0] if parts else tokens)
    if any(trim_tokens(part) == ["\\ldots"] for part in parts):
        return VerbatimLatex(show_tokens(tokens))
    semicolons, _ = split_tokens(tokens, {";"})
    groups = [group for group in semicolons if trim_tokens(group)]
    if len(groups) > 1 and any(len(split_members(group)) > 1 for group in groups):
        return ValueCollection(tuple(read_group(group) for group in groups), "list")
    members = [part for part in parts if not is_letter_range(part)] or parts
    values = tuple(member for part in members for member in list_members(read_tokens(part)))
    return values[0] if len(values) == 1 else ValueCollection(drop_shared_name(values), "list")


def read_group(tokens: Sequence[str]) -> Value:
    """Values that belong together, as `p=5, q=2` between semicolons."""
    value = read_tokens(tokens)
    return ValueCollection(value.members, "tuple") if isinstance(value, ValueCollection) else value


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
    first = read_first_side(sides[0], signs[0])
    return Relation((first, *map(read_side, sides[1:])), tuple(signs), text)


def read_first_side(tokens: Sequence[str], sign: str) -> Value:
    r"""The first side; before an equals sign what no rule reads is a name: `P(A \cup B) = 1/2`."""
    try:
        return read_side(tokens)
    except UnreadableError:
        if sign != "=" or any(token.isdigit() for token in tokens):
            raise
        return TextValue(show_tokens(tokens))


def read_side(tokens: Sequence[str]) -> Value:
    """One side of a relation; dots in it leave it as it is written, a lone command is a name."""
    if "\\ldots" in tokens:
        return VerbatimLatex(show_tokens(tokens))
    try:
        return read_term(tokens)
    except UnreadableError:
        name = "".join(trim_tokens(tokens))
        if not COMMAND.fullmatch(name):
            raise
        return TextValue(name)


def read_term(tokens: Sequence[str]) -> Value:
    """A set, tuple, matrix, ratio, or expression."""
    tokens = phrases.drop_fillers(trim_tokens(tokens, PUNCTUATION))
    while is_enclosed(tokens, "{", "}"):
        tokens = trim_tokens(tokens[1:-1], PUNCTUATION)
    if not tokens:
        raise UnreadableError("empty")
    if phrases.has_only_words(tokens):
        return read_words(tokens)
    if any(token in PLUS_MINUS for token in tokens):
        return read_plus_minus(tokens)
    value = brackets.read_brackets(tokens, read_tokens)
    return value or read_ratio(tokens, read_term) or read_scalar(tokens, read_term)


def read_plus_minus(tokens: Sequence[str]) -> Value:
    """Both values of an expression with plus-minus signs."""
    versions = [[PLUS_MINUS.get(t, (t, t))[side] for t in tokens] for side in (0, 1)]
    members = [list_members(read_tokens(version)) for version in versions]
    if isinstance(read_tokens(versions[0]), ValueCollection):
        flat = tuple(dict.fromkeys(value for part in members for value in part))
        return ValueCollection(flat, "list")
    return ValueCollection((members[0][0], members[1][0]), "list")
