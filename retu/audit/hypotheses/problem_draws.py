"""A bootstrap over problems that all runs and replicates share.

Every checkpoint answers the same problems, so that a hard draw of them is hard for all: weights are
drawn once, within each benchmark, and every score is computed with them. Differences between runs
then keep only the noise that the problems do not share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from retu.core.arrays import BoolArray, FloatArray

DRAWS = 2000
SEED = 0
AverageOver = Literal["benchmarks", "problems"]


@dataclass(frozen=True)
class ProblemDraws:
    """The problems, and how often each is in every draw.

    Attributes:
        problems: index of benchmark and problem_id, sorted.
        counts: shape (draws + 1, problems); the first row, all ones, is the point.
        average_over: whether benchmarks count once each in a score, or all problems do.
    """

    problems: pd.MultiIndex
    counts: FloatArray
    average_over: AverageOver

    @property
    def benchmarks(self) -> list[str]:
        """The benchmark of each problem."""
        return [str(name) for name in self.problems.get_level_values("benchmark")]

    def score_problems(self, shares: FloatArray, among: BoolArray | None = None) -> FloatArray:
        """Scores in points, shape (draws + 1,) or (draws + 1, columns).

        Args:
            shares: of right answers of each problem, shape (problems,) or (problems, columns).
            among: the problems that count, whole benchmarks; None: all.
        """
        weights = self.counts if among is None else self.counts * among
        names = np.array(self.benchmarks)
        counted = names if among is None else names[among]
        if self.average_over == "problems":
            whole: FloatArray = 100.0 * (weights @ shares) / len(counted)
            return whole
        kept = sorted(set(counted))
        # Each benchmark keeps its number of problems in every draw: weights sum to it.
        sizes = {name: float((names == name).sum()) for name in kept}
        scale = np.array([1.0 / sizes[name] if name in sizes else 0.0 for name in names])
        score: FloatArray = 100.0 * ((weights * scale) @ shares) / len(kept)
        return score


def draw_problems(
    problems: pd.MultiIndex, average_over: AverageOver, n_draws: int = DRAWS, seed: int = SEED
) -> ProblemDraws:
    """Draw each benchmark's problems with replacement, as many as there are.

    Args:
        problems: benchmark and problem_id.
        average_over: see `ProblemDraws`; n_draws: beside the point; seed: of the draws.
    """
    problems = problems.sort_values()
    rng = np.random.default_rng(seed)
    counts = np.ones((n_draws + 1, len(problems)))
    names = problems.get_level_values("benchmark").to_numpy()
    for name in sorted(set(names)):
        rows = np.flatnonzero(names == name)
        counts[1:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), n_draws)
    return ProblemDraws(problems, counts, average_over)


def average_values(values: Sequence[FloatArray]) -> FloatArray:
    """The mean of several scores, draw by draw."""
    mean: FloatArray = np.mean(np.stack(values), axis=0)
    return mean
