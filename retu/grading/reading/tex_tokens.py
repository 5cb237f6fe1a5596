r"""TeX as a list of tokens: commands, characters, blanks; and the argument that a command takes.

A token is a string: a command with its backslash (`\frac`), an escaped sign (`\{`), one character,
a blank (" "), or a whole `\text{...}` group, which mathematics does not look into. TeX takes one
token for an argument without braces: `\frac12` is one half, `\sqrt2` the root of two.
"""

import re
from collections.abc import Iterator, Sequence

TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|.", re.DOTALL)
TEXT = "\\text{"
OPENERS = {"{", "(", "[", "\\{", "\\langle", "\\lfloor", "\\lceil", "\\lVert", "\\begin"}
CLOSERS = {"}", ")", "]", "\\}", "\\rangle", "\\rfloor", "\\rceil", "\\rVert", "\\end"}
# How many arguments a command takes.
ARITY = {"\\frac": 2, "\\binom": 2, "\\sqrt": 1, "\\overline": 1, "\\hat": 1, "\\vec": 1}
ARITY |= {"\\tilde": 1, "\\dot": 1, "\\mathbb": 1, "\\mathcal": 1, "\\widehat": 1, "\\pmod": 1}
ARITY |= {"\\overrightarrow": 1, "\\mathbf": 1, "\\widetilde": 1, "\\overarc": 1, "\\mathscr": 1}
# What means nothing at the ends of a value.
PUNCTUATION = " .,;:"
LatexTokens = list[str]


def tokenize(text: str) -> LatexTokens:
    """The tokens of a text, blanks of any length as one."""
    return [" " if found.isspace() else found for found in TOKEN.findall(text)]


def render_tokens(tokens: Sequence[str]) -> str:
    """Tokens as LaTeX: a blank only where a command would run into a letter."""
    parts: list[str] = []
    for token in tokens:
        if token == " ":
            continue
        if parts and token[0].isalpha() and re.search(r"\\[a-zA-Z]+$", parts[-1]):
            parts.append(" ")
        parts.append(token)
    return "".join(parts)


def skip_blanks(tokens: Sequence[str], start: int) -> int:
    """Index of the first token from `start` that is no blank."""
    while start < len(tokens) and tokens[start] == " ":
        start += 1
    return start


def find_closer(tokens: Sequence[str], start: int, opener: str = "{", closer: str = "}") -> int:
    """Index of the token that closes the group opening at `start`, -1 if none does."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += (tokens[index] == opener) - (tokens[index] == closer)
        if depth == 0:
            return index
    return -1


def take_argument(tokens: Sequence[str], start: int) -> tuple[LatexTokens, int]:
    r"""The argument that begins at `start`, without its braces, and the index after it.

    Braces hold it; without them it is one token, a command with its own arguments, or (as people
    write it) a bracket `(...)`.
    """
    start = skip_blanks(tokens, start)
    if start >= len(tokens):
        return [], start
    first = tokens[start]
    for opener, closer in (("{", "}"), ("(", ")")):
        if first == opener:
            close = find_closer(tokens, start, opener, closer)
            if close < 0:
                return list(tokens[start + 1 :]), len(tokens)
            inside = list(tokens[start + 1 : close])
            return (inside if opener == "{" else ["(", *inside, ")"]), close + 1
    end = start + 1
    for _ in range(ARITY.get(first, 0)):
        end = skip_optional_argument(tokens, end)
        _, end = take_argument(tokens, end)
    return list(tokens[start:end]), end


def skip_optional_argument(tokens: Sequence[str], start: int) -> int:
    """Index after an optional argument `[...]` at `start`, or `start` without one."""
    begin = skip_blanks(tokens, start)
    if begin < len(tokens) and tokens[begin] == "[":
        close = find_closer(tokens, begin, "[", "]")
        return close + 1 if close >= 0 else start
    return start


def iterate_top_level(tokens: Sequence[str]) -> Iterator[int]:
    """Indices of the tokens that stand in no bracket."""
    depth = 0
    for index, token in enumerate(tokens):
        if token in CLOSERS:
            depth -= 1
        elif token in OPENERS:
            depth += 1
        elif depth == 0:
            yield index


def split_tokens(
    tokens: Sequence[str], separators: set[str]
) -> tuple[list[LatexTokens], LatexTokens]:
    """The parts between top-level separators, and the separators."""
    cuts = [index for index in iterate_top_level(tokens) if tokens[index] in separators]
    starts, ends = [0, *(cut + 1 for cut in cuts)], [*cuts, len(tokens)]
    return (
        [list(tokens[start:end]) for start, end in zip(starts, ends, strict=True)],
        [tokens[cut] for cut in cuts],
    )


def trim_tokens(tokens: Sequence[str], ends: str = " ") -> LatexTokens:
    """Tokens without outer blanks and without outer tokens of `ends`."""
    start, end = 0, len(tokens)
    while start < end and tokens[start] in ends and not is_decimal_point(tokens, start):
        start += 1
    while end > start and tokens[end - 1] in ends:
        end -= 1
    return list(tokens[start:end])


def is_decimal_point(tokens: Sequence[str], start: int) -> bool:
    """Whether the point at `start` begins a decimal such as `.5`."""
    following = tokens[start + 1 : start + 2]
    return tokens[start] == "." and bool(following) and following[0].isdigit()


def is_enclosed(tokens: Sequence[str], opener: str, closer: str) -> bool:
    """Whether one pair of brackets encloses all tokens."""
    return (
        len(tokens) > 1
        and tokens[0] == opener
        and find_closer(tokens, 0, opener, closer) == len(tokens) - 1
    )


def is_text(token: str) -> bool:
    r"""Whether a token is a `\text{...}` group."""
    return token.startswith(TEXT)


def unwrap_text(token: str) -> str:
    r"""What a `\text{...}` token holds."""
    return token[len(TEXT) : -1]


def make_text(content: str) -> str:
    r"""A `\text{...}` token."""
    return f"{TEXT}{content}}}"


def is_balanced(tokens: Sequence[str]) -> bool:
    """Whether every brace closes what it should."""
    depth = 0
    for token in tokens:
        depth += (token == "{") - (token == "}")
        if depth < 0:
            return False
    return depth == 0
