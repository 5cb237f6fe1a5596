r"""Finding the answer in a generation: boxes, answer blocks, announced formulas, single letters."""

import re
from collections.abc import Sequence

FRAME = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
# What joins boxes that are one answer: a comma, "and", "or", a row of plus signs or nothing, with
# a few words around and the name of the next value.
GLUE = r"(?:\s|\$|\\[()\[\]]|\\q?quad|\\[,;:! ]|~|\\\\|&)*"
JOINING_WORDS = r"(?:\\(?:text|mbox|textrm)\s*\{[\w\s(),]{0,40}\}|[a-z]+(?:\s|(?=\$)))"
CONJUNCTION = r"(?:,|;|\+{3,}|\\text\s*\{\s*,?\s*(?:and|or)\s*\}|\b(?:and|or)\b)"
TEXT_CONJUNCTION = r"\\text\s*\{[\w\s(),]{0,40}\b(?:and|or)\s*\}"
VALUE_NAME = r"(?:\\?[A-Za-z]+(?:_\{?\w{1,3}\}?)?\s*=)?"
FORMULA_JOINT = re.compile(
    rf"{GLUE}(?:(?:{JOINING_WORDS}{GLUE}){{0,3}}{CONJUNCTION}|{TEXT_CONJUNCTION})?"
    rf"(?:{GLUE}{CONJUNCTION})?{GLUE}{VALUE_NAME}{GLUE}"
)
# No lookbehind before the brace: then the text is scanned for braces alone, many times faster.
BRACE = re.compile(r"[{}](?<!\\.)")
NAMED_ONLY = re.compile(r"\{\s*(?:\.\.\.|\\l?dots|\\cdots|\\cdot|_+|\s)*\s*\}")
PERCENT_SIGN = re.compile(r"\s*(?:\$|\\\))?\s*(?:\\?%|(?:percent|percentage|pct)\b)")
MAX_JOINED = 12
Box = tuple[int, int, str]
BLOCK_START, BLOCK_END = "<answer>", "</answer>"
# A formula between dollar signs or TeX's brackets, and what the word "answer" announces.
FORMULA = (
    r"\$\$(.+?)\$\$|\$([^$\n]+?)\$|\\\(([^\n]+?)\\\)|\\\[(.+?)\\\]"
    r"|(-?\\[dt]?frac\{-?\d+(?:\.\d+)?\}\{-?\d+(?:\.\d+)?\})"
)
ANNOUNCED_FORMULA = re.compile(
    rf"(?i:final answer.{{0,100}}?\bis:?|answer)(?:(?!\$|\\\(|\\\[).){{0,50}}?(?:{FORMULA})",
    re.DOTALL,
)
FINAL_FORMULA = re.compile(
    rf"(?i:final answer is):?(?:(?!\$|\\\(|\\\[).){{0,9}}?(?:{FORMULA})", re.DOTALL
)
NEXT_FORMULA = re.compile(rf"\s*(?:,?\s*and\s|,?\s*or\s|,)\s*(?:{FORMULA})", re.DOTALL)
# A letter that stands alone, also `(B)`, `**B**`, `\text{B}`.
FACE = r"(?:\\(?:text|textbf|mathrm|mathbf|boxed)\s*\{\s*)*"
WRAPPED = (
    FACE
    + r"[(\[*$\s]*(?:(?:[Oo]ption|[Cc]hoice)\s*[(\[*$\s]*)?([A-Z])(?![A-Za-z0-9']|\s*[=^_+<>*/])"
)
ANNOUNCED = re.compile(
    r"(?i:\b(?:answer|option|choice)(?:\s+is)?)\s*:?\s*"
    r"(?:\\(?:text|textbf|mathrm|mathbf)\s*\{\s*)?[(\[*$\s]*([A-Z])(?![A-Za-z0-9'])"
)
ALONE = re.compile(r"(?<![A-Za-z0-9'\\])([A-Z])(?![A-Za-z0-9'])")


def find_boxes(text: str) -> tuple[list[Box], bool]:
    r"""Boxes in reading order as (start, end, content), and whether the last one stays open.

    A box without content only names the form of an answer (`write it in \boxed{}`), and so does
    the command without a brace; neither is a box.
    """
    boxes: list[Box] = []
    frames = list(FRAME.finditer(text))
    pairs = pair_braces(text) if frames else {}
    inside, is_open = 0, False
    for found in frames:
        start = found.end()
        if found.start() < inside or text[start : start + 1] != "{":
            continue
        is_open = start not in pairs  # a later box may still be closed, and counts then
        if is_open:
            continue
        inside = pairs[start] + 1
        if not NAMED_ONLY.fullmatch(text, start, inside):
            boxes.append((find_command(text, found), inside, text[start + 1 : inside - 1]))
    return boxes, is_open


def find_command(text: str, found: re.Match[str]) -> int:
    """Where the command of a box begins, also with its backslash escaped once more on the way."""
    before = text[max(found.start() - 2, 0) : found.start()]
    return found.start() - (before.endswith("\\") and before != "\\\\")


def pair_braces(text: str) -> dict[int, int]:
    """Index of every opening brace that is closed -> index of the brace that closes it."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for brace in BRACE.finditer(text):
        if brace.group() == "{":
            opened.append(brace.start())
        elif opened:
            pairs[opened.pop()] = brace.start()
    return pairs


def find_last_boxes(text: str) -> list[str]:
    """What `join_last_boxes` gives; empty when there is no box or the last one is not closed."""
    boxes, is_open = find_boxes(text)
    return [] if is_open else join_last_boxes(text, boxes)


def join_last_boxes(text: str, boxes: Sequence[Box]) -> list[str]:
    """Contents of the last box and of those that stand together with it, in reading order.

    Boxes stand together when a comma, "and", "or" or nothing joins them; the same content twice
    in a row counts once. A sign of per cent behind a box belongs to it.
    """
    joined = list(boxes[-1:])
    for box in boxes[-2::-1]:
        between = text[box[1] : joined[0][0]]
        if len(joined) >= MAX_JOINED or not FORMULA_JOINT.fullmatch(between):
            break
        joined.insert(0, box)
    contents: list[str] = []
    for _, end, content in joined:
        content = f"{content}\\%" if PERCENT_SIGN.match(text, end) else content
        if not contents or contents[-1] != content:
            contents.append(content)
    return contents


def find_final_formulas(text: str, boxes: Sequence[Box], tail_chars: int) -> list[str]:
    """Formulas that "final answer is" announces behind the last box, near the end; or []."""
    start = max(boxes[-1][1], len(text) - tail_chars) if boxes else len(text)
    return find_announced_formulas(text[start:], FINAL_FORMULA)


def find_announced_formulas(
    text: str, announcement: re.Pattern[str] = ANNOUNCED_FORMULA
) -> list[str]:
    """Formulas that the word "answer" announces last, with those joined to it; [] without any."""
    found = find_last_match(announcement, text)
    formulas: list[str] = []
    while found:
        formula = next(group for group in found.groups() if group is not None)
        formulas.append(f"{formula}\\%" if PERCENT_SIGN.match(text, found.end()) else formula)
        found = NEXT_FORMULA.match(text, found.end())
    return formulas


def find_last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last match of a pattern, None without one."""
    last = None
    for found in pattern.finditer(text):
        last = found
    return last


def find_last_block(text: str) -> str | None:
    """What the last complete `<answer>...</answer>` holds, None without one."""
    end = text.rfind(BLOCK_END)
    start = text.rfind(BLOCK_START, 0, max(end, 0))
    return text[start + len(BLOCK_START) : end] if start >= 0 else None


def find_lone_letters(text: str) -> list[re.Match[str]]:
    """Capital letters that stand alone, in reading order."""
    return list(ALONE.finditer(text))
