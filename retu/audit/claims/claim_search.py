"""Find claims by words, numbers or places: what `retu claim` answers with.

A match has as many of the things asked for as any other; among those the fields decide in which
they stand (a printed value before a note), then the order of claims/words.yaml.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from retu.audit.claims.claim_query import (
    ClaimQuery,
    match_word,
    parse_decimal,
    parse_query,
    split_words,
)
from retu.audit.claims.ledger import Claim
from retu.audit.claims.ledger_files import StrictSection
from retu.core.errors import InputError
from retu.core.near_words import ask_meant, find_near
from retu.core.text import join_names, squash_text
from retu.core.yaml_files import read_yaml, validate_content

FIELD_WEIGHTS = {
    "dataset": 4.0, "value": 4.0, "model": 3.0, "sentence": 3.0, "quantity": 3.0, "id": 2.0,
    "source": 2.0, "topic": 1.5, "note": 1.0,
}  # fmt: skip
PLACE_WEIGHT, PLACE_IN_ID_WEIGHT = 4.0, 3.0
ELSEWHERE_WEIGHT = 1.0
"""For the same place in what others wrote."""
SAME_NUMBER_WEIGHT, STEP_WEIGHT, NUMBER_IN_TEXT_WEIGHT = 5.0, 4.0, 1.0
PHRASE_WEIGHT = 3.0
SENTENCE_WEIGHT = 6.0
"""For sentences, where only words were asked: a hundred cells have the label `Stable`."""
LEAST_SHARE = 0.5
"""Of the things asked for that a claim must have to be shown at all."""
MAX_SUGGESTIONS = 5


class ClaimWords(StrictSection):
    """claims/words.yaml: words for quantities and for what sentences are about, by their test."""

    quantities: dict[str, str]
    tests: dict[str, str]


@dataclass(frozen=True)
class ClaimEntry:
    """A claim as it is searched: its fields as text."""

    claim: Claim
    quantity_words: str
    topic: str
    rank: int

    @cached_property
    def fields(self) -> dict[str, str]:
        """The texts that are searched, by field."""
        claim = self.claim
        return {
            "dataset": " ".join([claim.dataset, *claim.datasets]),
            "value": claim.value,
            "model": claim.model,
            "sentence": claim.sentence,
            "quantity": f"{claim.quantity} {self.quantity_words}",
            "id": claim.id.replace(".", " "),
            "topic": self.topic,
            "source": claim.source,
            "note": claim.note,
        }

    @cached_property
    def field_words(self) -> dict[str, list[str]]:
        """The squashed words of every field."""
        return {name: split_words(text) for name, text in self.fields.items() if text}


@dataclass(frozen=True)
class ClaimMatches:
    """What was found, best first.

    Attributes:
        query: as it was read.
        claims: the matches.
        complete: every match has all that was asked for.
        near: numbers that no match has -> what the nearest ones, which these are, have instead.
    """

    query: ClaimQuery
    claims: tuple[Claim, ...]
    complete: bool
    near: tuple[tuple[str, str], ...] = ()


def read_claim_words(folder: Path) -> ClaimWords:
    """claims/words.yaml.

    Raises:
        InputError: it is missing or malformed.
    """
    path = folder / "words.yaml"
    return validate_content(ClaimWords, read_yaml(path), str(path))


def make_entries(claims: Iterable[Claim], words: ClaimWords) -> list[ClaimEntry]:
    """The claims as they are searched."""
    ranks = {name: rank for rank, name in enumerate(words.quantities)}
    return [
        ClaimEntry(
            claim=claim,
            quantity_words=words.quantities.get(claim.quantity, ""),
            topic=words.tests.get(claim.study_test or claim.test, ""),
            rank=ranks.get(claim.quantity, len(ranks)),
        )
        for claim in claims
    ]


def search_claims(text: str, entries: Sequence[ClaimEntry]) -> ClaimMatches:
    """The claims that answer a question, best first.

    An id, or the beginning of some, is answered with these claims alone.

    Raises:
        InputError: nothing matches; names what is near.
    """
    named = find_by_id(text, entries)
    vocabulary = sorted({w for e in entries for words in e.field_words.values() for w in words})
    query = parse_query(text, vocabulary, {entry.claim.place for entry in entries})
    if named:
        return ClaimMatches(query, tuple(named), complete=True)
    scored = [(score_entry(query, entry), entry) for entry in entries]
    most = max((score[0] for score, _ in scored), default=0)
    if not query.n_terms or most == 0 or most < LEAST_SHARE * query.n_terms:
        raise InputError(explain_miss(query, entries, vocabulary))
    best = [(score, entry) for score, entry in scored if score[0] == most]
    best.sort(key=lambda found: (-found[0][1], found[1].rank))
    found = [entry for _, entry in best]
    if most == query.n_terms:
        return ClaimMatches(query, tuple(entry.claim for entry in found), complete=True)
    nearest, near = keep_nearest(query, found)
    return ClaimMatches(query, tuple(entry.claim for entry in nearest), complete=False, near=near)


def keep_nearest(
    query: ClaimQuery, found: Sequence[ClaimEntry]
) -> tuple[list[ClaimEntry], tuple[tuple[str, str], ...]]:
    """The matches whose step or value is nearest to a number that none of them has.

    Returns:
        Those matches in their order (all, if every number is there), and the numbers with the
        nearest ones.
    """
    kept, near = list(found), []
    for number in query.numbers:
        if any(score_number(number, entry) for entry in kept):
            continue
        wanted = parse_decimal(number) or 0.0
        nearest = {entry.claim.id: find_nearest_number(wanted, entry.claim) for entry in kept}
        distances = {name: abs(float(text) - wanted) for name, text in nearest.items() if text}
        if distances:
            least = min(distances.values())
            kept = [entry for entry in kept if distances.get(entry.claim.id) == least]
            near.append((number, nearest[kept[0].claim.id]))
    return kept, tuple(near)


def find_nearest_number(wanted: float, claim: Claim) -> str:
    """The step or printed value of a claim that is nearer to a number; empty without any."""
    texts = ["" if claim.sft_step is None else str(claim.sft_step), claim.value]
    numbers = [text for text in texts if parse_decimal(text) is not None]
    return min(numbers, key=lambda text: abs(float(text) - wanted), default="")


def find_by_id(text: str, entries: Sequence[ClaimEntry]) -> list[Claim]:
    """The claim with this id, else those whose ids begin with it; none for plain words."""
    wanted = text.strip().lower().rstrip(".")
    exact = [entry.claim for entry in entries if entry.claim.id.lower() == wanted]
    if exact or "." not in wanted:
        return exact
    return [entry.claim for entry in entries if entry.claim.id.lower().startswith(f"{wanted}.")]


def score_entry(query: ClaimQuery, entry: ClaimEntry) -> tuple[int, float]:
    """How many of the things asked for a claim has, and how well."""
    found = [
        *(score_place(place, entry) for place in query.places),
        *(score_number(number, entry) for number in query.numbers),
        *(score_word(word, entry) for word in query.words),
    ]
    phrase = squash_text(query.text)
    whole = any(phrase in squash_text(entry.fields[name]) for name in ("sentence", "topic"))
    bonus = PHRASE_WEIGHT if len(query.words) > 1 and whole else 0.0
    if entry.claim.sentence and not query.places and not query.numbers:
        bonus += SENTENCE_WEIGHT
    return sum(value > 0 for value in found), sum(found) + bonus


def score_place(place: str, entry: ClaimEntry) -> float:
    """How well a claim answers a place: it stands there, or in a row of that table."""
    if entry.claim.place == place:
        return ELSEWHERE_WEIGHT if entry.claim.source else PLACE_WEIGHT
    table = entry.claim.id.partition(".")[0]
    return PLACE_IN_ID_WEIGHT if squash_text(table) == squash_text(place) else 0.0


def score_number(number: str, entry: ClaimEntry) -> float:
    """How well a claim answers a number: printed so, at this step, or somewhere in its words."""
    claim = entry.claim
    if claim.value == number:
        return SAME_NUMBER_WEIGHT + 1
    printed = parse_decimal(claim.value)
    if printed is not None and printed == parse_decimal(number):
        return SAME_NUMBER_WEIGHT
    if claim.sft_step is not None and str(claim.sft_step) == number:
        return STEP_WEIGHT
    source = re.sub(r"v\d+$", "", claim.source)
    texts = [claim.id.replace(".", " "), claim.note, claim.sentence, claim.of, source]
    words = {word.strip(".,;:()%") for text in texts for word in text.split()}
    return NUMBER_IN_TEXT_WEIGHT if number in words else 0.0


def score_word(word: str, entry: ClaimEntry) -> float:
    """How well a claim answers a word: the best of its fields."""
    return max(
        FIELD_WEIGHTS[name] * match_word(word, known)
        for name, words in entry.field_words.items()
        for known in words
    )


def explain_miss(
    query: ClaimQuery, entries: Sequence[ClaimEntry], vocabulary: Sequence[str]
) -> str:
    """No claim matches, and what is near: values, words and ids."""
    near: list[str] = []
    for number in query.numbers:
        near += suggest_values(number, entries)
    for word in query.words:
        near += find_near(word, vocabulary, 2)
    near += find_near(query.text, [entry.claim.id for entry in entries], 2)
    if near:
        hint = f"did you mean {join_names(list(dict.fromkeys(near)), MAX_SUGGESTIONS)}?"
    else:
        hint = "ask with a word, a printed number or a place, or see retu claim --list"
    return f"no claim matches {query.text!r}; {hint}"


def suggest_values(number: str, entries: Sequence[ClaimEntry]) -> list[str]:
    """The printed numbers nearest to one that nothing prints."""
    wanted = parse_decimal(number) or 0.0
    printed = {
        entry.claim.value: value
        for entry in entries
        if (value := parse_decimal(entry.claim.value)) is not None
    }
    return sorted(printed, key=lambda text: (abs(printed[text] - wanted), text))[:2]


def list_claim_ids(prefix: str, entries: Sequence[ClaimEntry]) -> list[str]:
    """The ids of all claims, or of those that begin with a word (`table_4`, `Table 4`).

    Raises:
        InputError: none does; names what there is.
    """
    wanted = squash_text(prefix)
    found = [e.claim.id for e in entries if squash_text(e.claim.id).startswith(wanted)]
    if not found:
        groups = list(dict.fromkeys(entry.claim.id.partition(".")[0] for entry in entries))
        hint = ask_meant(prefix, groups) or f"they begin with {', '.join(groups)}"
        raise InputError(f"no id begins with {prefix!r}; {hint}")
    return found
