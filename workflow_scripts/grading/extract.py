r"""Finding the answer in a generation: boxes, answer blocks, single letters."""

import re

BOX = "\\boxed"
JOINT = re.compile(r"\s*\$?\s*(?:,|,?\s*and|,?\s*or)\s*\$?\s*")
OPENING = re.compile(r"\s*\{")
BRACE = re.compile(r"(?<!\\)[{}]")
MAX_JOINED = 6
BLOCK_START, BLOCK_END = "<answer>", "</answer>"
# A letter that stands alone, also `(B)`, `**B**`, `\text{B}`.
WRAPPED = r"(?:\\(?:text|textbf|mathrm|mathbf)\s*\{\s*)?[(\[*$\s]*([A-Z])(?![A-Za-z0-9'])"
ANNOUNCED = re.compile(r"(?i:\b(?:answer|option|choice)(?:\s+is)?)\s*:?\s*" + WRAPPED)
ALONE = re.compile(r"(?<![A-Za-z0-9'\\])([A-Z])(?![A-Za-z0-9'])")


def last_boxes(text: str) -> list[str]:
    r"""The last `\boxed{...}` and those joined to it by a comma, "and" or "or", in reading order.

    Empty when there is none or the last one is not closed.
    """
    boxes: list[str] = []
    end = len(text)
    while len(boxes) < MAX_JOINED and (start := text.rfind(BOX, 0, end)) >= 0:
        close = closing_brace(text, start + len(BOX))
        if close is None or (boxes and not JOINT.fullmatch(text[close:end])):
            break
        boxes.insert(0, text[start:close])
        end = start
    return boxes


def closing_brace(text: str, start: int) -> int | None:
    """Index after the brace that closes the group opening at `start`, None if there is none."""
    opening = OPENING.match(text, start)
    if opening is None:
        return None
    depth = 1
    for brace in BRACE.finditer(text, opening.end()):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.end()
    return None


def box_content(box: str) -> str:
    r"""What stands between the braces of `\boxed{...}`."""
    return box[box.index("{") + 1 : -1]


def last_block(text: str) -> str | None:
    """What the last complete `<answer>...</answer>` holds, None without one."""
    end = text.rfind(BLOCK_END)
    start = text.rfind(BLOCK_START, 0, max(end, 0))
    return text[start + len(BLOCK_START) : end] if start >= 0 else None


def announced_letter(text: str, letters: str) -> str | None:
    """The last letter that is announced ("answer is (B)", "option C"), None without one."""
    found = [match[1] for match in ANNOUNCED.finditer(text) if match[1] in letters]
    return found[-1] if found else None


def lone_letters(text: str) -> list[re.Match[str]]:
    """Capital letters that stand alone, in reading order."""
    return list(ALONE.finditer(text))
