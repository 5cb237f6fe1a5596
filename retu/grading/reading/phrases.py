"""Words in answers: units and conditions around a value, sentences, lists joined by words."""

import itertools
import re
from collections.abc import Sequence

from retu.grading.reading.tex_tokens import (
    LatexTokens,
    find_closer,
    is_text,
    iterate_top_level,
    render_tokens,
    trim_tokens,
    unwrap_text,
)
from retu.grading.reading.vocabulary import load_vocabulary

ARTICLES = re.compile(r"\b(?:the|a|an|is|are)\b")
NOT_WORDS = re.compile(r"[^\w\s+\-*/=<>^.%]|(?<!\d)\.|\.(?!\d)|_")
MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
DATE = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({MONTHS})\b")
BASE_WORDS = re.compile(r"([-+]?[0-9A-Z]+)\(?\\text\{[\s(]*(?:in)?base-?(\w*)[\s)]*\}(\d*)\)?")
REMAINDER = re.compile(r"(\d+)\\text\{(?:[rR]|remainder)\}(\d+)")
OHM = "\N{GREEK CAPITAL LETTER OMEGA}"
NAMING_END = re.compile(r"\w (?:is|are|equals)$")
UNIT_SIGNS = {"/", "\\cdot", " ", "\\Omega", "^", "{", "}", "-", *"0123456789"}
MODULUS_COMMANDS = {"\\pmod", "\\bmod", "\\mod"}
UNIVERSAL_SIGNS = {"\\forall"}


def tidy_words(text: str) -> str:
    """Words for comparison: small letters, no punctuation, no articles, single blanks."""
    text = NOT_WORDS.sub(" ", text.lower().replace("\\", " "))
    text = DATE.sub(r"\2 \1", re.sub(r"\bremainder\b", "r", text))
    return " ".join(ARTICLES.sub(" ", text).split())


def write_sentence(tokens: Sequence[str]) -> str:
    """A sentence with mathematics in it, tidied for comparison."""
    parts = [f" {unwrap_text(t)} " if is_text(t) else t for t in tokens]
    text = "".join(f" {p}" if p.startswith("\\") else p for p in parts)
    return tidy_words(text)


def has_only_words(tokens: Sequence[str]) -> bool:
    """Whether nothing but text stands there."""
    solid = [token for token in tokens if token != " "]
    return bool(solid) and all(is_text(t) or t in {"-", "'", ".", ":", ","} for t in solid)


def drop_fillers(tokens: Sequence[str]) -> LatexTokens:
    """Tokens without leading words that only announce an answer."""
    tokens = trim_tokens(tokens)
    fillers = load_vocabulary().fillers
    while len(tokens) > 1 and is_text(tokens[0]):
        rest = trim_tokens(tokens[1:], " :")
        words = unwrap_text(tokens[0]).strip().lower().rstrip(":").strip()
        if not rest or not (words in fillers or announces_value(words, rest)):
            break
        tokens = rest
    return list(tokens)


def announces_value(words: str, rest: Sequence[str]) -> bool:
    """Whether words say what the number behind them is: `The maximum is` 9."""
    number = any(token.isdigit() for token in rest)
    return bool(NAMING_END.search(words)) and number and not any(map(is_text, rest))


def cut_condition(tokens: Sequence[str]) -> tuple[LatexTokens, str]:
    """The value's tokens and the condition that follows it in words, tidied.

    The condition is "" for none, and for one that holds without limits: that may be left out.
    """
    vocabulary = load_vocabulary()
    for index in iterate_top_level(tokens):
        token = tokens[index]
        if index == 0 or not (is_text(token) or token in MODULUS_COMMANDS | UNIVERSAL_SIGNS):
            continue
        value = trim_tokens(tokens[:index], " ,(")
        if token in MODULUS_COMMANDS:
            return value, "mod " + write_math(tokens[index + 1 :]).strip("{}()")
        if token in UNIVERSAL_SIGNS and trim_tokens(tokens[:index], " ,"):
            return value, ""
        if not (is_text(token) and value):
            continue
        words = " ".join(unwrap_text(t) for t in tokens[index:] if is_text(t))
        if vocabulary.universal.match(words):
            return value, ""
        if vocabulary.conditional.match(unwrap_text(token)):
            return value, write_sentence(tokens[index:])
    return list(tokens), ""


def cut_leading_quantifier(tokens: Sequence[str]) -> LatexTokens:
    r"""Tokens without a leading `\forall x > 0,`."""
    solid = trim_tokens(tokens)
    if solid and solid[0] in UNIVERSAL_SIGNS:
        commas = [index for index in iterate_top_level(solid) if solid[index] in {",", ":"}]
        if commas:
            return trim_tokens(solid[commas[0] + 1 :])
    return list(tokens)


def cut_unit(tokens: Sequence[str]) -> tuple[LatexTokens, str]:
    r"""The tokens before a last unit, and the unit's words ("" for none).

    A unit is text, text with an exponent, or several of them with strokes: `\text{km}/\text{h}`.
    """
    tokens = trim_tokens(tokens)
    texts = [index for index in iterate_top_level(tokens) if is_text(tokens[index])]
    if not texts or texts[0] == 0:
        return tokens, ""
    first = texts[0]
    tail = [t for t in tokens[first:] if not is_text(t)]
    if has_bare_digit(tokens[first:]):
        return tokens, ""
    if any(t not in UNIT_SIGNS and not (len(t) == 1 and t.isalpha()) for t in tail):
        return tokens, ""
    words = " ".join(unwrap_text(t) for t in tokens[first:] if is_text(t)).strip()
    vocabulary = load_vocabulary()
    adjective = vocabulary.adjectives.match(words) and not any(t.isdigit() for t in tokens[:first])
    if vocabulary.predicates.match(words) or adjective:
        return tokens, ""
    core = trim_tokens(tokens[:first], " -/")
    if core[-1:] == ["\\mu"] and len(core) > 1 and words[:1].islower():
        return trim_tokens(core[:-1]), f"\N{GREEK SMALL LETTER MU}{words}"
    return core, words + OHM * ("\\Omega" in tail)


def has_bare_digit(tokens: Sequence[str]) -> bool:
    """Whether a digit stands among the tokens of a unit that is no exponent."""
    depth = 0
    for token in tokens:
        depth += (token == "{") - (token == "}")
        if token.isdigit() and depth == 0:
            return True
    return False


def find_exponent(tokens: Sequence[str]) -> int:
    r"""The exponent of a last unit, as 2 in `\text{cm}^{2}`; 1 without one."""
    solid = [token for token in tokens if token != " "]
    raised = solid[-4:-2] == ["^", "{"] and solid[-1] == "}" and solid[-2].isdigit()
    return int(solid[-2]) if raised else 1


def find_base(text: str) -> str:
    r"""A number whose base follows in words as one with an index: `332 \text{ (base 4)}`; or ""."""
    found = BASE_WORDS.fullmatch(re.sub(r"\s", "", text))
    base = (found[2] or found[3]) if found else ""
    index = base if base.isdigit() else f"\\text{{{base}}}"
    return f"{found[1]}_{{{index}}}" if found and base else ""


def find_remainder(text: str) -> str:
    """A quotient and its remainder as words, "" for anything else."""
    found = REMAINDER.fullmatch(re.sub(r"\s", "", text))
    return f"{found[1]} r {found[2]}" if found else ""


def split_quantities(tokens: Sequence[str]) -> list[tuple[LatexTokens, str]]:
    """Numbers and the words behind each: `3 hours 20 minutes`; [] for anything else."""
    found: list[tuple[LatexTokens, str]] = []
    number: LatexTokens = []
    for token in trim_tokens(tokens):
        if not is_text(token):
            number.append(token)
            continue
        if not trim_tokens(number):
            return []
        found.append((trim_tokens(number, " ,"), unwrap_text(token).strip(" .,")))
        number = []
    if trim_tokens(number) or len(found) < 2:
        return []
    joined = [re.sub(r"^and\b\s*|\s*\band$", "", words) for _, words in found]
    return [(n, words) for (n, _), words in zip(found, joined, strict=True)]


def cut_unit_letter(tokens: Sequence[str]) -> LatexTokens | None:
    """The tokens before a last letter (or `m/s`) that may be a unit; None without one.

    It may be one after a number and a blank, when it stands nowhere else.
    """
    letters = load_vocabulary().unit_letters
    index = len(tokens)
    while index and (
        tokens[index - 1] in letters or tokens[index - 1] in {"/", "^", "{", "}", "2", "3"}
    ):
        index -= 1
    unit = list(tokens[index:])
    while unit and unit[0] not in letters:
        unit, index = unit[1:], index + 1
    if not unit or index < 2 or tokens[index - 1] != " ":
        return None
    before = trim_tokens(tokens[:index])
    before = trim_tokens(before[:-1]) if before[-1:] == ["\\mu"] else before
    used = {token for token in unit if token.isalpha()}
    ends_number = before and (before[-1].isdigit() or before[-1] in {"}", ")"})
    has_digit = any(token.isdigit() for token in before)
    alone = not used & set(before) and unit.count(unit[0]) == 1
    balanced = unit.count("{") == unit.count("}")
    single = len(unit) == 1 or not any(
        a.isalpha() and b.isalpha() for a, b in itertools.pairwise(unit)
    )
    return before if ends_number and has_digit and alone and balanced and single else None


def find_indices(tokens: Sequence[str]) -> frozenset[str]:
    """Letters that stand in an index or under a sum, as `i` in `x_i`."""
    found: set[str] = set()
    for index, token in enumerate(tokens):
        if token == "_" and tokens[index + 1 : index + 2] == ["{"]:
            close = find_closer(tokens, index + 1)
            found |= {t for t in tokens[index + 1 : close] if len(t) == 1 and t.isalpha()}
    return frozenset(found)


def write_math(tokens: Sequence[str]) -> str:
    """Canonical LaTeX of tokens, blanks kept between digits only."""
    text = "".join(" " if t == " " else t for t in trim_tokens(tokens))
    text = re.sub(r"(?<=\d) (?=[\d.])", "\0", text).replace(" ", "")
    return text.replace("\0", " ") if text else render_tokens(tokens)
