"""Names that a word may have meant: the nearest first, and never a long list."""

import difflib
from collections.abc import Iterable, Sequence

ALIKE = 0.6
"""Similarity (0 to 1) from which a name may have been meant."""
MOST_NEAR, MOST_LISTED = 3, 12


def measure_likeness(word: str, name: str) -> float:
    """How alike a word and a name are, 0 to 1; case does not count, a part of it counts much."""
    one, other = word.casefold(), name.casefold()
    ratio = difflib.SequenceMatcher(None, one, other).ratio()
    return max(ratio, 0.7) if len(one) > 2 and one in other else ratio


def sort_near(word: str, known: Iterable[str]) -> list[str]:
    """The known names, those most like a word first."""
    return sorted(known, key=lambda name: (-measure_likeness(word, name), name))


def find_near(word: str, known: Iterable[str], most: int = MOST_NEAR) -> list[str]:
    """The known names that a word may have meant, the most alike first; none may be."""
    near = sort_near(word, known)[:most]
    best = measure_likeness(word, near[0]) if near else 0.0
    # Where one name is as good as meant, what merely resembles it would only distract.
    least = max(ALIKE, best - 0.1)
    return [name for name in near if measure_likeness(word, name) >= least]


def ask_meant(word: str, known: Iterable[str]) -> str:
    """`did you mean a or b?`; empty where no name is near."""
    near = find_near(word, known)
    return f"did you mean {join_choices(near)}?" if near else ""


def suggest_near(word: str, known: Iterable[str], most: int = MOST_LISTED) -> str:
    """The tail of an error message: what was probably meant, or else what there is.

    Args:
        word: as it was typed.
        known: all names.
        most: so many are listed where none is near.
    """
    names = sorted(known)
    if asked := ask_meant(word, names):
        return asked
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"known: {', '.join(names[:most]) or 'none'}{rest}"


def join_choices(names: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def explain_missing_names(missing: Iterable[str], given: Iterable[str]) -> str:
    """Which of the given names may stand for a missing one; empty where none may.

    Args:
        missing: names that are needed and not there.
        given: those that are there.
    """
    names = list(given)
    pairs = [(near[0], name) for name in missing if (near := find_near(name, names, 1))]
    told = [f"{name} by {found}" for found, name in pairs if found != name]
    return f"did you mean {join_choices(told)}?" if told else ""
