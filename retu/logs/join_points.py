"""From measured entries to the points of a curve: repeats of a restarted run, missing values."""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retu.core.errors import InputError
from retu.core.text import format_quantity
from retu.logs.choose_axis import Axis
from retu.logs.choose_measure import MeasuredEntry
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import LogEntry

CLOSE = 1e-9  # relative: the same number, written by two tools


@dataclass(frozen=True)
class CurvePoint:
    """A score at an x, in the units of the log."""

    curve: str
    x: float
    score: float
    entry: LogEntry
    key: str
    n_samples: float

    def is_same(self, other: "CurvePoint") -> bool:
        """Whether it is the same score at the same x."""
        return self.x == other.x and math.isclose(self.score, other.score, rel_tol=CLOSE)


def join_points(
    curve: str, found: Sequence[MeasuredEntry], axis: Axis, choice: LogChoice, is_table: bool
) -> tuple[list[CurvePoint], list[str]]:
    """The points of one curve by x, one at each, and notes on what was left out.

    A later part that begins before the end of an earlier one is a run that was resumed: it
    supersedes the points that it repeats.

    Raises:
        InputError: an x below 0, two values at one x that no resumption explains, or a table whose
            x goes back.
    """
    points = [
        CurvePoint(curve, axis.read_value(i.entry), i.value, i.entry, i.key, measure_samples(i))
        for i in found
    ]
    kept = [p for p in points if math.isfinite(p.score) and math.isfinite(p.x)]
    notes = count_missing(curve, points)
    refuse_negative(kept, axis)
    parts = split_parts(kept)
    by_x: dict[float, list[tuple[int, CurvePoint]]] = defaultdict(list)
    for number, part in enumerate(parts):
        for point in part:
            if not any(point.is_same(other) for at, other in by_x[point.x] if at == number):
                by_x[point.x].append((number, point))
    copies = len(kept) - sum(map(len, by_x.values()))
    if copies:
        notes.append(f"{curve}: {format_quantity(copies, 'point')} written twice, counted once")
    repeated = {x: there for x, there in by_x.items() if len(there) > 1}
    differing = [x for x, there in repeated.items() if not is_one_score(there)]
    if choice.repeated is None:
        check_repeats(parts, repeated, differing, is_table)
    superseded = sum(len(by_x[x]) - 1 for x in differing)
    if superseded:
        notes.append(
            f"{curve}: {superseded} of {len(kept)} points superseded by later ones at the same x"
        )
    return [by_x[x][-1][1] for x in sorted(by_x)], notes


def refuse_negative(points: Sequence[CurvePoint], axis: Axis) -> None:
    """InputError for an x below 0."""
    for point in points:
        if point.x < 0:
            raise InputError(
                f"{describe_place(point)}: {axis.name} is {point.x:g}; x counts from 0, the model"
                " that RL starts from: correct it"
            )


def measure_samples(item: MeasuredEntry) -> float:
    """Answers per problem, by the key or else by the entry."""
    of_key = item.measure.n_samples
    return item.entry.n_samples if math.isnan(of_key) else of_key


def count_missing(curve: str, points: Sequence[CurvePoint]) -> list[str]:
    """Notes on the points that have no score or no x."""
    scoreless = [p for p in points if not math.isfinite(p.score)]
    placeless = [p for p in points if math.isfinite(p.score) and not math.isfinite(p.x)]
    notes = []
    for missing, what in ((scoreless, "a number"), (placeless, "a finite x")):
        if missing:
            first = missing[0].entry.place
            place = f", the first at {first}" if first else ""
            count = format_quantity(len(missing), "point")
            notes.append(f"{curve}: {count} without {what} left out{place}")
    return notes


def split_parts(points: Sequence[CurvePoint]) -> list[list[CurvePoint]]:
    """Cut where x goes back, or the log says that the run was resumed."""
    parts: list[list[CurvePoint]] = []
    for point in points:
        last = parts[-1][-1] if parts else point
        if not parts or point.x < last.x or point.entry.part != last.entry.part:
            parts.append([])
        parts[-1].append(point)
    return parts


def is_one_score(there: Sequence[tuple[int, CurvePoint]]) -> bool:
    """Whether all points at an x say the same."""
    return all(point.is_same(there[0][1]) for _, point in there)


def check_repeats(
    parts: Sequence[Sequence[CurvePoint]],
    repeated: Mapping[float, Sequence[tuple[int, CurvePoint]]],
    differing: Sequence[float],
    is_table: bool,
) -> None:
    """Refuse two values at one x unless a resumed run explains them, and unsorted tables."""
    for x in differing:
        numbers = [number for number, _ in repeated[x]]
        if len(set(numbers)) < len(numbers):
            first, second = [p for n, p in repeated[x] if numbers.count(n) > 1][:2]
            raise InputError(
                f"{describe_pair(first, second)}; name what tells them apart by --group, --set or"
                " --run, or say --repeated last"
            )
    for before, after in itertools.pairwise(parts):
        begin = after[0]
        if is_table and not set(repeated) & {p.x for p in after}:
            raise InputError(
                f"{begin.entry.source}: {begin.entry.place}: x goes back from {before[-1].x:g} to"
                f" {begin.x:g} and repeats nothing; sort the rows by x, or name the column that"
                " tells curves apart by --group"
            )
        if begin.x <= parts[0][0].x and differing:
            first = next(p for p in before if p.x >= begin.x)
            raise InputError(
                f"{describe_place(begin)}: x goes back to its start ({first.x:g} to {begin.x:g}):"
                " two runs, or one that began anew; tell them apart by --group or --run, or say"
                " --repeated last"
            )


def describe_pair(first: CurvePoint, second: CurvePoint) -> str:
    """Two values at one x, with their places."""
    return (
        f"{describe_place(second)}: {second.key} has two values at x = {first.x:g}:"
        f" {first.score:g} ({first.entry.place or first.entry.source}) and {second.score:g}"
    )


def describe_place(point: CurvePoint) -> str:
    """The file of a point and where it is in it."""
    entry = point.entry
    return f"{entry.source}: {entry.place}" if entry.place else entry.source
