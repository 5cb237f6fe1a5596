"""From files of any tool to curves in percent, or one line that says what is missing."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from retu.core.errors import InputError
from retu.core.text import format_quantity, join_names
from retu.logs.choose_axis import Axis, choose_axis
from retu.logs.choose_measure import MeasuredEntry, choose_measure, list_counts
from retu.logs.join_points import CurvePoint, describe_place, join_points
from retu.logs.log_choice import POINT_COLUMNS, LogChoice, LogReading, check_choice
from retu.logs.log_entries import NAN, ToolLog
from retu.logs.log_files import describe_files, list_log_files
from retu.logs.log_formats import find_format
from retu.logs.score_units import find_percent_factor


def read_logs(paths: Sequence[Path], choice: LogChoice | None = None) -> LogReading:
    """Read the curves of scores that logs, results or tables hold.

    Args:
        paths: files and folders of one tool; folders are searched. Several result files, one a
            checkpoint, or the parts of a resumed run become one curve.
        choice: what the user says; nothing that has two answers is picked for them.

    Returns:
        The points of all curves with scores in percent, the unit of x, and what was assumed.

    Raises:
        InputError: a file cannot be read, is of no known format, or could be read in two ways;
            says where, lists what there is, and names the flag that decides.
    """
    choice = choice or LogChoice()
    check_choice(choice)
    kind, files, notes = find_format(list_log_files(paths), choice)
    where = describe_files(files)
    log = kind.read(files, choice)
    log = choose_runs(log, choice, where)
    found = choose_measure(log, choice, where)
    metric, name = found[0].measure.metric, found[0].measure.evaluation_set
    axis, axis_notes = choose_axis(found, choice, where)
    curves = name_curves(found, log, choice, where)
    points, join_notes = join_curves(curves, axis, choice, log.is_table, where)
    factor, unit_notes = find_percent_factor(points, choice)
    problems, samples, count_notes = count_answers(points, choice)
    notes += [
        f"score is {metric}" + (f" of {name}" if name else ""),
        *list_scoreless_runs(log, found),
        *(*axis_notes, *unit_notes, *log.notes, *join_notes, *count_notes),
        *(*check_shares(points, factor, choice), *list_copies(points)),
    ]
    rows = [
        make_row(point, factor, *counts)
        for point, *counts in zip(points, problems, samples, strict=True)
    ]
    table = pd.DataFrame(rows, columns=list(POINT_COLUMNS))
    return LogReading(table, axis.unit, tuple(notes), wrote_fractions=factor != 1.0)


def choose_runs(log: ToolLog, choice: LogChoice, where: str) -> ToolLog:
    """The log without runs that the user did not name.

    Raises:
        InputError: a run that is not there.
    """
    if not choice.runs:
        return log
    counts = Counter(entry.run for entry in log.entries)
    labels = {run: {run, log.run_names.get(run, run)} for run in counts}
    for name in choice.runs:
        if not any(name in known for known in labels.values()):
            listed = {" = ".join(sorted(labels[run])): count for run, count in counts.items()}
            told = f"no run {name!r}; --run can be: {list_counts(listed, name)}"
            raise InputError(f"{where}: {told}")
    kept = [entry for entry in log.entries if labels[entry.run] & set(choice.runs)]
    return ToolLog(kept, log.notes, log.run_names, log.is_table)


def list_scoreless_runs(log: ToolLog, found: Sequence[MeasuredEntry]) -> list[str]:
    """A note on the runs that do not have the chosen score."""
    without = {entry.run for entry in log.entries} - {item.entry.run for item in found}
    names = join_names(sorted(log.run_names.get(run, run) for run in without), 4)
    return [f"{format_quantity(len(without), 'run')} without it left out: {names}"] if names else []


def name_curves(
    found: Sequence[MeasuredEntry], log: ToolLog, choice: LogChoice, where: str
) -> dict[str, list[MeasuredEntry]]:
    """The entries of each curve by its name; of joined runs, one after the other.

    Raises:
        InputError: two runs have one name, and the user did not choose one by its id.
    """
    runs: dict[str, list[MeasuredEntry]] = defaultdict(list)
    for item in found:
        runs[item.entry.run].append(item)
    names = {run: log.run_names.get(run, run) for run in runs}
    if choice.join:
        return {next(iter(names.values())): list(found)}
    for run, name in names.items():
        same = [other for other, known in names.items() if known == name]
        if len(same) > 1 and not set(same) <= set(choice.runs):
            ranges = ", ".join(f"{other} ({describe_range(runs[other])})" for other in same)
            raise InputError(
                f"{where}: {len(same)} runs are called {name!r}: {ranges}; choose by --run ID, or"
                " say --join if one is the other resumed"
            )
        if len(same) > 1:
            names[run] = f"{name} ({run})"
    return {names[run]: items for run, items in runs.items()}


def describe_range(found: Sequence[MeasuredEntry]) -> str:
    """Number of points, and the first and last x of some entries."""
    axes = [next(iter(item.entry.axes.items()), ("x", NAN)) for item in found]
    values = [value for _, value in axes]
    return (
        f"{format_quantity(len(found), 'point')}, {axes[0][0]} {min(values):g} to {max(values):g}"
    )


def join_curves(
    curves: dict[str, list[MeasuredEntry]],
    axis: Axis,
    choice: LogChoice,
    is_table: bool,
    where: str,
) -> tuple[list[CurvePoint], list[str]]:
    """The points of all curves, by curve then x, and notes.

    Raises:
        InputError: no score is a number.
    """
    points: list[CurvePoint] = []
    notes: list[str] = []
    runs = {item.entry.run for items in curves.values() for item in items}
    if choice.join and len(runs) == 1:
        notes.append("--join does nothing: there is one run")
    for name, items in sorted(curves.items()):
        joined, told = join_points(name, items, axis, choice, is_table)
        if points and joined and not is_table and is_continued(points, joined):
            notes.append(
                f"{name} goes on where {points[-1].curve} ends: if it is the same run resumed, say"
                " --join"
            )
        points.extend(joined)
        notes.extend(told)
    if not points:
        raise InputError(
            f"{where}: none of its {sum(map(len, curves.values()))} scores is a number; choose"
            " another --metric, or give another run"
        )
    return points, notes


def is_continued(points: Sequence[CurvePoint], later: Sequence[CurvePoint]) -> bool:
    """Whether a curve begins and ends later than the last curve of `points`."""
    last = [point.x for point in points if point.curve == points[-1].curve]
    return later[0].x > last[0] and later[-1].x > last[-1]


def count_answers(
    points: Sequence[CurvePoint], choice: LogChoice
) -> tuple[list[float], list[float], list[str]]:
    """Problems, and answers per problem, of each point; a note on problems that are not known.

    Raises:
        InputError: the log knows another number than the user says.
    """
    problems = [p.entry.n_problems.get(p.key, p.entry.n_problems.get("", NAN)) for p in points]
    problems = merge_counts(points, problems, choice.n_problems, "--n-problems")
    samples = merge_counts(points, [p.n_samples for p in points], choice.n_samples, "--n-samples")
    unknown = sum(map(math.isnan, problems))
    notes = [
        f"{format_quantity(unknown, 'point')} without a number of problems; --n-problems says it"
    ]
    return problems, samples, notes if unknown else []


def check_shares(points: Sequence[CurvePoint], factor: float, choice: LogChoice) -> list[str]:
    """A note on a score that is no share of the answers that the user says, as far as rounded."""
    if choice.n_problems is None:
        return []
    answers = choice.n_problems * (choice.n_samples or 1)
    digits = max(len(f"{point.score:.9g}".partition(".")[2]) for point in points)
    for point in points:
        right = point.score * factor / 100 * answers
        if abs(right - round(right)) > 0.5 * 10**-digits * factor / 100 * answers + 1e-6:
            return [
                f"{describe_place(point)}: {point.score:g} is no share of"
                f" {format_quantity(answers, 'answer')}: correct --n-problems, or say by --samples"
                " how often each is answered"
            ]
    return []


def list_copies(points: Sequence[CurvePoint]) -> list[str]:
    """A note on each set of curves that have the same points, if more than two."""
    curves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for point in points:
        curves[point.curve].append((point.x, point.score))
    same: dict[tuple[tuple[float, float], ...], list[str]] = defaultdict(list)
    for name, known in curves.items():
        same[tuple(known)].append(name)
    return [
        f"{join_names(names, 3)} have the same {len(known)} points; if one is a copy, leave it out"
        for known, names in same.items()
        if len(names) > 1 and len(known) > 2
    ]


def merge_counts(
    points: Sequence[CurvePoint], logged: list[float], said: int | None, flag: str
) -> list[float]:
    """What the user says, unless the log knows another number."""
    for point, count in zip(points, logged, strict=True):
        if count < 1:
            raise InputError(
                f"{describe_place(point)}: {count:g} is no number of problems or answers; correct"
                " it, or leave it empty"
            )
    if said is None:
        return logged
    for point, count in zip(points, logged, strict=True):
        if not math.isnan(count) and count != said:
            raise InputError(
                f"{describe_place(point)}: the log says {count:g}, and {flag} {said}; leave the"
                " flag out"
            )
    return [float(said)] * len(points)


def make_row(
    point: CurvePoint, factor: float, n_problems: float, n_samples: float
) -> dict[str, object]:
    """A point as a row of the table."""
    error = point.entry.errors.get(point.key, NAN)
    values = (point.curve, point.x, point.score * factor, error * factor, n_problems, n_samples)
    return dict(zip(POINT_COLUMNS, (*values, point.entry.source), strict=True))
