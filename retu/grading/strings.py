"""Comparing strings: tidied for comparison, and how similar they are."""

import re

AROUND_OPERATORS = re.compile(r"\s*([-+*/^=<>,:;|\u00d7\u00f7\u00b7()\[\]{}])\s*")


def tidy_string(text: str) -> str:
    """Without blanks around operators, without outer blanks and dollar signs."""
    return AROUND_OPERATORS.sub(r"\1", text.strip().strip("$").strip())


def compute_similarity(first: str, second: str, enough: float = 0.0) -> float:
    """Levenshtein ratio in [0, 1]: 1 - d / (m + n), replacing a character counting as two edits.

    That is 2 L / (m + n) with L the length of the longest common subsequence; two empty strings
    are equal. When even the shorter string whole would give no more than `enough`, it returns
    that bound without comparing.
    """
    total = len(first) + len(second)
    if total == 0:
        return 1.0
    bound = 2 * min(len(first), len(second)) / total
    return bound if bound <= enough else 2 * measure_common_subsequence(first, second) / total


def measure_common_subsequence(first: str, second: str) -> int:
    """Length of the longest common subsequence, a row of the table held in one integer's bits."""
    places: dict[str, int] = {}
    for index, char in enumerate(first):
        places[char] = places.get(char, 0) | 1 << index
    full = (1 << len(first)) - 1
    row = full
    for char in second:
        here = row & places.get(char, 0)
        row = ((row + here) | (row - here)) & full
    return len(first) - row.bit_count()
