"""Branches from the points of anyone's logs: where each starts, how uncertain its scores are."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from retu.core.errors import InputError
from retu.core.text import join_names
from retu.scaling.branch import Branch, make_branch
from retu.scaling.law import SCORE_MAX, FloatArray
from retu.scaling.measured_branches import MeasuredBranch
from retu.scaling.sampling_noise import compute_score_error

EARLY_START = 0.1
"""A first evaluation at up to this share of the last x may stand for the start of RL. On planted
curves whose first 2, 5 and 10% are missing, 91 to 98% of the intervals of A_post still held; of the
ceilings called identified 6 of 83, 10 of 73 and 5 of 57 were missed, 1 of 77 with the start."""
COUNTED = ("n_problems", "n_samples", "error")


def make_logged_branches(
    points: pd.DataFrame, start_score: float | None = None
) -> tuple[list[MeasuredBranch], list[str]]:
    """The branches of the points of logs, in the order in which they first come.

    The law begins with the model that RL starts from, x = 0. A curve whose first evaluation comes
    later takes `start_score`, if it is given. Without it, a first evaluation within `EARLY_START`
    of the last x is taken for x = 0.

    Args:
        points: columns curve, x and score (percent); where known n_problems and n_samples
            (answers per problem), else error (standard error of the score, points).
        start_score: score at x = 0 of the curves that have none, percent; others keep theirs.

    Returns:
        The branches, and what was assumed of their starts, in a sentence if anything was.

    Raises:
        InputError: no points, a curve that starts far from x = 0, counts or errors for some of
            its points only, or what `make_branch` refuses; names the curve.
    """
    if points.empty:
        raise InputError("no points; give at least one curve")
    branches, late, started = [], {}, []
    for name, rows in points.groupby("curve", sort=False):
        try:
            first = float(rows["x"].min())
            if first > 0:
                late[str(name)] = first
                rows = add_start(rows, start_score)
            elif start_score is not None:
                started.append(str(name))
            branches.append(MeasuredBranch({"curve": name}, np.nan, make_logged_branch(rows)))
        except InputError as problem:
            raise InputError(f"curve {name}: {problem}") from problem
    return branches, describe_starts(late, started, start_score)


def add_start(rows: pd.DataFrame, start_score: float | None) -> pd.DataFrame:
    """The rows of a curve that starts after x = 0, with a start.

    Raises:
        InputError: its first evaluation comes too late to stand for one.
    """
    points = rows.sort_values("x", kind="stable")
    if start_score is not None:
        return pd.concat([points.head(1).assign(x=0.0, score=start_score), points])
    first, last = float(points["x"].iloc[0]), float(points["x"].iloc[-1])
    if first > EARLY_START * last:
        raise InputError(
            f"starts at x = {first:g}, {first / last:.0%} of the way to its end; the law needs the"
            " score of the model that RL starts from: add it as x = 0, or give it by --start"
        )
    return points.assign(x=points["x"].where(np.arange(len(points)) > 0, 0.0))


def describe_starts(
    late: Mapping[str, float], started: Sequence[str], start_score: float | None
) -> list[str]:
    """What was assumed of the starts.

    Args:
        late: the first x of the curves whose first evaluation comes at an x above 0.
        started: the curves that have a score at x = 0 although the user gives one.
        start_score: what the user gives, percent.
    """
    kept = [f"{join_names(started, 3)}: the score at x = 0 is in the points and wins over --start"]
    kept = kept if started else []
    if not late:
        return kept
    names, reach = join_names(list(late), 3), max(late.values())
    if start_score is not None:
        told = f"{names}: no score at x = 0; taken to be {start_score:g} percent, as --start says"
        return [told, *kept]
    return [
        f"{names}: no score at x = 0; the first evaluation, at x = {reach:g} or before, is taken"
        " for the start of RL (--start gives another score)"
    ]


def make_logged_branch(rows: pd.DataFrame) -> Branch:
    """One branch, with the errors of its scores."""
    points = rows.sort_values("x", kind="stable")
    problems, samples, error = (read_known_column(points, name) for name in COUNTED)
    if problems is None:
        return make_branch(points["x"], points["score"], error)
    answers = problems * (1.0 if samples is None else samples)
    if not ((problems >= 1) & (answers >= problems)).all():
        raise InputError("n_problems and n_samples must be at least 1")
    score = points["score"].to_numpy(np.float64)
    error = compute_score_error(score[:, None], problems[:, None], answers[:, None])
    return make_branch(points["x"], score, error, SCORE_MAX / float(answers.min()))


def read_known_column(points: pd.DataFrame, name: str) -> FloatArray | None:
    """A column of numbers, shape (n,), or None where none of them is known.

    Raises:
        InputError: known for some points only.
    """
    if name not in points or points[name].isna().all():
        return None
    missing = points[name].isna().to_numpy()
    if missing.any():
        at = points["x"].iloc[int(np.argmax(missing))]
        raise InputError(f"{name} is missing at x = {at:g}; give it at every point or at none")
    return points[name].to_numpy(np.float64)
