"""The answer of a study in three lines: where to start RL, what to expect, and how sure that is."""

import textwrap
from collections.abc import Sequence

from retu.advice.advice_record import BranchAdvice, PoolAnswer, StudyAnswer
from retu.core.markdown import format_number
from retu.reporting.answer_words import arrange_answers
from retu.scaling.power import MOST_REPLICATES, count_seeds_needed

SEED_SCATTER = 4.7
"""Points by which the difference of two starts scatters between seeds, standard deviation: the
median of the pairs in docs/lab_science_curves.csv. It differs from pair to pair, 0.3 to 15.9."""
LEVEL = 0.05
START, GAIN, CEILING = "Start RL", "Gain of RL", "Ceiling"


def list_short_lines(answer: StudyAnswer) -> list[tuple[str, str]]:
    """Three lines on the first pool, each with its name; none where nothing can be said."""
    opened = arrange_answers(answer).opened
    if not opened or opened[0].advice is None:
        return []
    pool = opened[0]
    told = {finding.question: finding for finding in pool.findings}
    if START not in told:
        return []
    expected = "; ".join(
        f"{'gain' if name == GAIN else 'ceiling'} {told[name].answer}"
        for name in (GAIN, CEILING)
        if name in told
    )
    return [
        (START, told[START].answer),
        ("Expect", expected or "nothing that the data could tell"),
        ("How sure", describe_certainty(pool, count_seeds(answer, pool))),
    ]


def format_short_answer(answer: StudyAnswer, width: int) -> str:
    """Three lines on the first pool, longer ones wrapped; empty where none can be said."""
    lines = list_short_lines(answer)
    if not lines:
        return ""
    wrapped = [
        part
        for name, text in lines
        for part in textwrap.wrap(
            f"{name}: {text}",
            width,
            initial_indent="  ",
            subsequent_indent=" " * 4,
            break_on_hyphens=False,
        )
    ]
    title = arrange_answers(answer).opened[0].sft_of
    return "\n".join([f"In short ({title}):", *wrapped]) + "\n"


def count_seeds(answer: StudyAnswer, pool: PoolAnswer) -> int:
    """With how many seeds the pool's model was run."""
    model = pool.sft_of.rpartition(",")[0]
    return len({one.sft_of for one in answer.pools if one.sft_of.rpartition(",")[0] == model})


def describe_certainty(pool: PoolAnswer, seeds: int) -> str:
    """How far the start is ahead of the next, and how many seeds would settle that.

    Without a start, as where none leads clearly, of the two of which most is expected.
    """
    ranked = rank_starts(pool.advice.branches if pool.advice else [])
    ran = "one seed" if seeds == 1 else f"{seeds} seeds, each judged alone"
    if len(ranked) < 2:
        return f"{ran}, and no second start to compare it with"
    start = pool.advice.start if pool.advice else None
    first = next((one for one in ranked if one[0] == start), ranked[0])
    other = next(one for one in ranked if one is not first)
    lead = max(0.0, first[1] - other[1])
    needed = count_seeds_needed(lead, SEED_SCATTER, LEVEL)
    enough = f"{needed} seeds" if needed else f"more than {MOST_REPLICATES} seeds"
    points = format_number(lead)
    told = (
        f"the next start, {other[0]}, is {points} points behind"
        if first[0] == start
        else f"{first[0]} is {points} points ahead of {other[0]}"
    )
    return (
        f"{ran}; {told}. Where the difference scatters by {format_number(SEED_SCATTER)} points"
        f" between seeds, as in lab_science, {enough} would settle it"
    )


def rank_starts(branches: Sequence[BranchAdvice]) -> list[tuple[str, float]]:
    """Names and expected scores, percent, of branches that have one, the highest first."""
    known = [(one.name, one.at_budget.median) for one in branches if one.at_budget is not None]
    return sorted(known, key=lambda pair: -pair[1])
