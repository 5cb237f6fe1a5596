r"""Numbers side by side, and per cent: what the engine misreads, written so that it does not.

It takes `5 0` for a product, `3 4` for a mixed number (7), `3(4)` too, and cannot read `50\%`.
Here groups of three digits become one number (`10 000`, `1\,234`), brackets a product, and any
other pair is two values, hence no answer.
"""

import re

from workflow_scripts.grading.extract import BOX

SPACING = re.compile(r"(?<!\\)\\(?:[,;: ]|q?quad(?![A-Za-z]))|~")
NEGATIVE_SPACE = re.compile(r"(?<!\\)\\!")
THOUSANDS = re.compile(r"(?<![\d.,_^])\d{1,3}(?:\s\d{3})+(?![\d])")
FRACTION = re.compile(r"\\[dt]?frac\s*\d\s*\d")
PAIR = re.compile(r"(?<![\d._^])\d+(?:\.\d+)?\s+\.?\d")
NUMBER = r"[-+]?\d+(?:\.\d+)?"
BEFORE = r"((?<![\d._^])\d+(?:\.\d+)?|\))\s*"
PRODUCT = re.compile(BEFORE + rf"((?:\\left)?\((?=\s*{NUMBER}\s*(?:\\right)?\)))")
BRACKETED = re.compile(BEFORE + rf"(?:\\left)?(?:\[|\\\{{)\s*{NUMBER}\s*(?:\\right)?(?:\]|\\\}})")
PERCENT = re.compile(re.escape(BOX) + r"\s*\{((?:[^%\\]|\\(?!%))*?)\s*\\?%\s*\}")
INLINE = re.compile(r"\$([^$]*)\$|\\\((.*?)\\\)|\\\[(.*?)\\\]", re.DOTALL)


def settle(text: str) -> str:
    r"""The text as the engine reads it right.

    With plain blanks, and none inside a number (`10\,000` is `10000`); with a sign for the product
    of numbers in brackets; a boxed percentage with its sign outside, where the engine expects it.
    """
    text = SPACING.sub(" ", NEGATIVE_SPACE.sub("", text))
    text = THOUSANDS.sub(lambda match: "".join(match[0].split()), text)
    text = PRODUCT.sub(r"\1 \\cdot \2", text)
    percent = PERCENT.fullmatch(text)
    return f"${BOX}{{{percent[1]}}}$\\%" if percent else text


def side_by_side(text: str) -> bool:
    r"""Whether two numbers stand side by side in the mathematics of a settled text.

    A logarithm's base and `\frac 1 2` are no such pairs; `1 1/2` is, because the engine adds 1 to
    the numerator.
    """
    parts = [text] if BOX in text else ["".join(found) for found in INLINE.findall(text)]
    return any(PAIR.search(FRACTION.sub("1", p)) or BRACKETED.search(p) for p in parts)
