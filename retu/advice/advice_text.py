"""An advice in plain words."""

import textwrap
from collections.abc import Sequence

from retu.advice.advice_record import Advice, BranchAdvice, Interval
from retu.core.markdown import align_columns
from retu.core.rounding import round_score
from retu.core.terminal_width import narrow_table, note_left_out
from retu.labeling.subphases import BETWEEN_STABLE, MILD, SEVERE

MOST_SHOWN = 8
WIDTH, TABLE_WIDTH = 100, 110
"""Characters of a line of words, and of the table."""
RIVAL = 0.05
"""Chance of being the best from which another checkpoint is named."""
SHORT_LABELS = {BETWEEN_STABLE: "Between", MILD: "Mild", SEVERE: "Severe"}
NO_NUMBER = "not enough evidence"


def format_advice(advice: Advice, width: int = TABLE_WIDTH) -> str:
    """The whole advice, to be printed on a terminal of so many columns."""
    collapses = [f"{told}." for told in advice.collapses]
    start = [advice.title, "", *format_start(advice), *collapses, ""]
    rest = [
        "",
        "More SFT:",
        *(f"  {told}" for told in advice.sft or [NO_NUMBER + ", no SFT step is known"]),
        "More or better data:",
        f"  {advice.data_size}",
        "",
        "Missing, and the cheapest run that should narrow it:",
        *format_missing(advice),
    ]
    told, more = ([wrap_line(line, min(width, WIDTH)) for line in part] for part in (start, rest))
    return "\n".join([*told, *format_branches(advice, width), *more])


def wrap_line(line: str, width: int = WIDTH) -> str:
    """A sentence as lines of a terminal, those after the first one indented."""
    return textwrap.fill(line, width, subsequent_indent=" " * 5, drop_whitespace=True)


def format_start(advice: Advice) -> list[str]:
    """Where to start, what to expect and the ceiling."""
    if advice.start is None:
        return [f"Start RL from: {advice.reason}"]
    best = next(one for one in advice.branches if one.name == advice.start)
    lines = [f"Start RL from {best.name}{describe_label(best, advice.branches)}: {advice.reason}."]
    if best.at_budget:
        is_alone = sum(one.at_budget is not None for one in advice.branches) == 1
        place = f"the best of all with a chance of {best.chance or 0:.0%}"
        lines.append(
            f"Expect {format_interval(best.at_budget)} at {advice.budget:g} {advice.unit} of RL;"
            f" {'no other RL curve to compare there' if is_alone else place}."
        )
        if loss := describe_rl_loss(best, advice.branches):
            lines.append(f"{capitalise(loss)}.")
    else:
        lines.append(f"Score to expect: {NO_NUMBER}, {best.lacking_reason}.")
    if best.ceiling:
        lines.append(f"Ceiling: {format_interval(best.ceiling)}.")
    else:
        lines.append(f"Ceiling: {NO_NUMBER}, {best.ceiling_reason}.")
    return [*lines, *list_rivals(best, advice.branches)]


def capitalise(sentence: str) -> str:
    """A sentence with a capital, its names as they are."""
    return sentence[:1].upper() + sentence[1:]


def list_rivals(best: BranchAdvice, branches: Sequence[BranchAdvice]) -> list[str]:
    """A sentence on the other checkpoints that may be the best, if any are compared with it."""
    if best.chance is None:
        return []
    rivals = [one for one in branches if one.name != best.name and (one.chance or 0) >= RIVAL]
    rivals.sort(key=lambda one: -(one.chance or 0))
    told = ", ".join(f"{one.name} ({one.chance or 0:.0%})" for one in rivals[:MOST_SHOWN])
    return [f"It may also be {told}."] if rivals else []


def describe_rl_loss(best: BranchAdvice, branches: Sequence[BranchAdvice]) -> str:
    """What speaks for no RL at all; empty where nothing does.

    Args:
        best: the start that is advised, with a score to expect.
        branches: all checkpoints, whether RL was tried from them or not.
    """
    expected = best.at_budget
    scored = [one for one in branches if one.p_sft is not None]
    if expected is None or not scored:
        return ""
    top = max(scored, key=lambda one: (one.p_sft or 0.0, one.name == best.name))
    score = top.p_sft or 0.0
    if score <= expected.high:
        return ""
    if top.name == best.name:
        return f"RL loses points: {top.name} scores {score:.1f} without it, so keep it as it is"
    return f"no RL is better than this: {top.name} scores {score:.1f} without any"


def describe_label(one: BranchAdvice, branches: Sequence[BranchAdvice]) -> str:
    """Sub-phase and how far its loss is from the least of its data set, if known."""
    if one.subphase is None or one.val_loss is None:
        return ""
    losses = [other.val_loss for other in branches if other.dataset == one.dataset]
    above = one.val_loss / min(loss for loss in losses if loss is not None) - 1
    place = f"{above:.1%} above the least" if above else "the least"
    return f" ({one.subphase}: its validation loss is {place} of {one.dataset})"


def format_branches(advice: Advice, width: int = TABLE_WIDTH) -> list[str]:
    """The table of the best branches."""
    ranked = sorted(advice.branches, key=rank_branch)
    more = f"next {advice.step:g}" if advice.step else "next unit"
    at = f"at {advice.budget:g}" if advice.budget else "at budget"
    header = ["checkpoint", "sub-phase", "P_sft", "pass@k", "RL so far", at, more, "ceiling"]
    letters: dict[str, str] = {}
    rows = [header, *(list_cells(one, letters) for one in ranked[:MOST_SHOWN])]
    # A column that says nothing takes the room of one that does.
    filled = [column for column in zip(*rows, strict=True) if {*column[1:]} != {"-"}]
    spare = ("pass@k", "RL so far", more, "P_sft", "sub-phase")
    rows, left_out = narrow_table(list(zip(*filled, strict=True)), width, spare)
    lines = align_columns(rows, [False] * len(rows[0])) + note_left_out(left_out)
    lines += [f"({letter}) {reason}" for reason, letter in letters.items()]
    left = len(ranked) - MOST_SHOWN
    return [*lines, f"({left} more in --json)"] if left > 0 else lines


def rank_branch(one: BranchAdvice) -> tuple[float, float, str]:
    """Highest score expected first, then least validation loss."""
    expected = one.at_budget.median if one.at_budget else -1.0
    return -expected, one.val_loss if one.val_loss is not None else float("inf"), one.name


def list_cells(one: BranchAdvice, letters: dict[str, str]) -> list[str]:
    """The row of one checkpoint; a reason without a ceiling gets a letter, told below the table."""
    ceiling = "-"
    if one.ceiling:
        ceiling = format_interval(one.ceiling)
    elif one.ceiling_reason and one.ceiling_reason != one.lacking_reason:
        letter = letters.setdefault(one.ceiling_reason, "abcdefghij"[len(letters)])
        ceiling = f"none ({letter})"
    label = one.subphase or "-"
    return [
        one.name,
        SHORT_LABELS.get(label, label),
        f"{one.p_sft:.1f}" if one.p_sft is not None else "-",
        f"{one.pass_at_k:.1f} (k {one.k})" if one.pass_at_k is not None else "-",
        f"{one.spent:.3g}" if one.spent else "-",
        format_interval(one.at_budget) if one.at_budget else one.lacking_reason,
        format_interval(one.next_unit, "+") if one.next_unit else "-",
        ceiling,
    ]


def format_interval(interval: Interval, sign: str = "") -> str:
    """Median (low to high)."""
    low, middle, high = (
        format(round_score(value, 1), f"{sign}.1f")
        for value in (interval.low, interval.median, interval.high)
    )
    return f"{middle} ({low} to {high})"


def format_missing(advice: Advice) -> list[str]:
    """What is missing, a line each and its run below."""
    lines = []
    for number, one in enumerate(advice.missing, start=1):
        cost = "" if one.cost is None else f", {one.cost:.3g} {advice.unit} of RL"
        cost = ", no training" if one.cost == 0 else cost
        lines += [f"  {number}. {one.what}: {one.why}", f"     {one.run}{cost}"]
    return lines or ["  nothing"]
