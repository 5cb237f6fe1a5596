"""How sure a score is: intervals over problems, pass@k, and the steps that a score can take.

Samples of one problem resemble each other, so an interval that counted them as independent would
be too narrow. Here the problem is the unit: the squared standard error of a benchmark is the
variance of its problems' means over their number, and the interval is Wilson's for the number of
independent answers that would give this error. With one sample a problem that number is the
number of problems, and the interval is Wilson's own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.errors import InputError
from workflow_scripts.evaluation.scores import OVERALL, place

FloatArray = NDArray[np.float64]
UNWEIGHTED = "unweighted"
STATISTICS_COLUMNS = (
    *("benchmark", "n_problems", "n_samples", "samples_a_problem"),
    *("score", "low", "high", "resolution"),
)


@dataclass(frozen=True)
class Estimate:
    """A mean over problems, its squared standard error and the number of problems; shares."""

    mean: float
    variance: float
    problems: int

    def interval(self, level: float) -> tuple[float, float]:
        """Wilson's interval for the number of independent answers that this error amounts to."""
        spread = self.mean * (1.0 - self.mean)
        # All problems alike say nothing about the error: then each counts as one answer.
        count = spread / self.variance if self.variance > 0 and spread > 0 else self.problems
        return wilson(self.mean, count, level)


def wilson(share: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share of `count` independent answers, at a level in (0, 1)."""
    z2 = NormalDist().inv_cdf(0.5 + level / 2) ** 2
    middle = share + z2 / (2 * count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2)))
    low, high = ((middle + sign * half) / (1 + z2 / count) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def pass_at_k(correct: int, samples: int, k: int) -> float:
    """Chance that `k` of a problem's samples, drawn without replacement, hold a correct one.

    The mean over problems estimates pass@k without bias: 1 - C(n - c, k) / C(n, k).

    Raises:
        InputError: fewer than `k` samples.
    """
    if not 1 <= k <= samples:
        raise InputError(f"pass@{k}: a problem has {samples} samples; add samples or lower k")
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


def problem_table(
    grades: pd.DataFrame, ks: Sequence[int] = (), source: str = "grades"
) -> pd.DataFrame:
    """Scores of single problems.

    Args:
        grades: one row per graded sample, columns `benchmark`, `problem_id`, `sample`, `correct`.
        ks: which avg@k and pass@k are wanted: every problem must have so many samples.
        source: how errors call the table.

    Returns:
        Columns benchmark, problem_id, n_samples, n_correct, score (percent) and pass@K for each
        k (percent), sorted.

    Raises:
        InputError: a sample is there twice or not graded 0 or 1, or a problem lacks samples.
    """
    check(grades, source)
    groups = grades.groupby(["benchmark", "problem_id"], sort=True)["correct"]
    table = groups.agg(n_samples="size", n_correct="sum").reset_index()
    for k in ks:
        short = table[table["n_samples"] < k]
        if not short.empty:
            row = short.iloc[0]
            raise InputError(
                f"{source}: {len(short)} of {len(table)} problems have fewer than {k} samples, the"
                f" first {row['problem_id']} ({row['n_samples']}); add samples or lower k"
            )
    table["score"] = 100.0 * table["n_correct"] / table["n_samples"]
    counts = list(zip(table["n_correct"], table["n_samples"], strict=True))
    for k in ks:
        table[f"pass@{k}"] = [100.0 * pass_at_k(int(c), int(n), k) for c, n in counts]
    return table


def check(grades: pd.DataFrame, source: str) -> None:
    """Make sure that every sample is there once, graded 0 or 1, and that no name is ours."""
    keys = ["benchmark", "problem_id", "sample"]
    for name in (OVERALL, UNWEIGHTED):
        if (grades["benchmark"] == name).any():
            raise InputError(f"{source}: a benchmark is called {name!r}; rename it")
    for rows, what in (
        (grades[~grades["correct"].isin([0, 1])], "is not graded 0 or 1"),
        (grades[grades.duplicated(keys)], "is there twice"),
    ):
        if not rows.empty:
            raise InputError(f"{source}: {place(rows)} {what}; grade again")


def statistics_table(
    grades: pd.DataFrame,
    ks: Sequence[int] = (),
    level: float = 0.95,
    source: str = "grades",
) -> pd.DataFrame:
    """Scores with intervals: every benchmark, `overall` and `unweighted`, of one checkpoint.

    `overall` is the mean over all problems, as in `scores`; `unweighted` the mean over benchmarks.

    Returns:
        Columns `STATISTICS_COLUMNS`, then pass@K with its bounds for each k. Scores, bounds and
        resolution are in percent; `resolution` is the smallest step by which the score can
        differ; `samples_a_problem` is the smallest number. With k samples a problem, score is
        avg@k, and it estimates pass@1.

    Raises:
        InputError: as `problem_table`.
    """
    problems = problem_table(grades, ks, source)
    groups = {str(name): rows for name, rows in problems.groupby("benchmark", sort=True)}
    rows = [row({name: part}, name, ks, level) for name, part in groups.items()]
    rows += [row(groups, OVERALL, ks, level), row(groups, UNWEIGHTED, ks, level)]
    return pd.DataFrame(rows)


def row(
    groups: dict[str, pd.DataFrame], name: str, ks: Sequence[int], level: float
) -> dict[str, object]:
    """One row of `statistics_table` over the benchmarks in `groups`."""
    sizes = [len(part) for part in groups.values()]
    shares = [1 / len(sizes) if name == UNWEIGHTED else size / sum(sizes) for size in sizes]
    found: dict[str, object] = {}
    for column in ("score", *(f"pass@{k}" for k in ks)):
        values = [part[column].to_numpy(float) / 100.0 for part in groups.values()]
        estimate = weighted(values, shares)
        low, high = estimate.interval(level)
        prefix = "" if column == "score" else f"{column} "
        found |= {column: 100 * estimate.mean, f"{prefix}low": 100 * low}
        found |= {f"{prefix}high": 100 * high}
        if column == "score":
            found["resolution"] = resolution(groups, name)
    samples = [part["n_samples"] for part in groups.values()]
    return {
        "benchmark": name,
        "n_problems": sum(sizes),
        "n_samples": int(sum(part.sum() for part in samples)),
        "samples_a_problem": int(min(part.min() for part in samples)),
        **found,
    }


def weighted(values: Sequence[FloatArray], shares: Sequence[float]) -> Estimate:
    """Weighted mean of benchmarks, problems drawn within each: variances of strata add up."""
    mean = sum(share * float(part.mean()) for part, share in zip(values, shares, strict=True))
    variance = sum(
        share**2 * float(part.var()) / len(part) for part, share in zip(values, shares, strict=True)
    )
    return Estimate(min(max(mean, 0.0), 1.0), variance, sum(map(len, values)))


def resolution(groups: dict[str, pd.DataFrame], name: str) -> float:
    """The step of a score in percent: the greatest one of which all its values are multiples."""
    steps = [math.lcm(*part["n_samples"].astype(int).tolist()) for part in groups.values()]
    if name == UNWEIGHTED:
        sizes = [len(part) * step for part, step in zip(groups.values(), steps, strict=True)]
        return 100.0 / (len(groups) * math.lcm(*sizes))
    return 100.0 / (sum(map(len, groups.values())) * math.lcm(*steps))
