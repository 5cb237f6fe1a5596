"""What `retu claim` is asked for: places, numbers and words, spelled as people spell them.

Case, hyphens and underscores do not count: `Sub-phase` is `subphase`. `Tab. 4` is `Table 4`.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from retu.audit.claims.ledger_files import PaperPlace
from retu.core.text import squash_text

PLACE_WORDS = {"tab": "table", "fig": "figure", "sec": "section", "app": "appendix"}
SHORT_PLACE = re.compile(r"\b(tab|fig|sec|app)s?\b\.?", re.IGNORECASE)
FILLER_WORDS = frozenset(
    ("a", "an", "the", "of", "in", "on", "at", "is", "to", "for", "and", "or", "with", "by", "from")
)
WORD = re.compile(r"[^\s,;:()\"'?!]+")
MINUS = str.maketrans("\N{MINUS SIGN}\N{EN DASH}\N{NON-BREAKING HYPHEN}", "---")
NEAR_WORD = 0.75
"""Similarity (0 to 1) from which a word that no claim has is read as one that there is."""


@dataclass(frozen=True)
class ClaimQuery:
    """A question in parts.

    Attributes:
        text: as it was asked.
        places: places of a paper (`Table 4`).
        numbers: numbers as text, without a percent sign.
        words: everything else, squashed (`squash_text`).
        corrections: words that no claim has, and as which they were read.
    """

    text: str
    places: tuple[str, ...]
    numbers: tuple[str, ...]
    words: tuple[str, ...]
    corrections: tuple[tuple[str, str], ...] = ()

    @property
    def n_terms(self) -> int:
        """How many things were asked for."""
        return len(self.places) + len(self.numbers) + len(self.words)


def parse_query(text: str, vocabulary: Sequence[str], places: Iterable[str] = ()) -> ClaimQuery:
    """Take a question apart.

    Args:
        text: the words of the command line.
        vocabulary: all words that claims have, squashed.
        places: places beside those of the paper.
    """
    rest = SHORT_PLACE.sub(lambda found: PLACE_WORDS[found[1].lower()] + " ", text.translate(MINUS))
    found_places: list[str] = []
    for place in sorted({*get_args(PaperPlace), *places}, key=len, reverse=True):
        pattern = re.compile(make_place_pattern(place), re.IGNORECASE)
        if pattern.search(rest):
            found_places.append(place)
            rest = pattern.sub(" ", rest)
    numbers: list[str] = []
    words: list[str] = []
    for word in WORD.findall(rest.replace("\N{SECTION SIGN}", " ")):
        plain = word.rstrip(".%")
        if parse_decimal(plain) is not None:
            numbers.append(plain)
        elif squash_text(plain):
            words.append(squash_text(plain))
    telling = [word for word in words if word not in FILLER_WORDS]
    if telling or numbers or found_places:
        words = telling
    corrected = [correct_word(word, vocabulary) for word in words]
    changed = tuple((a, b) for a, b in zip(words, corrected, strict=True) if a != b)
    return ClaimQuery(text, tuple(found_places), tuple(numbers), tuple(corrected), changed)


def make_place_pattern(place: str) -> str:
    """A pattern that a place matches in any spelling, and `Table 4` not in `Table 45`."""
    parts = re.findall(r"[A-Za-z]+|\d+", place)
    return r"(?<![\w.])" + r"[\s._-]*".join(parts) + r"(?!\w|\.\w)"


def parse_decimal(text: str) -> float | None:
    """The number that a text is; None if it is none."""
    return float(text) if re.fullmatch(r"[+-]?\d+(?:\.\d+)?", text) else None


def split_words(text: str) -> list[str]:
    """The squashed words of a text: each as a whole and, if it has signs inside, its parts."""
    found: list[str] = []
    for word in text.lower().split():
        parts = [part for part in re.split(r"[\W_]+", word) if part]
        found += parts if len(parts) < 2 else [squash_text(word), *parts]
    return found


def correct_word(word: str, vocabulary: Sequence[str]) -> str:
    """The word, or the nearest one that claims have where they lack it."""
    if len(word) < 3 or any(match_word(word, known) for known in vocabulary):
        return word
    # `hard102k` is asked for as `hard`.
    starts = [found[0] for known in vocabulary if (found := re.match(r"[a-z]{3,}(?=\d)", known))]
    near = difflib.get_close_matches(word, [*vocabulary, *starts], n=1, cutoff=NEAR_WORD)
    return near[0] if near else word


def match_word(asked: str, known: str) -> float:
    """How well a word answers another, 0 to 1: the same, its beginning, or a part of it."""
    one, other = asked.removesuffix("s") or asked, known.removesuffix("s") or known
    if asked == known:
        return 1.0
    if one == other:
        return 0.95
    if len(one) >= 3 and other.startswith(one):
        return 0.8
    return 0.5 if len(one) >= 4 and one in other else 0.0
