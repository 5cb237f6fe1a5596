"""The parts of a list: where it is split, and what its parts share."""

import re
from collections.abc import Sequence

from retu.grading.reading.tex_tokens import (
    PUNCTUATION,
    LatexTokens,
    is_text,
    iterate_top_level,
    make_text,
    split_tokens,
    trim_tokens,
    unwrap_text,
)
from retu.grading.reading.values import Relation, Value
from retu.grading.reading.vocabulary import load_vocabulary

GROUPED_RUN = re.compile(r"\d{1,3}(?:,\d{3})+")
OUTER_CONJUNCTION = re.compile(r"\b(?:and|or)$|^(?:and|or)\b")


def split_members(tokens: Sequence[str]) -> list[LatexTokens]:
    """Parts of a list, between commas, semicolons and the words "and" and "or"."""
    marked: LatexTokens = []
    for token in tokens:
        content = unwrap_text(token).strip(" ,") if is_text(token) else ""
        if content.lower() in load_vocabulary().conjunctions:
            marked.append(",")
        elif OUTER_CONJUNCTION.search(content):
            words = OUTER_CONJUNCTION.sub("", content).strip(" ,")
            inside = [make_text(words)] if words else []
            marked += [",", *inside] if re.match(r"(?:and|or)\b", content) else [*inside, ","]
        else:
            marked.append(token)
    parts, _ = split_tokens(marked, {",", ";"})
    return [part for part in parts if trim_tokens(part, PUNCTUATION)]


def is_letter_range(part: Sequence[str]) -> bool:
    r"""Whether it only says what a letter runs over: `k \in \mathbb{Z}`."""
    sides, signs = split_tokens(part, {"\\in"})
    return bool(signs) and trim_tokens(sides[-1])[:1] == ["\\mathbb"]


def drop_shared_name(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Values of a list `n = 1, 2, 3`: the name counts for each, so it is left out for all."""
    first, *others = values
    if not isinstance(first, Relation) or first.signs != ("=",):
        return values
    alone = not any(isinstance(value, Relation) for value in others)
    return (first.sides[-1], *others) if alone else values


def join_thousands(tokens: Sequence[str]) -> LatexTokens:
    """Tokens without the commas between groups of three digits; in brackets commas part members."""
    out: LatexTokens = []
    run: LatexTokens = []
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
