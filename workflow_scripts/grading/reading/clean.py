r"""LaTeX as people write it, as canonical tokens: one name a thing, braces around every argument.

Removed is what only changes the look (sizes, faces, dollar signs). Kept is what means something:
`\text{...}` as one token, blanks between numbers or before a letter, the base of a number.
"""

import itertools
import re
from collections.abc import Sequence

from workflow_scripts.grading.reading.tokens import (
    ARITY,
    Tokens,
    find_closer,
    make_text,
    render_tokens,
    skip_blanks,
    skip_optional_argument,
    take_argument,
    tokenize,
)
from workflow_scripts.grading.reading.vocabulary import load_vocabulary

ELLIPSIS = re.compile(r"\.\s?\.\s?\.+")
FULL_STOP = re.compile(r"(?<=\d)\.(?=\s*(?:$|[^\d\s\\]|\\(?!overline|bar|dot|overset)))")
LETTERS = re.compile(r"(?<![A-Za-z\\])[A-Za-z]+")
E_NOTATION = re.compile(r"(?<![\w.\\])(\d+\.?\d*|\.\d+)\s?[eE]([-+]?\d+)(?![\w.])")
QUAD = re.compile(r"(\\q?quad)(?=[A-Za-z])")
STAR_POWER = re.compile(r"\*\*")
ARRAY = re.compile(r"\\begin\s*\{array\}\s*(?:\{[^{}]*\})?")
SMALL_MATRIX = re.compile(r"\{smallmatrix\}|\{matrix\}|\{array\}")
# Commands whose backslash was escaped once more on the way; but `\\\\` also ends a row.
DOUBLED = re.compile(r"\\\\(?=[A-Za-z])")
ROWS = re.compile(r"matrix|array|cases|align|split|gather")
# The end of a row, also with a distance to the next one: `\\[2pt]`, `\cr`.
ROW_END = re.compile(r"\\\\\s*\[[\d.]+\s*(?:pt|em|ex|mm|cm)\]|\\cr(?![A-Za-z])")
# Dots over the first and the last digit of a repeating part.
DOTTED_ENDS = re.compile(r"\\dot\s*\{?(\d)\}?\s*(\d*)\s*\\dot\s*\{?(\d)\}?")
HALF_OF_DAY = re.compile(r"\d\s*$")
# What an unescaped "\\frac" becomes in many languages: a form feed and the rest.
FORM_FEED_RAC = re.compile(r"\\?\x0crac")
# As text it is a unit, not the least of several numbers.
MINUTE = {"min"}
NUMBER_SIGNS = {"-", "+"}
CANONICAL_SIGNS = {"%": "\\%", "*": "\\cdot"}
DEGREE = (["\\circ"], ["\\degree"], [" ", "\\circ"], ["\\circ", " "])
BRACED_SIGNS = ([":"], ["="], ["<"], [">"], ["+"], ["-"], ["/"])
VOWELS = set("aeiouyAEIOUY")
# Longest run of letters in the order of the alphabet that is read as a product, not as a word.
LONGEST_ORDERED = 5
WORD_LENGTH = 4


def clean_latex(text: str) -> Tokens:
    """Canonical tokens of a LaTeX text."""
    text = FORM_FEED_RAC.sub(r"\\frac", text.translate(load_vocabulary().characters))
    if not ROWS.search(text):
        text = DOUBLED.sub(r"\\", text)
    text = ROW_END.sub(lambda _: r"\\", text)
    text = DOTTED_ENDS.sub(r"\\overline{\1\2\3}", text)
    text = ARRAY.sub(lambda _: r"\begin{matrix}", text)
    text = SMALL_MATRIX.sub(lambda _: "{matrix}", text)
    text = QUAD.sub(r"\1 ", text)
    text = STAR_POWER.sub("^", ELLIPSIS.sub(r" \\ldots ", text))
    text = load_vocabulary().code_modules.sub("", text)
    text = E_NOTATION.sub(r"\1\\cdot 10^{\2}", text)
    return clean_tokens(tokenize(FULL_STOP.sub("", name_letter_runs(text))))


def name_letter_runs(text: str) -> str:
    r"""Runs of letters outside commands: functions of code as commands, words as `\text`."""
    parts: list[str] = []
    end = 0
    tokens = iter(find_protected_spans(text))
    start, stop = next(tokens, (len(text), len(text)))
    for found in LETTERS.finditer(text):
        while found.start() >= stop:
            start, stop = next(tokens, (len(text), len(text)))
        if start <= found.start() < stop:
            continue
        parts += [text[end : found.start()], name_letter_run(found[0], text[: found.start()])]
        end = found.end()
    return "".join([*parts, text[end:]])


def find_protected_spans(text: str) -> list[tuple[int, int]]:
    r"""Spans of the text that hold no mathematics: arguments of faces and of environments."""
    vocabulary = load_vocabulary()
    faces = vocabulary.text_faces | vocabulary.math_faces | {"\\begin", "\\end", "\\mathbb"}
    spans: list[tuple[int, int]] = []
    for found in re.finditer(r"(\\[a-zA-Z]+)\s*\{", text):
        if found[1] in faces:
            depth, index = 1, found.end()
            while index < len(text) and depth:
                depth += (text[index] == "{") - (text[index] == "}")
                index += 1
            if not spans or found.start() >= spans[-1][1]:
                spans.append((found.start(), index))
    return spans


def name_letter_run(run: str, before: str) -> str:
    """A run of letters as what it is: a function, a constant, a unit, a word, or letters."""
    vocabulary = load_vocabulary()
    if run.lower() in {"am", "pm"} and HALF_OF_DAY.search(before):
        return make_text(run.lower())
    if run in vocabulary.functions:
        return f"\\{vocabulary.renamed_functions.get(run, run)} "
    if run in vocabulary.code_constants:
        return f"{vocabulary.code_constants[run]} "
    if run in vocabulary.units and re.search(r"[\d})\]]\s*$|[\d})\]]\s*/\s*$", before):
        return f" {make_text(run)}"
    return make_text(run) if is_word(run) or run in vocabulary.conjunctions else run


def is_word(run: str) -> bool:
    """Whether a run of letters is a word and no product of letters."""
    vocabulary = load_vocabulary()
    if run.lower() in vocabulary.short_words | vocabulary.percent_words and not run.isupper():
        return True
    ordered = all(a < b for a, b in itertools.pairwise(run))
    return (
        len(run) >= WORD_LENGTH
        and not run.isupper()
        and not (ordered and len(run) <= LONGEST_ORDERED)
        and bool(VOWELS & set(run))
        and len(set(run)) > 1
    )


def clean_tokens(tokens: Sequence[str]) -> Tokens:
    """Tokens with one name a thing and braces around every argument."""
    out: Tokens = []
    index = 0
    while index < len(tokens):
        index = clean_token(tokens, index, out)
    return out


def clean_token(tokens: Sequence[str], index: int, out: Tokens) -> int:
    """Append what the token at `index` means; the index after it and its arguments."""
    vocabulary = load_vocabulary()
    token = tokens[index]
    if token in vocabulary.synonyms:
        meant = tokenize(vocabulary.synonyms[token])
        if len(meant) > 1 or meant[0] not in ARITY:
            out += meant
            return index + 1
        token = meant[0]
    if token in vocabulary.dropped:
        after = skip_blanks(tokens, index + 1)
        sized_dot = token in {"\\left", "\\right"} and tokens[after : after + 1] == ["."]
        return after + 1 if sized_dot else index + 1
    if token == "\\!":
        return skip_blanks(tokens, index + 1)
    if token in vocabulary.spaces or token in {"~", "\\,", "\\;", "\\:", "\\ ", "\\>", "\\/"}:
        return clean_space(tokens, index, out)
    if token in {"$", "\\$", "\\(", "\\)", "\\[", "\\]", '"', "\\displaylines"}:
        return index + 1
    return clean_command(tokens, token, index, out)


def clean_space(tokens: Sequence[str], index: int, out: Tokens) -> int:
    r"""A blank for a space of TeX; `\hspace{...}` with its argument."""
    out.append(" ")
    if tokens[index] in {"\\hspace", "\\vspace", "\\mspace"}:
        return take_argument(tokens, index + 1)[1]
    return index + 1


def clean_command(tokens: Sequence[str], token: str, index: int, out: Tokens) -> int:
    """Append a command, a group or a sign that means something."""
    vocabulary = load_vocabulary()
    if token in vocabulary.transparent:
        return clean_wrapper(tokens, token, index, out)
    if token in vocabulary.text_faces | vocabulary.math_faces:
        return clean_face(tokens, token, index, out)
    if token in {"^", "_"}:
        return clean_script(tokens, token, index, out)
    if token in {"\\tag", "\\label"}:
        return take_argument(tokens, index + 1)[1]
    if token in ARITY:
        return clean_arguments(tokens, token, index, out)
    if token == "{" and tokens[index : index + 3] == ["{", ",", "}"]:
        return clean_brace_comma(tokens, index, out)
    sign, closing = tokens[index + 1 : index + 2], tokens[index + 2 : index + 3]
    if token == "{" and sign in BRACED_SIGNS and closing == ["}"]:
        out += sign
        return index + 3
    out.append(CANONICAL_SIGNS.get(token, token))
    return index + 1


def clean_wrapper(tokens: Sequence[str], token: str, index: int, out: Tokens) -> int:
    """What stands in a box, under a line or in a colour."""
    argument, end = take_argument(tokens, index + 1)
    if token in {"\\color", "\\textcolor"}:
        if token == "\\color":
            return end
        argument, end = take_argument(tokens, end)
    out += clean_tokens(argument)
    return end


def clean_arguments(tokens: Sequence[str], token: str, index: int, out: Tokens) -> int:
    """A command with braces around each argument; a bar over digits as one token."""
    end = index + 1
    after = skip_optional_argument(tokens, end) if token == "\\sqrt" else end
    optional = clean_tokens(tokens[skip_blanks(tokens, end) : after]) if after > end else []
    out += [token, *optional]
    end = after
    for _ in range(ARITY[token]):
        argument, end = take_argument(tokens, end)
        inside = clean_tokens(argument)
        if token in {"\\overline", "\\dot"} and inside and all(c.isdigit() for c in inside):
            out[-1] = f"\\overline{{{''.join(inside)}}}"
            return end
        out += ["{", *inside, "}"]
    return end


def clean_script(tokens: Sequence[str], token: str, index: int, out: Tokens) -> int:
    r"""An exponent or index in braces; `^\circ` as degrees, `x^10` and `x^-3` as meant."""
    start = skip_blanks(tokens, index + 1)
    sign = start < len(tokens) and tokens[start] in NUMBER_SIGNS
    stop = start + sign
    while stop < len(tokens) and tokens[stop].isdigit():
        stop += 1
    if token == "^" and stop > start + sign:
        argument, end = list(tokens[start:stop]), stop
    elif sign:
        inside, end = take_argument(tokens, start + 1)
        argument = [tokens[start], *inside]
    else:
        argument, end = take_argument(tokens, start)
    inside = clean_tokens(argument)
    if token == "^" and inside in DEGREE:
        out.append("\\degree")
    elif token == "^" and inside in (["'"], ["\\prime"]):
        out.append("'")
    else:
        out += [token, "{", *inside, "}"]
    return end


def clean_brace_comma(tokens: Sequence[str], index: int, out: Tokens) -> int:
    """A comma in braces: between groups of three digits nothing, else a decimal point."""
    end = index + 3
    run = end
    while run < len(tokens) and tokens[run].isdigit():
        run += 1
    if run - end != 3:
        out.append("." if run > end else ",")
    return end


def clean_face(tokens: Sequence[str], token: str, index: int, out: Tokens) -> int:
    r"""Text as one token; letters and formulas in another face as what they are."""
    vocabulary = load_vocabulary()
    argument, end = take_argument(tokens, index + 1)
    content = "".join(argument)
    name = content.strip()
    if not name or (token == "\\text" and name == "$"):
        out.append(" ")
    elif name in vocabulary.functions and not (token in vocabulary.text_faces and name in MINUTE):
        out.append("\\" + vocabulary.renamed_functions.get(name, name))
    elif name.replace(",", "").replace(".", "").isdigit() or is_formula(name, token):
        out += clean_tokens(tokenize(name)) if token in vocabulary.math_faces else clean_latex(name)
    elif name in {"e", "i"} or (token in vocabulary.math_faces and name == "d"):
        out.append(name)
    elif token == "\\mathbf" and len(name) == 1:
        out += ["\\mathbf", "{", name, "}"]
    else:
        out.append(make_text(content.replace("~", " ").replace("$", "").replace("\\", "")))
    return end


def is_formula(name: str, token: str) -> bool:
    """Whether what stands in a face is mathematics."""
    if token in load_vocabulary().math_faces:
        return bool(re.search(r"[\\^_+=\d]", name)) and not re.fullmatch(r"[A-Za-z/\s.~\\]+", name)
    return bool(re.search(r"[\\^_+=]|\d", name)) and not re.search(r"\d[A-Za-z]", name)


def find_environment_end(tokens: Sequence[str], start: int) -> int:
    r"""Index after the `\end{...}` that closes the `\begin{...}` at `start`, -1 without one."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += (tokens[index] == "\\begin") - (tokens[index] == "\\end")
        if depth == 0:
            close = find_closer(tokens, index + 1)
            return close + 1 if close >= 0 else -1
    return -1


def show_tokens(tokens: Sequence[str]) -> str:
    """Tokens as LaTeX without outer blanks, for comparison and for tables."""
    return render_tokens(tokens).strip()
