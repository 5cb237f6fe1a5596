"""What the cards of a study's page say: one question each, its answer first, what it rests on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retu.advice.advice_record import Finding, PoolAnswer, StudyAnswer
from retu.reporting.answer_words import arrange_answers
from retu.reporting.short_answer import CEILING, GAIN, START, list_short_lines
from retu.reporting.study_answer import AnswerPart

STOP, NEXT = "Stop SFT", "Next run"
QUESTIONS = {START: "start", GAIN: "gain", CEILING: "gain", NEXT: "next"}
PARTS = {
    "Which paradigm": "paradigm",
    "When to switch": "switch",
    "Which data": "data",
    "What ceiling": "ceiling",
}
NAMES = ("answer", "stop", "start", "gain", "next", *PARTS.values())
MOST_VERDICT_LINES = 3
SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z])")
ASIDE = re.compile(r" \([^()]*\)")


@dataclass(frozen=True)
class CardLine:
    """One line of a card: whom it is about, what is answered, on what, and whether it is weak."""

    label: str
    text: str
    evidence: str = ""
    weak: bool = False


@dataclass(frozen=True)
class Card:
    """The lines of a card."""

    lines: tuple[CardLine, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a page says first: whom it is about, three lines, and what to do next."""

    title: str
    lines: tuple[CardLine, ...]
    advice: str


def summarise_answer(answer: StudyAnswer) -> Verdict:
    """The first pool's answer in three lines, and the run that it advises."""
    opened = arrange_answers(answer).opened
    if not opened:
        return Verdict("", (CardLine("", "Not enough evidence: no SFT checkpoint is scored."),), "")
    pool = opened[0]
    told = [CardLine(label, *split_sentence(text)) for label, text in list_short_lines(answer)]
    if not told:
        told = [make_line("", one) for one in pool.findings[:MOST_VERDICT_LINES]]
    advice = next((one.answer for one in pool.findings if one.question == NEXT), "")
    return Verdict(pool.sft_of, tuple(told), advice)


def split_sentence(text: str) -> tuple[str, str]:
    """The first sentence, and the rest."""
    first, *rest = SENTENCE_END.split(text, maxsplit=1)
    return first, " ".join(rest)


def arrange_cards(
    pools: Sequence[PoolAnswer], comparisons: Mapping[str, Sequence[AnswerPart]]
) -> dict[str, Card]:
    """The cards by name (`NAMES`); one without lines has nothing to say.

    Args:
        pools: the answers that stand open.
        comparisons: what data sets, starts and paradigms say against each other, by model.
    """
    lines: dict[str, list[CardLine]] = {name: [] for name in NAMES}
    for pool in pools:
        title = pool.title if len(pools) > 1 else ""
        for finding in pool.findings:
            lines[name_card(finding)].append(make_line(title, finding))
    for model, parts in comparisons.items():
        label = model if len(comparisons) > 1 else ""
        for part in parts:
            lines[PARTS[part.question]].append(shorten_part(part, label))
    return {name: Card(tuple(told)) for name, told in lines.items()}


def name_card(finding: Finding) -> str:
    """The card that a finding belongs to."""
    if finding.question.startswith(STOP):
        return "stop"
    return QUESTIONS.get(finding.question, "answer")


def make_line(title: str, finding: Finding) -> CardLine:
    """A finding as a line, named by its pool and by what it is about."""
    about = finding.question
    if about in (START, NEXT):
        about = ""
    label = ": ".join(part for part in (title, about.removeprefix(f"{STOP} on ")) if part)
    return CardLine(label, finding.answer, finding.evidence, finding.weak)


def shorten_part(part: AnswerPart, label: str = "") -> CardLine:
    """The first sentence without what stands in brackets; all of it as evidence."""
    first = ASIDE.sub("", split_sentence(part.text)[0])
    return CardLine(label, first, part.text if part.text != first else "", part.weak)
