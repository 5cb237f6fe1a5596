"""Coverage and width of the intervals of scores, beside two other ways to make them.

    python benchmarks/intervals.py [--draws 400] [--problems 2 3 5 10 25 42 291 2157]
        [--levels 0.95]

Draws benchmarks again and again: problems from populations of different shapes, answers from the
problems. Prints, for every number of problems and samples, the share of draws whose interval holds
the mean of the population - the worst of all populations - and the mean width in points, averaged
over the populations, of

- ours: `retu/evaluation/intervals.py`;
- Wilson: Wilson's interval for the number of independent answers that would have the same standard
  error, or for the number of problems where all are alike;
- t: the mean of the problems with Student's t.

The last table is of six benchmarks together, weighted by their problems and unweighted.
"""

import argparse
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from retu.core.arrays import FloatArray
from retu.evaluation.intervals import (
    add_means,
    compute_wilson_interval,
    draw_means,
    find_interval,
)

Draw = Callable[[np.random.Generator, tuple[int, int]], FloatArray]
Interval = tuple[FloatArray, FloatArray]
SAMPLES = (1, 4, 16)
SIZES = (2, 3, 5, 10, 25, 42, 291, 2157)
BATCH = 100
"""Benchmarks whose intervals are made at once."""
SIX = {"AIME": (30, 16), "AMC": (40, 16), "Olympiad": (675, 1), "Minerva": (272, 1)}
SIX |= {"GPQA": (198, 4), "MATH": (500, 1)}


def draw_beta(a: float, b: float) -> tuple[float, Draw]:
    """A population of chances with the distribution Beta(a, b): its mean, and how to draw."""
    return a / (a + b), lambda rng, shape: rng.beta(a, b, shape)


def draw_two(low: float, high: float, share: float) -> tuple[float, Draw]:
    """A population with the chance `high` in a share of the problems, else `low`."""
    mean = share * high + (1 - share) * low
    return mean, lambda rng, shape: np.where(rng.random(shape) < share, high, low)


POPULATIONS = {
    "U-shaped": draw_beta(0.3, 0.3),
    "unimodal": draw_beta(5.0, 5.0),
    "alike": draw_beta(200.0, 200.0),
    "near 0": draw_beta(0.4, 8.0),
    "near 1": draw_beta(8.0, 0.4),
    "all or nothing, half": draw_two(0.0, 1.0, 0.5),
    "all or nothing, 9 of 10": draw_two(0.0, 1.0, 0.9),
    "all or nothing, 3 of 100": draw_two(0.0, 1.0, 0.03),
    "a few hopeless": draw_two(0.0, 0.9, 0.94),
}


def find_our_interval(values: FloatArray, samples: int, level: float) -> Interval:
    """Our interval of every column of problem means, shape (problems, columns)."""
    different, back = np.unique(np.sort(values, axis=0), axis=1, return_inverse=True)
    means = draw_means(different)
    counts = len(values) * samples
    ends = [
        find_interval(means, column, float(share), counts, level)
        for column, share in enumerate(different.mean(axis=0))
    ]
    low, high = np.array(ends)[back.ravel()].T
    return low, high


def find_wilson_interval(values: FloatArray, _: int, level: float) -> Interval:
    """Wilson's interval for the number of answers with the same standard error."""
    share, variance = values.mean(axis=0), values.var(axis=0) / len(values)
    ends = []
    for mean, square in zip(share, variance, strict=True):
        spread = mean * (1 - mean)
        count = spread / square if square > 0 and spread > 0 else len(values)
        ends.append(compute_wilson_interval(float(mean), float(count), level))
    low, high = np.array(ends).T
    return low, high


def find_student_interval(values: FloatArray, _: int, level: float) -> Interval:
    """Student's interval of the mean, cut at 0 and 1."""
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    half = student.ppf(0.5 + level / 2, len(values) - 1) * error
    mean = values.mean(axis=0)
    return np.maximum(mean - half, 0.0), np.minimum(mean + half, 1.0)


METHODS = {"ours": find_our_interval, "Wilson": find_wilson_interval, "t": find_student_interval}


def measure_coverage(ends: Interval, truth: float) -> tuple[float, float]:
    """The share of intervals that hold the truth, percent, and their mean width, points."""
    low, high = ends
    holds = (low <= truth + 1e-12) & (truth - 1e-12 <= high)
    return 100 * float(holds.mean()), 100 * float((high - low).mean())


def measure_size(problems: int, samples: int, draws: int, level: float) -> dict[str, object]:
    """Coverage and width of every method at one size of a benchmark."""
    rng = np.random.default_rng((problems, samples))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
    for truth, draw in POPULATIONS.values():
        chances = draw(rng, (problems, draws))
        values = rng.binomial(samples, chances) / samples
        for name, method in METHODS.items():
            batches = np.array_split(values, max(1, draws // BATCH), axis=1)
            parts = [method(batch, samples, level) for batch in batches]
            low, high = (np.concatenate(ends) for ends in zip(*parts, strict=True))
            found[name].append(measure_coverage((low, high), truth))
    row: dict[str, object] = {"level": 100 * level, "problems": problems, "samples": samples}
    for name, results in found.items():
        row[f"{name}: worst"] = min(coverage for coverage, _ in results)
        row[f"{name}: width"] = float(np.mean([width for _, width in results]))
    return row


def measure_six_benchmarks(
    name: str, shares: Sequence[float], draws: int, level: float
) -> dict[str, object]:
    """Coverage of six benchmarks together, each with a population of its own."""
    rng = np.random.default_rng(6)
    populations = list(POPULATIONS.values())[: len(SIX)]
    truth = sum(share * mean for share, (mean, _) in zip(shares, populations, strict=True))
    parts = []
    for (problems, samples), (_, draw) in zip(SIX.values(), populations, strict=True):
        parts.append(rng.binomial(samples, draw(rng, (problems, draws))) / samples)
    squares = [s**2 / (n * m) for s, (n, m) in zip(shares, SIX.values(), strict=True)]
    mean = sum(share * part.mean(axis=0) for share, part in zip(shares, parts, strict=True))
    low, high = [], []
    for first in range(0, draws, BATCH):
        batch = slice(first, first + BATCH)
        means = add_means([draw_means(part[:, batch]) for part in parts], shares)
        for column, share in enumerate(np.asarray(mean)[batch]):
            ends = find_interval(means, column, float(share), 1 / sum(squares), level)
            low.append(ends[0])
            high.append(ends[1])
    coverage, width = measure_coverage((np.array(low), np.array(high)), float(truth))
    return {"level": 100 * level, "mean": name, "coverage": coverage, "width": width}


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--draws", type=int, default=400)
    options.add_argument("--problems", type=int, nargs="+", default=SIZES)
    options.add_argument("--levels", type=float, nargs="+", default=[0.95])
    given = options.parse_args()
    sizes_to_try = itertools.product(given.levels, given.problems, SAMPLES)
    for first, (level, problems, samples) in enumerate(sizes_to_try):
        row = pd.DataFrame([measure_size(problems, samples, given.draws, level)])
        text = row.to_csv(sep="\t", index=False, header=first == 0, float_format="%.1f")
        print(text, end="", flush=True)
    sizes = [problems for problems, _ in SIX.values()]
    weights = {
        "overall": [size / sum(sizes) for size in sizes],
        "unweighted": [1 / len(sizes)] * len(sizes),
    }
    together = [
        measure_six_benchmarks(name, shares, given.draws, level)
        for level in given.levels
        for name, shares in weights.items()
    ]
    print(pd.DataFrame(together).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
