r"""Rule `choice`: multiple choice by the letter that is boxed or announced.

The last box counts when it holds a letter (`\boxed{B}`, `\boxed{\text{(B) four}}`), else the last
announced letter near the end ("the answer is (B)"), else the letter that is the whole generation.
A letter that merely occurs is no answer.
"""

import re

from workflow_scripts.errors import InputError
from workflow_scripts.grading.extract import WRAPPED, announced_letter, last_boxes
from workflow_scripts.grading.settings import GraderSettings
from workflow_scripts.grading.verdict import Grade, right, wrong

LEADING = re.compile(r"\s*" + WRAPPED)
WHOLE = re.compile(r"\s*[(\[*$]*([A-Z])[)\]*$.:]*\s*")


def find(generation: str, settings: GraderSettings) -> Grade | str:
    """The chosen letter, or the verdict when there is none."""
    boxes = last_boxes(generation)
    if len(boxes) > 1:
        return wrong("several letters boxed")
    if boxes:
        content = boxes[0]
        if len(content) > settings.max_chars:
            return wrong(f"refused: longer than {settings.max_chars} characters")
        found = LEADING.match(content)
        letter = found[1] if found and found[1] in settings.letters else None
        return letter or wrong("box holds no option letter", boxes[0])
    whole = WHOLE.fullmatch(generation) if len(generation) <= settings.max_chars else None
    if whole and whole[1] in settings.letters:
        return whole[1]
    tail = generation[-settings.tail_chars :]
    return announced_letter(tail, settings.letters) or wrong("no answer")


def judge(answer: str, gold: str, settings: GraderSettings) -> Grade:
    """Compare the chosen letter; InputError when the gold answer is no option letter."""
    equal = answer == show_gold(gold, settings)
    return right("equal", answer) if equal else wrong("differs", answer)


def plain(answer: str, gold: str, settings: GraderSettings) -> Grade | None:
    """The verdict of `judge`, which needs no engine; None when the gold answer is unusable."""
    return judge(answer, gold, settings) if gold_letter(gold, settings) else None


def gold_letter(gold: str, settings: GraderSettings) -> str | None:
    """The letter of a gold answer, None when it is no option letter."""
    boxes = last_boxes(gold) if len(gold) <= settings.max_chars else []
    found = LEADING.match(boxes[0] if boxes else gold[: settings.max_chars])
    return found[1] if found and found[1] in settings.letters else None


def show_gold(gold: str, settings: GraderSettings) -> str:
    r"""The letter of a gold answer (`B`, `(B)`, `\text{B}`); InputError when it is none."""
    letter = gold_letter(gold, settings)
    if letter is None:
        raise InputError(f"gold answer {gold[:60]!r}: is no option letter of {settings.letters}")
    return letter
