"""Scores in percent: is a column of fractions, of percents, or of rewards?"""

from collections import defaultdict
from collections.abc import Sequence

from retu.core.errors import InputError
from retu.logs.join_points import CurvePoint, describe_place
from retu.logs.log_choice import LogChoice
from retu.logs.metric_keys import normalise_name

# Above 1 and up to here it is more likely a reward with a bonus than percents.
SMALLEST_PERCENT = 2.0


def find_percent_factor(points: Sequence[CurvePoint], choice: LogChoice) -> tuple[float, list[str]]:
    """By what to multiply scores to have percent, and the note that says so.

    Raises:
        InputError: rewards, fractions in one file and percents in another, or a unit that the
            numbers contradict.
    """
    low, high = min(points, key=lambda p: p.score), max(points, key=lambda p: p.score)
    check_bounds(low, high, choice)
    if choice.unit == "fraction" or (choice.unit is None and high.score <= 1):
        said = "as you say" if choice.unit else "as none is above 1; --unit percent if they are not"
        return 100.0, [f"scores are fractions of 1, {said}"]
    if choice.unit is None:
        check_mixture(points)
        return 1.0, [f"scores are percents, as the largest is {high.score:g}"]
    return 1.0, ["scores are percents, as you say"]


def check_bounds(low: CurvePoint, high: CurvePoint, choice: LogChoice) -> None:
    """Refuse what no share of right answers can be."""
    remedy = (
        "; a ceiling is fitted to shares of right answers: choose another --metric, or convert it"
    )
    if low.score < 0:
        raise InputError(f"{describe_place(low)}: {low.key} is {low.score:g}, a reward{remedy}")
    if high.score > 100:
        raise InputError(
            f"{describe_place(high)}: {high.key} is {high.score:g}, above 100%{remedy}"
        )
    if choice.unit == "fraction" and high.score > 1:
        raise InputError(
            f"{describe_place(high)}: {high.key} is {high.score:g}, above 1, and --unit says"
            " fraction; say --unit percent, or choose another --metric"
        )
    is_reward = "reward" in normalise_name(high.key)
    if choice.unit is None and high.score > 1 and (is_reward or high.score <= SMALLEST_PERCENT):
        raise InputError(
            f"{describe_place(high)}: {high.key} goes up to {high.score:g}: a reward rather than"
            " percents; choose another --metric, or say --unit percent"
        )


def check_mixture(points: Sequence[CurvePoint]) -> None:
    """Refuse curves of which some look like fractions while others are percents."""
    largest: dict[tuple[str, str], CurvePoint] = defaultdict(lambda: points[0])
    for point in points:
        key = (point.curve, point.entry.source)
        if key not in largest or point.score > largest[key].score:
            largest[key] = point
    for point in largest.values():
        if 0 < point.score <= 1:
            other = max(largest.values(), key=lambda p: p.score)
            raise InputError(
                f"{point.entry.source}: the scores of {point.curve} go up to {point.score:g}, those"
                f" of {other.curve} in {other.entry.source} to {other.score:g}: fractions and"
                " percents; convert one, or say --unit percent if all are percents"
            )
