"""Rewriting canonical tokens so that the engine does not misread them.

The engine drops primes and degrees, takes `3(4)` for a mixed number and `d x` for a differential.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from retu.grading.reading.numbers import REPEATING, read_repeating
from retu.grading.reading.tex_tokens import (
    LatexTokens,
    find_closer,
    is_text,
    render_tokens,
    take_argument,
    unwrap_text,
)
from retu.grading.reading.unreadable import UnreadableError

TRIGONOMETRY = {"\\sin", "\\cos", "\\tan", "\\cot", "\\sec", "\\csc", "\\cis"}
SEVERAL_ARGUMENTS = {"\\max", "\\min", "\\gcd", "\\lcm"}
NUMBER_IN_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\\%")
CHOICES = re.compile(
    r"(?<![A-Za-z\\])C(?:_\{(\d{1,4})\}\^\{(\d{1,4})\}|\^\{(\d{1,4})\}_\{(\d{1,4})\})"
)
PRIME_INDEX = "_{p%d}"


def write_engine_latex(tokens: Sequence[str]) -> str:
    """Tokens as LaTeX that the engine reads as it is meant.

    Raises:
        UnreadableError: two numbers stand side by side.
    """
    tokens = convert_degrees(mark_products(write_out_cis(tokens)))
    text = render_tokens(separate_differentials(name_primes(tokens)))
    text = CHOICES.sub(write_binomial, text)
    text = text if "\\begin" in text else text.replace("^{T}", "^{(T)}")  # not transposed
    return NUMBER_IN_PERCENT.sub(r"\\frac{\1}{100}", REPEATING.sub(write_repeating_decimal, text))


def spell_letters(tokens: Sequence[str]) -> LatexTokens:
    r"""Tokens with `\text{x}` as the letter x; other text is no expression."""
    out: LatexTokens = []
    for token in tokens:
        content = unwrap_text(token).strip(" ().") if is_text(token) else ""
        if is_text(token) and not (len(content) == 1 and content.isalpha()):
            raise UnreadableError("words in an expression")
        out.append(content if is_text(token) else token)
    return out


def replace_set_braces(tokens: Sequence[str]) -> LatexTokens:
    r"""Tokens with round brackets for the braces of `\max\{a, b\}`."""
    out = list(tokens)
    for index, token in enumerate(out[:-1]):
        if token in SEVERAL_ARGUMENTS and out[index + 1] == "\\{":
            close = find_closer(out, index + 1, "\\{", "\\}")
            if close > 0:
                out[index + 1], out[close] = "(", ")"
    return out


def convert_degrees(tokens: Sequence[str]) -> LatexTokens:
    """Degrees inside trigonometric functions in radians; elsewhere the sign is dropped."""
    out: LatexTokens = []
    until = -1
    for index, token in enumerate(tokens):
        if token in TRIGONOMETRY:
            until = max(until, find_argument_end(tokens, index))
        if token != "\\degree":
            out.append(token)
        elif index < until:
            start = len(out)
            while start and (out[start - 1].isdigit() or out[start - 1] == "."):
                start -= 1
            if start == len(out):
                start -= 1
            out[start:] = ["(", "\\frac", "{", *out[start:], "\\pi", "}", *"{180}", ")"]
    return out


def write_out_cis(tokens: Sequence[str]) -> LatexTokens:
    r"""Tokens with `\cos x + i \sin x` for `\cis x`, which the engine does not know."""
    if "\\cis" not in tokens:
        return list(tokens)
    index = list(tokens).index("\\cis")
    end = find_argument_end(tokens, index)
    angle = ["(", *tokens[index + 1 : end], ")"]
    polar = ["(", "\\cos", *angle, "+", "i", "\\cdot", "\\sin", *angle, ")"]
    return [*tokens[:index], *polar, *write_out_cis(tokens[end:])]


def find_argument_end(tokens: Sequence[str], index: int) -> int:
    """Index after the argument of the function at `index`: its bracket, or what a sum would end."""
    start = index + 1
    while start < len(tokens) and (tokens[start] == " " or tokens[start] == "^"):
        start = take_argument(tokens, start + 1)[1] if tokens[start] == "^" else start + 1
    if start < len(tokens) and tokens[start] in {"(", "{"}:
        return take_argument(tokens, start)[1]
    end = start
    while end < len(tokens) and tokens[end] not in {"+", "-", "=", ")", "}", *TRIGONOMETRY}:
        end = take_argument(tokens, end)[1] if tokens[end] in {"(", "{"} else end + 1
    return end


def mark_products(tokens: Sequence[str]) -> LatexTokens:
    """Tokens with a dot between a number or bracket and a round bracket behind it.

    The engine takes `3(4)` for a mixed number. Square brackets and braces are no product.
    """
    solid = [token for token in tokens if token != " "]
    out: LatexTokens = []
    for before, token in zip(["", *solid], solid, strict=False):
        if before == ")" or (before.isdigit() and not is_index_digit(out)):
            if token == "(":
                out.append("\\cdot")
            elif token in {"[", "\\{"}:
                raise UnreadableError("two numbers side by side")
        out.append(token)
    return out


def is_index_digit(tokens: Sequence[str]) -> bool:
    """Whether the digits at the end of the tokens are an index without braces."""
    index = len(tokens)
    while index and tokens[index - 1].isdigit():
        index -= 1
    return index > 0 and tokens[index - 1] == "_"


def name_primes(tokens: Sequence[str]) -> LatexTokens:
    """Tokens with primes as an index of the letter, which the engine would drop."""
    out: LatexTokens = []
    count = 0
    for token in [*tokens, ""]:
        if token == "'":
            count += 1
            continue
        if count and out:
            out += list(PRIME_INDEX % count)
        count = 0
        out.append(token)
    return out[:-1]


def separate_differentials(tokens: Sequence[str]) -> LatexTokens:
    """Tokens with a dot between the letter d and the next letter, unless something integrates."""
    if "\\int" in tokens:
        return list(tokens)
    out: LatexTokens = []
    solid = [token for token in tokens if token != " "]
    for token, following in zip(solid, [*solid[1:], ""], strict=True):
        out.append(token)
        if token == "d" and (
            following.isalpha() or (following.startswith("\\") and len(following) > 2)
        ):
            out.append("\\cdot")
    return out


def write_repeating_decimal(found: re.Match[str]) -> str:
    """A repeating decimal inside an expression as a fraction."""
    number = read_repeating(found[0])
    return write_fraction(number.value) if number else found[0]


def write_binomial(found: re.Match[str]) -> str:
    """A number of choices `C_8^3` as a binomial; with the larger number above it is none."""
    number, chosen = found[1] or found[4], found[2] or found[3]
    return rf"\binom{{{number}}}{{{chosen}}}" if int(number) >= int(chosen) else found[0]


def write_fraction(value: Fraction) -> str:
    """A fraction as LaTeX."""
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
