"""How sure a score is: intervals over problems, pass@k, and the steps that a score can take.

Samples of one problem resemble each other, so an interval that counted them as independent would
be too narrow. Here the problem is the unit, drawn from a population of problems (`intervals`).
"""

import math
from collections.abc import Sequence

import pandas as pd

from retu.core.errors import InputError
from retu.evaluation.intervals import MeanDraws, add_means, draw_means, find_interval
from retu.evaluation.scores import OVERALL, flag_cut_generations, locate_first_row

UNWEIGHTED = "unweighted"
STATISTICS_COLUMNS = (
    *("benchmark", "n_problems", "n_samples", "samples_a_problem"),
    *("score", "low", "high", "resolution", "cut_share"),
)


def compute_pass_at_k(correct: int, samples: int, k: int) -> float:
    """Chance that `k` of a problem's samples, drawn without replacement, hold a correct one.

    The mean over problems estimates pass@k without bias: 1 - C(n - c, k) / C(n, k).

    Raises:
        InputError: fewer than `k` samples.
    """
    if not 1 <= k <= samples:
        raise InputError(f"pass@{k}: a problem has {samples} samples; add samples or lower k")
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


def score_problems(
    grades: pd.DataFrame, ks: Sequence[int] = (), source: str = "grades"
) -> pd.DataFrame:
    """Scores of single problems.

    Args:
        grades: one row per graded sample, columns `benchmark`, `problem_id`, `sample`, `correct`
            and, where known, `finished`.
        ks: which avg@k and pass@k are wanted: every problem must have so many samples.
        source: how errors call the table.

    Returns:
        Columns benchmark, problem_id, n_samples, n_correct, cut_share (of the samples, NaN where
        unknown), score (percent) and pass@K for each k (percent), sorted.

    Raises:
        InputError: a sample is there twice or not graded 0 or 1, or a problem lacks samples.
    """
    check_graded_samples(grades, source)
    groups = grades.assign(cut=flag_cut_generations(grades)).groupby(
        ["benchmark", "problem_id"], sort=True
    )
    table = groups.agg(
        n_samples=("correct", "size"), n_correct=("correct", "sum"), cut_share=("cut", "mean")
    ).reset_index()
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
        table[f"pass@{k}"] = [100.0 * compute_pass_at_k(int(c), int(n), k) for c, n in counts]
    return table


def check_graded_samples(grades: pd.DataFrame, source: str) -> None:
    """Check that every sample occurs once, graded 0 or 1, and that no name is a reserved one."""
    keys = ["benchmark", "problem_id", "sample"]
    for name in (OVERALL, UNWEIGHTED):
        if (grades["benchmark"] == name).any():
            raise InputError(f"{source}: a benchmark is called {name!r}; rename it")
    for rows, what in (
        (grades[~grades["correct"].isin([0, 1])], "is not graded 0 or 1"),
        (grades[grades.duplicated(keys)], "is there twice"),
    ):
        if not rows.empty:
            raise InputError(f"{source}: {locate_first_row(rows)} {what}; grade again")


def compute_statistics(
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
        differ; `samples_a_problem` is the smallest number; `cut_share` is the share of answers cut
        at the token limit, weighted as in the score, NaN where unknown. With k samples a problem,
        score is avg@k, and it estimates pass@1.

    Raises:
        InputError: as `score_problems`.
    """
    problems = score_problems(grades, ks, source)
    groups = {str(name): rows for name, rows in problems.groupby("benchmark", sort=True)}
    columns = ["score", *(f"pass@{k}" for k in ks)]
    means = [draw_means(part[columns].to_numpy(float) / 100.0) for part in groups.values()]
    table = [
        make_statistics_row({name: part}, name, [1.0], drawn, ks, level)
        for (name, part), drawn in zip(groups.items(), means, strict=True)
    ]
    for name in (OVERALL, UNWEIGHTED):
        shares = weigh_benchmarks([len(part) for part in groups.values()], name)
        drawn = means[0] if len(means) == 1 else add_means(means, shares)
        table.append(make_statistics_row(groups, name, shares, drawn, ks, level))
    return pd.DataFrame(table)


def weigh_benchmarks(sizes: Sequence[int], name: str) -> list[float]:
    """How much each benchmark counts in `overall` or `unweighted`, given its number of problems."""
    return [1 / len(sizes) if name == UNWEIGHTED else size / sum(sizes) for size in sizes]


def make_statistics_row(
    groups: dict[str, pd.DataFrame],
    name: str,
    shares: Sequence[float],
    means: MeanDraws,
    ks: Sequence[int],
    level: float,
) -> dict[str, object]:
    """One row of `compute_statistics` over the benchmarks in `groups`, which count by `shares`."""
    parts = list(zip(groups.values(), shares, strict=True))
    found: dict[str, object] = {}
    for index, (column, k) in enumerate([("score", 1), *((f"pass@{k}", k) for k in ks)]):
        mean = sum(share * float(part[column].mean()) for part, share in parts) / 100.0
        mean = min(max(mean, 0.0), 1.0)
        low, high = find_interval(means, index, mean, count_effective_samples(parts, k), level)
        prefix = "" if column == "score" else f"{column} "
        found |= {column: 100 * mean, f"{prefix}low": 100 * low, f"{prefix}high": 100 * high}
        if column == "score":
            cut = sum(share * float(part["cut_share"].mean()) for part, share in parts)
            found |= {"resolution": find_score_resolution(groups, name), "cut_share": cut}
    samples = [part["n_samples"] for part in groups.values()]
    return {
        "benchmark": name,
        "n_problems": sum(map(len, groups.values())),
        "n_samples": int(sum(part.sum() for part in samples)),
        "samples_a_problem": int(min(part.min() for part in samples)),
        **found,
    }


def count_effective_samples(parts: Sequence[tuple[pd.DataFrame, float]], k: int) -> float:
    """How many equally weighted draws of `k` samples the samples amount to (Kish).

    A sample of a problem with m samples, in a benchmark of n problems that counts by s, has the
    weight s / (n m); m samples hold m / k draws of k.
    """
    squares = sum(
        (share / len(part)) ** 2 * float((k / part["n_samples"]).sum()) for part, share in parts
    )
    return 1.0 / squares


def find_score_resolution(groups: dict[str, pd.DataFrame], name: str) -> float:
    """The step of a score in percent: the greatest one of which all its values are multiples."""
    steps = [math.lcm(*part["n_samples"].astype(int).tolist()) for part in groups.values()]
    if name == UNWEIGHTED:
        sizes = [len(part) * step for part, step in zip(groups.values(), steps, strict=True)]
        return 100.0 / (len(groups) * math.lcm(*sizes))
    return 100.0 / (sum(map(len, groups.values())) * math.lcm(*steps))
