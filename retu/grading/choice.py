r"""Rule `choice`: multiple choice by the letter that is boxed, tagged or announced.

In this order: a box that holds a letter (`\boxed{B}`, `\boxed{\text{Option B}}`), the letter that
is the whole generation, an answer block (`<answer>B</answer>`), the last letter that the word
"answer" announces, the last that another word announces ("should be B", "option B"), and the only
line that is an option with its text (`B. evaporation`). A letter that merely occurs is no answer.
"""

import re

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.grading.extraction import (
    FACE,
    WRAPPED,
    find_boxes,
    find_last_block,
    find_last_boxes,
    join_last_boxes,
)
from retu.grading.grade_verdict import Grade, make_correct_grade, make_wrong_grade

LEADING = re.compile(r"\s*" + WRAPPED)
WHOLE = re.compile(r"\s*[(\[*$]*([A-Z])[)\]*$.:]*\s*")
OPTION_LETTER = r"\s*:?\s*[(\[*$\s]*" + FACE + r"[(\[*$\s]*([A-Z])(?![A-Za-z0-9'])"
OPTION_NOUN = r"(?:\s+(?:option|choice|letter))?"
# What announces a letter, the strongest first.
ANNOUNCEMENTS = (
    re.compile(
        rf"(?i:\banswer\s*(?:choice|option)?\**\s*(?:is|should\s+be|must\s+be|would\s+be)?"
        rf"(?:\s+(?:clearly|therefore|thus|just|simply|definitely))?{OPTION_NOUN}){OPTION_LETTER}"
    ),
    re.compile(
        rf"(?i:\b(?:(?:should|must|would|has\s+to)\s+be|(?:correct|right|best)\s+(?:option|choice|one)"
        rf"(?:\s+is)?|choose|select|pick(?:\s+is)?|choice\s+is|go\s+with){OPTION_NOUN}){OPTION_LETTER}"
    ),
    re.compile(rf"(?i:\b(?:option|choice)(?:\s+is)?){OPTION_LETTER}"),
)
SEVERAL = re.compile(
    r"(?<![A-Za-z])[A-Z][)\s}]*(?:,|/|and|or|\\text\{\s*(?:and|or)\s*\})[\s({]*[A-Z](?![A-Za-z])"
)
OPTION_LINE = re.compile(r"^\s*\**\(?([A-Z])[).:]\**\s+\S.*$", re.MULTILINE)


def find_option_answer(generation: str, settings: GraderSettings) -> Grade | str:
    """The chosen letter, or the verdict when there is none."""
    frames, is_open = find_boxes(generation)
    boxes = [] if is_open else join_last_boxes(generation, frames)
    if len(boxes) > 1:
        return make_wrong_grade("several letters boxed")
    if not boxes:
        return find_unboxed_letter(generation, settings) or make_wrong_grade("no answer")
    if len(boxes[0]) > settings.max_chars:
        return make_wrong_grade(f"refused: longer than {settings.max_chars} characters")
    if SEVERAL.search(boxes[0]):
        return make_wrong_grade("several letters boxed", boxes[0])
    letter = find_leading_letter(boxes[0], settings)
    behind = generation[frames[-1][1] :][-settings.tail_chars :]
    later = find_announced_letter(behind, settings.letters)
    return letter or later or make_wrong_grade("box holds no option letter", boxes[0])


def find_unboxed_letter(generation: str, settings: GraderSettings) -> str | None:
    """The letter that a generation without a box chooses, None for none."""
    tail = generation[-settings.tail_chars :]
    whole = WHOLE.fullmatch(generation) if len(generation) <= settings.max_chars else None
    block = find_last_block(tail)
    if whole and whole[1] in settings.letters:
        return whole[1]
    tagged = find_leading_letter(block, settings) if block is not None else None
    return (
        tagged
        or find_announced_letter(tail, settings.letters)
        or find_option_line(tail, settings.letters)
    )


def find_leading_letter(text: str, settings: GraderSettings) -> str | None:
    """The option letter that a text begins with, None without one."""
    found = LEADING.match(text)
    return found[1] if found and found[1] in settings.letters else None


def find_announced_letter(text: str, letters: str) -> str | None:
    """The last letter announced in the strongest way ("answer is (B)"), None without one."""
    for pattern in ANNOUNCEMENTS:
        found = [match[1] for match in pattern.finditer(text) if match[1] in letters]
        if found:
            return found[-1]
    return None


def find_option_line(text: str, letters: str) -> str | None:
    """The letter of the only line that is an option with its text; several are a list of them."""
    found = [letter for letter in OPTION_LINE.findall(text) if letter in letters]
    return found[0] if len(found) == 1 else None


def judge_option(answer: str, gold: str, settings: GraderSettings) -> Grade:
    """Compare the chosen letter; InputError when the gold answer is no option letter."""
    equal = answer == show_gold_option(gold, settings)
    return make_correct_grade("equal", answer) if equal else make_wrong_grade("differs", answer)


def judge_usable_option(answer: str, gold: str, settings: GraderSettings) -> Grade | None:
    """The verdict of `judge_answer`, without an engine; None when the gold answer is unusable."""
    return judge_option(answer, gold, settings) if find_gold_letter(gold, settings) else None


def find_gold_letter(gold: str, settings: GraderSettings) -> str | None:
    """The letter of a gold answer, None when it is no option letter."""
    boxes = find_last_boxes(gold) if len(gold) <= settings.max_chars else []
    return find_leading_letter(boxes[0] if boxes else gold[: settings.max_chars], settings)


def show_gold_option(gold: str, settings: GraderSettings) -> str:
    r"""The letter of a gold answer (`B`, `(B)`, `\text{B}`); InputError when it is none."""
    letter = find_gold_letter(gold, settings)
    if letter is None:
        raise InputError(f"gold answer {gold[:60]!r}: is no option letter of {settings.letters}")
    return letter
