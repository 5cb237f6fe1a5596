r"""LaTeX as a text before it is cut into tokens: what people, programs and escaping made of it.

Here belong spellings that cross the borders of tokens: doubled backslashes, e-notation, dots, and
runs of letters, which are functions, units, words or products.
"""

import itertools
import re

from retu.grading.reading.tex_tokens import make_text
from retu.grading.reading.vocabulary import load_vocabulary

ELLIPSIS = re.compile(r"\.\s?\.\s?\.+")
FULL_STOP = re.compile(r"(?<=\d)\.(?=\s*(?:$|[^\d\s\\]|\\(?!overline|bar|dot|overset)))")
LETTERS = re.compile(r"(?<![A-Za-z\\])[A-Za-z]+")
E_NOTATION = re.compile(r"(?<![\w.\\])(\d+\.?\d*|\.\d+)\s?[eE]([-+]?\d+)(?![\w.])")
# The same with an upright e: `1.6\mathrm{e}{-19}`, `1.6\text{e-19}`.
UPRIGHT_E = re.compile(
    r"(?<=\d)\s?\\(?:text|mathrm|rm)\s*\{\s*[eE]\s*(?:([-+]?\d+)\s*\}|\}\s*\{([-+]\d+)\})"
)
HALF_DAY = re.compile(r"(?<=\d)\s?([AaPp])\.\s?[mM]\.?(?![A-Za-z])")
ANGSTROM = re.compile(
    r"\\(?:text|mathrm|mbox)\s*\{\s*(?:\\AA|[\u00c5\u212b])\s*\}|\\AA(?![A-Za-z])|[\u00c5\u212b]"
    r"|\\(?:mathring|r)\s*\{\s*(?:\\mathrm\s*\{\s*)?A\s*\}+"
)
MICRO = re.compile(
    r"\u00b5|\\(?:text|mathrm)\s*\{\s*(?:\\mu|\u03bc)\s*\}|\\(?:textmu|micro)(?![A-Za-z])"
)
# Endings of ordinal numbers, raised: `5^{th}`, `21^{\text{st}}`.
ORDINAL = re.compile(
    r"(?<=\d)\s?\^\s?(?:\{\s*(?:st|nd|rd|th)\s*\}"
    r"|\{?\\(?:text|textrm|mathrm)\s*\{\s*(?:st|nd|rd|th)\s*\}\}?)"
)
QUAD = re.compile(r"(\\q?quad)(?=[A-Za-z])")
STAR_POWER = re.compile(r"\*\*")
# "or" and "and" between two equations without blanks: `x=1orx=2`.
GLUED_CONJUNCTION = re.compile(r"(?<=[\d)}])(and|or)(?=\\?[A-Za-z]+(?:\([^()]*\))?\s?=)")
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
VOWELS = set("aeiouyAEIOUY")
# Longest run of letters in the order of the alphabet that is read as a product, not as a word.
LONGEST_ORDERED = 5
WORD_LENGTH = 4


def spell_plainly(text: str) -> str:
    """The text with one spelling of what has several, words and functions marked as such."""
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
    text = ANGSTROM.sub(r" \\text{angstrom}", HALF_DAY.sub(r" \1m", text))
    text = MICRO.sub(r"\\mu ", text)
    text = ORDINAL.sub("", UPRIGHT_E.sub(lambda found: f"e{found[1] or found[2]}", text))
    text = E_NOTATION.sub(r"\1\\cdot 10^{\2}", text)
    text = GLUED_CONJUNCTION.sub(r" \1 ", text)
    return FULL_STOP.sub("", name_letter_runs(text))


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
