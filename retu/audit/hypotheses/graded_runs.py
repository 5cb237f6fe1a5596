"""From graded answers of a run to what hypotheses compare: final score, drawdown, pass@k."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from retu.audit.hypotheses.problem_draws import ProblemDraws
from retu.core.arrays import FloatArray
from retu.core.errors import InputError
from retu.core.run_paths import Run, locate_runs
from retu.core.tables import read_table

PROBLEM = ["benchmark", "problem_id"]
SMOOTHED = 3
"""Evaluations of the moving average from which a drawdown is read."""


@dataclass(frozen=True)
class GradedRun:
    """Answers of one run to the problems that count.

    Attributes:
        shares: share of right samples; index benchmark and problem_id (sorted), a column a step.
        any_right: the same, 1 where any sample is right.
        samples: samples of each problem.
    """

    run: Run
    shares: pd.DataFrame
    any_right: pd.DataFrame
    samples: pd.Series

    @property
    def problems(self) -> pd.MultiIndex:
        """The problems that it answered."""
        return pd.MultiIndex.from_tuples(self.shares.index.tolist(), names=PROBLEM)

    @property
    def steps(self) -> list[int]:
        """The steps of its evaluations, in order."""
        return [int(step) for step in self.shares.columns]


def read_graded_runs(paths: Sequence[Path], left_out: Collection[str]) -> list[GradedRun]:
    """Read grades.parquet of runs; the rungs of a branch are one run.

    Raises:
        InputError: a missing file or column, files of several studies, or runs that answered
            different problems.
    """
    _, runs = locate_runs(list(paths))
    parts: dict[Run, list[pd.DataFrame]] = {}
    for path, run in zip(paths, runs, strict=True):
        graded = read_table(path, ("step", *PROBLEM, "sample", "correct"))
        parts.setdefault(replace(run, rung=0), []).append(graded)
    found = [tabulate_run(run, pd.concat(frames), left_out) for run, frames in parts.items()]
    for one in found[1:]:
        if not one.shares.index.equals(found[0].shares.index):
            raise InputError(
                f"{one.run.path} and {found[0].run.path} answered different problems; grade again"
            )
    return found


def tabulate_run(run: Run, grades: pd.DataFrame, left_out: Collection[str]) -> GradedRun:
    """The shares of a run.

    Args:
        grades: one row a sample, columns step, benchmark, problem_id, sample, correct (0 or 1).
        left_out: benchmarks that do not count.

    Raises:
        InputError: a problem was not answered at some step, or none is left.
    """
    counted = grades[~grades["benchmark"].isin(list(left_out))]
    if counted.empty:
        raise InputError(f"{run.path}: has no answers to a benchmark that counts; grade again")
    groups = counted.groupby([*PROBLEM, "step"])["correct"]
    shares = groups.mean().unstack("step").sort_index()
    if shares.isna().to_numpy().any():
        raise InputError(f"{run.path}: a problem lacks answers at some step; grade again")
    samples = groups.size().unstack("step").max(axis=1)
    return GradedRun(run, shares, groups.max().unstack("step").sort_index(), samples)


def compute_final_score(graded: GradedRun, draws: ProblemDraws, last: int) -> FloatArray:
    """The mean score of the last evaluations of a run, points, shape (draws + 1,).

    All there are where they are fewer.
    """
    return draws.score_problems(graded.shares.to_numpy(float)[:, -last:].mean(axis=1))


def compute_drawdown(scores: FloatArray) -> FloatArray | None:
    """How far a run falls back from its best so far at most, points, shape (draws + 1,).

    Args:
        scores: shape (draws + 1, evaluations), in order.

    Returns:
        The largest difference of the running maximum of a moving average of three evaluations and
        that average; None for fewer evaluations than two averages need.
    """
    if scores.shape[1] <= SMOOTHED:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(scores, SMOOTHED, axis=1)
    smooth = windows.mean(axis=2)
    falls: FloatArray = (np.maximum.accumulate(smooth, axis=1) - smooth).max(axis=1)
    return falls


def compute_pass_at_k(graded: GradedRun, step: int, draws: ProblemDraws) -> FloatArray | None:
    """Problems with any right answer, points, shape (draws + 1,), on benchmarks that are sampled
    more than once; None if there are none such.
    """
    repeated = (graded.samples > 1).to_numpy()
    if not repeated.any():
        return None
    return draws.score_problems(graded.any_right[step].to_numpy(float), among=repeated)
