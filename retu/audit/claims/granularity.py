"""What a printed number leaves open, and which percentages a count of samples can give."""

import math
from fractions import Fraction

from retu.core.errors import InputError

SEARCHED_SAMPLES = 64
"""How many samples a problem `find_fewest_samples` tries; published evaluations use at most 64."""


def get_half_unit(text: str, decimals: int | None = None) -> float:
    """Half a unit of the last printed place: how far rounding may have moved the number.

    Args:
        text: the number as printed, e.g. "6.0" or "-1.00".
        decimals: the printed decimals, where the text alone does not show them ("0" in a column
            of one-decimal numbers).

    Raises:
        InputError: the text is not a finite decimal number.
    """
    return 0.5 * 10.0 ** -(count_decimals(text) if decimals is None else decimals)


def count_decimals(text: str) -> int:
    """Digits after the decimal point of a printed number."""
    check_number(text)
    return len(text.partition(".")[2])


def check_number(text: str) -> None:
    """Raise InputError unless `text` is a plain decimal number (no exponent, no NaN)."""
    digits = text.removeprefix("-").replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit()):
        raise InputError(f"{text!r} is no number; write it as printed, like 6.0")


def is_rounded_to(value: float, text: str, decimals: int | None = None) -> bool:
    """Whether `value` may be printed as `text`; both neighbours are allowed at a tie."""
    # The hair covers binary representations of decimal ties (0.25 printed as 0.3 or as 0.2).
    return math.isfinite(value) and abs(value - float(text)) <= get_half_unit(text, decimals) + 1e-9


def is_possible_score(
    text: str, n_problems: int, samples_per_problem: int, scale: float = 100.0
) -> bool:
    """Whether the printed score can come from whole numbers of right samples.

    A score is the mean over problems of the share of right samples of a problem, hence a multiple
    of scale / (n_problems samples_per_problem). A problem-weighted mean over benchmarks with
    different samples a problem lies on the lattice of their least common multiple: 16 for the
    paper's overall score, where AIME has 16 and the other four benchmarks one.

    Args:
        text: the score as printed, in percent unless `scale` says otherwise.
        n_problems: problems of the benchmark, or of all benchmarks together.
        samples_per_problem: samples a problem, or their least common multiple.
        scale: the score when every sample is right.

    Raises:
        InputError: the text is no number, or a count is below one.
    """
    if n_problems < 1 or samples_per_problem < 1:
        raise InputError(
            f"{n_problems} problems with {samples_per_problem} samples each; at least 1 is needed"
        )
    check_number(text)
    # Fractions: a float tie would decide at random whether 12.5 % may be printed as 12 or 13.
    unit = Fraction(n_problems * samples_per_problem) / Fraction(str(scale))
    half = Fraction(1, 2 * 10 ** count_decimals(text))
    lowest = math.ceil((Fraction(text) - half) * unit)
    highest = math.floor((Fraction(text) + half) * unit)
    inside = lowest <= highest
    return inside and highest >= 0 and lowest <= n_problems * samples_per_problem


def find_fewest_samples(text: str, n_problems: int) -> int | None:
    """The fewest samples a problem that allow the printed percentage; None beyond the search.

    Raises:
        InputError: as `possible`.
    """
    tried = range(1, SEARCHED_SAMPLES + 1)
    return next((count for count in tried if is_possible_score(text, n_problems, count)), None)
