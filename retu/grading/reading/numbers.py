r"""Numbers as answers write them: groups of thousands, repeating decimals, bases, times, ratios.

All work on canonical LaTeX (`clean`), without the engine.
"""

import re
from fractions import Fraction

from retu.grading.reading.values import Clock, NumberInBase, PlainNumber
from retu.grading.reading.vocabulary import load_vocabulary

INTEGER = re.compile(r"([-+]?)\s*(\d+)")
GROUPED = re.compile(r"([-+]?)\s*(\d{1,3}(?:(?:,|\s)\s*\d{3})+)(\.\d+)?")
DECIMAL = re.compile(r"([-+]?)\s*(\d*)\.(\d+)")
REPEATING = re.compile(r"([-+]?)\s*(\d*)\.(\d*)((?:\\overline\{\d+\})+)(?:\\ldots)?")
FRACTION = re.compile(r"([-+]?)\s*\\frac\{([-+]?\d+)\}\{([-+]?)(\d+)\}")
SLASHED = re.compile(r"([-+]?)\s*(\d+)\s*/\s*(\d+)")
MIXED = re.compile(r"([-+]?)\s*(\d+)\s*\\frac\{(\d+)\}\{(\d+)\}")
# Small letters as digits: two of them at least, in base sixteen; `a_{16}` is a name.
SMALL_HEXADECIMAL = re.compile(r"(?=[a-f\d]*\d|[a-f]{2})[\da-f]{2,}_\{16\}")
BASED = re.compile(r"\(?([-+]?)([0-9A-Z]+)\)?_\{(\d{1,2}|\\text\{[a-z]+\})\}")
CLOCK_TIME = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\\text\{([ap])\.?m\.?\})?", re.IGNORECASE
)
SPACED_PAIR = re.compile(r"(?<![\d._^{])\d+(?:\.\d+)?\s+\.?\d")
HIGHEST_BASE = 36
MINUTES, HOURS = 60, 24


def read_number(text: str) -> PlainNumber | None:
    """A plain number: integer, decimal, repeating decimal, fraction or mixed number."""
    found = INTEGER.fullmatch(text)
    if found:
        return PlainNumber(apply_sign(found[1], Fraction(int(found[2]))), text=text)
    found = GROUPED.fullmatch(text)
    if found and has_consistent_groups(found[2]):
        digits = re.sub(r"[,\s]", "", found[2]) + (found[3] or "")
        return PlainNumber(apply_sign(found[1], Fraction(digits)), bool(found[3]), text)
    found = DECIMAL.fullmatch(text)
    if found:
        return PlainNumber(
            apply_sign(found[1], Fraction(f"{found[2] or 0}.{found[3]}")), True, text
        )
    return read_repeating(text) or read_fraction(text)


def has_consistent_groups(digits: str) -> bool:
    """Whether groups of thousands are all parted by commas, or all by blanks."""
    return not ("," in digits and re.search(r"\d\s\d", digits))


def read_repeating(text: str) -> PlainNumber | None:
    r"""A decimal with a repeating part: `0.1\overline{6}` is one sixth."""
    found = REPEATING.fullmatch(text)
    if not found:
        return None
    period = re.sub(r"\D", "", found[4])
    whole = Fraction(f"{found[2] or 0}.{found[3] or 0}")
    tail = Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(found[3]))
    return PlainNumber(apply_sign(found[1], whole + tail), text=text)


def read_fraction(text: str) -> PlainNumber | None:
    """A fraction of integers or a mixed number; None also for a denominator of zero."""
    found = FRACTION.fullmatch(text)
    if found and int(found[4]):
        value = Fraction(int(found[2]), int(found[4]))
        return PlainNumber(apply_sign(found[1], apply_sign(found[3], value)), text=text)
    found = SLASHED.fullmatch(text)
    if found and int(found[3]):
        return PlainNumber(apply_sign(found[1], Fraction(int(found[2]), int(found[3]))), text=text)
    found = MIXED.fullmatch(text)
    if found and int(found[4]):
        value = int(found[2]) + Fraction(int(found[3]), int(found[4]))
        return PlainNumber(apply_sign(found[1], value), text=text)
    return None


def apply_sign(sign: str, value: Fraction) -> Fraction:
    """The value with its sign."""
    return -value if sign == "-" else value


def read_number_in_base(text: str) -> NumberInBase | PlainNumber | None:
    """A number with its base as an index; base ten is a plain number."""
    found = BASED.fullmatch(text.upper() if SMALL_HEXADECIMAL.fullmatch(text) else text)
    if not found:
        return None
    word = found[3][len("\\text{") : -1]
    base = int(found[3]) if found[3].isdigit() else load_vocabulary().number_words.get(word, 0)
    digits = found[2].lstrip("0") or "0"
    if not 2 <= base <= HIGHEST_BASE or any(int(c, HIGHEST_BASE) >= base for c in digits):
        return None
    if base == 10:
        return PlainNumber(apply_sign(found[1], Fraction(int(digits))), text=text)
    return NumberInBase(found[1].replace("+", "") + digits, base)


def read_clock(text: str) -> Clock | None:
    """A time such as `3:00` or `12:30 pm`: two digits after the colon, below sixty."""
    found = CLOCK_TIME.fullmatch(text.replace(" ", ""))
    if not found:
        return None
    parts = tuple(int(part) for part in found.groups()[:3] if part is not None)
    fits = parts[0] <= HOURS or len(parts) == 2
    return Clock(parts, (found[4] or "").lower()) if fits and max(parts[1:]) < MINUTES else None


def has_numbers_side_by_side(text: str) -> bool:
    """Whether two numbers stand side by side with no sign between: two values, hence none."""
    return bool(SPACED_PAIR.search(text))
