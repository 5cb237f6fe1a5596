"""An advice in plain words."""

import textwrap

from retu.advice.advice_record import Advice, BranchAdvice, Interval
from retu.core.markdown import align_columns
from retu.core.rounding import round_score

MOST_SHOWN = 8
WIDTH = 100
"""Characters of a line of words; the table is as wide as it has to be."""
NO_NUMBER = "not enough evidence"


def format_advice(advice: Advice) -> str:
    """The whole advice, to be printed."""
    collapses = [f"{told}." for told in advice.collapses]
    start = [advice.title, "", *format_start(advice), *collapses, ""]
    rest = [
        "",
        "More SFT:",
        *(f"  {told}" for told in advice.sft or [NO_NUMBER + ", no SFT step is known"]),
        "More or better data:",
        f"  {advice.data_size}",
        "",
        "Missing, and the cheapest run that would settle it:",
        *format_missing(advice),
        *(f"note: {note}" for note in advice.notes),
    ]
    return "\n".join([*map(wrap_line, start), *format_branches(advice), *map(wrap_line, rest)])


def wrap_line(line: str) -> str:
    """A sentence as lines of a terminal, those after the first one indented."""
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * 5, drop_whitespace=True)


def format_start(advice: Advice) -> list[str]:
    """Where to start, what to expect and the ceiling."""
    if advice.start is None:
        return [f"Start RL from: {advice.reason}"]
    best = next(one for one in advice.branches if one.name == advice.start)
    lines = [f"Start RL from {best.name}{describe_label(best)}: {advice.reason}."]
    if best.at_budget:
        lines.append(
            f"Expect {format_interval(best.at_budget)} at {advice.budget:g} {advice.unit} of RL;"
            f" the best of all with a chance of {best.chance or 0:.0%}."
        )
    else:
        lines.append(f"Score to expect: {NO_NUMBER}, {best.lacking}.")
    if best.ceiling:
        lines.append(f"Ceiling: {format_interval(best.ceiling)}.")
    else:
        lines.append(f"Ceiling: {NO_NUMBER}, {best.ceiling_reason}.")
    rivals = [one for one in advice.branches if one.name != best.name and (one.chance or 0) >= 0.05]
    rivals.sort(key=lambda one: -(one.chance or 0))
    if rivals:
        told = ", ".join(f"{one.name} ({one.chance or 0:.0%})" for one in rivals[:MOST_SHOWN])
        lines.append(f"It may also be {told}.")
    return lines


def describe_label(one: BranchAdvice) -> str:
    """Sub-phase and margin, if known."""
    if one.subphase is None or one.margin_stable is None:
        return ""
    return f" ({one.subphase}, L / L_min {one.margin_stable:+.4f} from the Stable line)"


def format_branches(advice: Advice) -> list[str]:
    """The table of the best branches."""
    ranked = sorted(advice.branches, key=rank_branch)
    more = f"next {advice.step:g}" if advice.step else "next unit"
    at = f"at {advice.budget:g}" if advice.budget else "at budget"
    header = ["checkpoint", "sub-phase", "P_sft", "pass@k", "RL so far", at, more, "ceiling"]
    rows = [header, *(list_cells(one) for one in ranked[:MOST_SHOWN])]
    lines = align_columns(rows, [False] * len(header))
    left = len(ranked) - MOST_SHOWN
    return [*lines, f"({left} more in --json)"] if left > 0 else lines


def rank_branch(one: BranchAdvice) -> tuple[float, float, str]:
    """Highest score expected first, then least validation loss."""
    expected = one.at_budget.median if one.at_budget else -1.0
    return -expected, one.val_loss if one.val_loss is not None else float("inf"), one.name


def list_cells(one: BranchAdvice) -> list[str]:
    """The row of one checkpoint."""
    return [
        one.name,
        one.subphase or "-",
        f"{one.p_sft:.1f}" if one.p_sft is not None else "-",
        f"{one.pass_at_k:.1f} (k {one.k})" if one.pass_at_k is not None else "-",
        f"{one.spent:.3g}" if one.spent else "-",
        format_interval(one.at_budget) if one.at_budget else one.lacking,
        format_interval(one.next_unit, "+") if one.next_unit else "-",
        format_interval(one.ceiling) if one.ceiling else one.ceiling_reason or "-",
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
