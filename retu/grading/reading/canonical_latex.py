r"""LaTeX as people write it, as canonical tokens: one name a thing, braces around every argument.

Removed is what only changes the look (sizes, faces, dollar signs). Kept is what means something:
`\text{...}` as one token, blanks between numbers or before a letter, the base of a number.
"""

import re
from collections.abc import Sequence

from retu.grading.reading.spelling import spell_plainly
from retu.grading.reading.tex_tokens import (
    ARITY,
    LatexTokens,
    find_closer,
    make_text,
    render_tokens,
    skip_blanks,
    skip_optional_argument,
    split_tokens,
    take_argument,
    tokenize,
)
from retu.grading.reading.vocabulary import load_vocabulary

# As text it is a unit, not the least of several numbers.
MINUTE = {"min"}
# Over one letter they say what bold face says: a vector.
VECTOR_MARKS = {"\\vec", "\\hat", "\\widehat", "\\overrightarrow"}
NUMBER_SIGNS = {"-", "+"}
CANONICAL_SIGNS = {"%": "\\%", "*": "\\cdot"}
# What stands between units: a blank, a dot, a stroke; and their exponents.
UNIT_JOINT = re.compile(r"(?:\s|~|\\[,;: ]|\\cdot(?![A-Za-z])|[./])+")
UNIT_EXPONENT = re.compile(r"\s*\^\s*\{?\s*([-+]?)(\d)\s*\}?")
# Labels and names in one text: `I, II and III`, `Alice and Bob`.
LABEL_JOINT = re.compile(r"\s*,?\s*\band\b\s*|\s*,\s*")
LABELS = re.compile(rf"(?:[A-Z][a-z]*|[IVX]+)(?:(?:{LABEL_JOINT.pattern})(?:[A-Z][a-z]*|[IVX]+))+")
INFIX = {"\\choose": "\\binom", "\\over": "\\frac"}
DEGREE = (["\\circ"], ["\\degree"], [" ", "\\circ"], ["\\circ", " "])
BRACED_SIGNS = ([":"], ["="], ["<"], [">"], ["+"], ["-"], ["/"])


def clean_latex(text: str) -> LatexTokens:
    """Canonical tokens of a LaTeX text."""
    return clean_tokens(tokenize(spell_plainly(text)))


def clean_tokens(tokens: Sequence[str]) -> LatexTokens:
    """Tokens with one name a thing and braces around every argument."""
    out: LatexTokens = []
    index = 0
    while index < len(tokens):
        index = clean_token(tokens, index, out)
    return out


def clean_token(tokens: Sequence[str], index: int, out: LatexTokens) -> int:
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


def clean_space(tokens: Sequence[str], index: int, out: LatexTokens) -> int:
    r"""A blank for a space of TeX; `\hspace{...}` with its argument."""
    out.append(" ")
    if tokens[index] in {"\\hspace", "\\vspace", "\\mspace"}:
        return take_argument(tokens, index + 1)[1]
    return index + 1


def clean_command(tokens: Sequence[str], token: str, index: int, out: LatexTokens) -> int:
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
    if token == "{" and INFIX.keys() & set(tokens):
        return clean_group(tokens, index, out)
    if token == "{" and tokens[index : index + 3] == ["{", ",", "}"]:
        return clean_brace_comma(tokens, index, out)
    sign, closing = tokens[index + 1 : index + 2], tokens[index + 2 : index + 3]
    if token == "{" and sign in BRACED_SIGNS and closing == ["}"]:
        out += sign
        return index + 3
    out.append(CANONICAL_SIGNS.get(token, token))
    return index + 1


def clean_group(tokens: Sequence[str], index: int, out: LatexTokens) -> int:
    r"""A group in braces, `{10 \choose 3}` and `{1 \over 2}` as the commands of today."""
    inside, end = take_argument(tokens, index)
    parts, signs = split_tokens(inside, set(INFIX))
    if len(signs) != 1:
        out += ["{", *clean_tokens(inside), "}"]
        return end
    out += [INFIX[signs[0]], *(t for part in parts for t in ("{", *clean_tokens(part), "}"))]
    return end


def clean_wrapper(tokens: Sequence[str], token: str, index: int, out: LatexTokens) -> int:
    """What stands in a box, under a line or in a colour."""
    argument, end = take_argument(tokens, index + 1)
    if token in {"\\color", "\\textcolor"}:
        if token == "\\color":
            return end
        argument, end = take_argument(tokens, end)
    out += clean_tokens(argument)
    return end


def clean_arguments(tokens: Sequence[str], token: str, index: int, out: LatexTokens) -> int:
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
        if token in VECTOR_MARKS and is_vector_letter(inside):
            out[-1:] = ["\\mathbf", "{", next(t for t in inside if t.isalpha()), "}"]
            return end
        out += ["{", *inside, "}"]
    return end


def is_vector_letter(tokens: Sequence[str]) -> bool:
    """Whether an arrow or a hat stands over one letter, bold or not."""
    inside = tokens[2:-1] if list(tokens[:2]) == ["\\mathbf", "{"] else tokens
    return len(inside) == 1 and len(inside[0]) == 1 and inside[0].isalpha()


def clean_script(tokens: Sequence[str], token: str, index: int, out: LatexTokens) -> int:
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


def clean_brace_comma(tokens: Sequence[str], index: int, out: LatexTokens) -> int:
    """A comma in braces: between groups of three digits nothing, else a decimal point."""
    end = index + 3
    run = end
    while run < len(tokens) and tokens[run].isdigit():
        run += 1
    if run - end != 3:
        out.append("." if run > end else ",")
    return end


def clean_face(tokens: Sequence[str], token: str, index: int, out: LatexTokens) -> int:
    r"""Text as one token; letters and formulas in another face as what they are."""
    vocabulary = load_vocabulary()
    argument, end = take_argument(tokens, index + 1)
    content = "".join(argument)
    name = content.strip()
    if not name or (token == "\\text" and name == "$"):
        out.append(" ")
    elif name in vocabulary.functions and not (token in vocabulary.text_faces and name in MINUTE):
        out.append("\\" + vocabulary.renamed_functions.get(name, name))
    elif token in vocabulary.math_faces and "^" in name and is_unit(name) and ends_value(out):
        out += write_unit(name)
    elif name.replace(",", "").replace(".", "").isdigit() or is_formula(name, token):
        out += clean_tokens(tokenize(name)) if token in vocabulary.math_faces else clean_latex(name)
    elif (name in {"e", "i"} and not is_basis_vector(token, name, tokens)) or (
        token in vocabulary.math_faces and name == "d"
    ):
        out.append(name)
    elif is_based_number(name, tokens[end : end + 1]):
        out += list(name)
    elif token == "\\mathbf" and len(name) == 1:
        out += ["\\mathbf", "{", name, "}"]
    elif LABELS.fullmatch(name):
        labels = LABEL_JOINT.split(name)
        out += [token for label in labels for token in (make_text(label), ",")][:-1]
    else:
        out.append(make_text(content.replace("~", " ").replace("$", "").replace("\\", "")))
    return end


def is_based_number(name: str, following: Sequence[str]) -> bool:
    """Whether text holds the digits of a number whose base follows as its index."""
    return list(following) == ["_"] and bool(re.fullmatch(r"[0-9A-Z]+", name))


def ends_value(tokens: Sequence[str]) -> bool:
    """Whether a unit may follow the tokens: they end in a number or a bracket."""
    before = next((token for token in reversed(tokens) if token != " "), "")
    return before.isdigit() or before in {"}", ")"}


def is_unit(name: str) -> bool:
    r"""Whether letters with exponents are units only: `m^2`, `kg\,m\,s^{-2}`, `W/m^2`."""
    vocabulary = load_vocabulary()
    words = UNIT_JOINT.sub(" ", UNIT_EXPONENT.sub(" ", name)).split()
    return bool(words) and all(word in vocabulary.units | vocabulary.unit_letters for word in words)


def write_unit(name: str) -> LatexTokens:
    r"""Units with exponents as text; the exponent of a single unit behind it: `\text{m}^{2}`."""
    lone = UNIT_EXPONENT.search(name)
    if lone and not lone[1] and lone.end() == len(name) and name[: lone.start()].isalpha():
        return [make_text(name[: lone.start()]), "^", "{", lone[2], "}"]
    return [make_text(" ".join(UNIT_JOINT.sub(" ", UNIT_EXPONENT.sub(r"\1\2 ", name)).split()))]


def is_basis_vector(token: str, name: str, tokens: Sequence[str]) -> bool:
    """Whether a bold i stands beside j or k, as a vector and no imaginary unit."""
    return token == "\\mathbf" and name == "i" and bool({"j", "k"} & set(tokens))


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
