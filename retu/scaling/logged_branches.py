"""Branches from the points of anyone's logs: where each starts, how uncertain its scores are."""

import numpy as np
import pandas as pd

from retu.core.errors import InputError
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
        start_score: score at x = 0 of the curves that have none, percent.

    Returns:
        The branches, and a sentence for every curve of which something was assumed.

    Raises:
        InputError: no points, a curve that starts far from x = 0, counts or errors for some of
            its points only, or what `make_branch` refuses; names the curve.
    """
    if points.empty:
        raise InputError("no points; give at least one curve")
    branches, notes = [], []
    for name, rows in points.groupby("curve", sort=False):
        try:
            branch, note = make_logged_branch(rows, start_score)
        except InputError as problem:
            raise InputError(f"curve {name}: {problem}") from problem
        branches.append(MeasuredBranch({"curve": name}, np.nan, branch))
        notes += [f"curve {name}: {note}"] if note else []
    return branches, notes


def make_logged_branch(rows: pd.DataFrame, start_score: float | None) -> tuple[Branch, str]:
    """One branch, and what was assumed of its start."""
    points = rows.sort_values("x", kind="stable")
    note = ""
    if points["x"].iloc[0] > 0 and start_score is not None:
        note = f"its start, x = 0, has the given score {start_score:g}"
        first = points.head(1).assign(x=0.0, score=start_score)
        points = pd.concat([first, points])
    elif points["x"].iloc[0] > 0:
        note = explain_early_start(points["x"].to_numpy(np.float64))
        points = points.assign(x=points["x"].where(np.arange(len(points)) > 0, 0.0))
    problems, samples, error = (read_known_column(points, name) for name in COUNTED)
    if problems is None:
        return make_branch(points["x"], points["score"], error), note
    answers = problems * (1.0 if samples is None else samples)
    if not ((problems >= 1) & (answers >= problems)).all():
        raise InputError("n_problems and n_samples must be at least 1")
    score = points["score"].to_numpy(np.float64)
    error = compute_score_error(score[:, None], problems[:, None], answers[:, None])
    return make_branch(points["x"], score, error, SCORE_MAX / float(answers.min())), note


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


def explain_early_start(x: FloatArray) -> str:
    """Say that the first evaluation stands for x = 0.

    Raises:
        InputError: it comes too late for that.
    """
    share = x[0] / x[-1]
    if share <= EARLY_START:
        return (
            f"no score at x = 0; its first evaluation, at x = {x[0]:g}, is taken for the start of"
            " RL (--start gives another score)"
        )
    raise InputError(
        f"starts at x = {x[0]:g}, {share:.0%} of the way to its end; the law needs the score of"
        " the model that RL starts from: add it as x = 0, or give it by --start"
    )
