"""Sampling error of an overall score from its problem and sample counts.

The overall score is the mean over all problems of the share of right samples of a problem (paper
appendix on evaluation). If all problems of a benchmark b were equally hard, with a share p_b of
right samples and k_b samples of each of its N_b problems, its variance would be

    SE^2 = sum_b N_b p_b (1 - p_b) / k_b / (sum_b N_b)^2.

Problems differ in difficulty, and what varies between evaluations is only the part
p(1 - p) of each problem's own p, whose mean over problems is smaller than p_b (1 - p_b) by the
variance of p between problems. So this error is an upper bound; residuals of the released curves
scatter by 0.5 to 0.65 of it. Protocols therefore use it for the relative weight of points and take
the scale from the residuals.
"""

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from retu.config.analysis import LEVEL
from retu.core.errors import InputError
from retu.evaluation.scores import OVERALL
from retu.scaling.law import FloatArray

Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
"""Half-width of an interval that holds `LEVEL` of a normal distribution, standard deviations."""
COUNT_COLUMNS = ("rl_step", "benchmark", "n_problems", "n_samples", "score")


def compute_binomial_error(share: float | FloatArray, count: float) -> Any:
    """Standard error of a percentage, points: 100 sqrt(p (1 - p) / n).

    Problems, not samples, are the independent units; more samples a problem make the error of a
    mixed score a little smaller, so this is an upper bound.

    Args:
        share: p in [0, 1], a number or an array.
        count: independent answers, n.

    Returns:
        Of the shape of `share`.
    """
    return 100.0 * np.sqrt(share * (1.0 - share) / count)


def compute_score_error(
    score: FloatArray, n_problems: FloatArray, n_samples: FloatArray
) -> FloatArray:
    """Standard error of the problem-weighted mean over benchmarks, points.

    A score of 0 or 100 has an error too: p is the Jeffreys estimate (right + 1/2) / (samples + 1).

    Args:
        score: benchmark scores, percent, benchmarks along the last axis, shape (..., B).
        n_problems: problems of each benchmark; broadcasts against `score`.
        n_samples: graded samples in all of each benchmark (problems times samples a problem).

    Returns:
        Shape (...).
    """
    share = (score / 100.0 * n_samples + 0.5) / (n_samples + 1.0)
    # N p (1 - p) / k with k = n_samples / n_problems.
    variance = (n_problems**2 * share * (1.0 - share) / n_samples).sum(axis=-1)
    total = np.broadcast_to(n_problems, score.shape).sum(axis=-1)
    error: FloatArray = 100.0 * np.sqrt(variance) / total
    return error


def estimate_overall_error(points: pd.DataFrame) -> pd.Series:
    """Standard error of the overall score at every RL step of one branch, points.

    Args:
        points: rows of one branch of curves.csv, one per point and benchmark, columns
            `COUNT_COLUMNS`. Rows `overall` are left out, unless there are no others: then each
            stands for one benchmark that holds all problems.

    Returns:
        Indexed by `rl_step`, ascending, called `error`.

    Raises:
        InputError: a benchmark is missing at some point, there twice, outside 0 to 100 percent or
            without usable counts.
    """
    single = points[points["benchmark"] != OVERALL]
    rows = points if single.empty else single
    wide = {name: _pivot_by_step(rows, name) for name in ("score", "n_problems", "n_samples")}
    score, problems, samples = (wide[name].to_numpy(np.float64) for name in wide)
    if not ((score >= 0) & (score <= 100)).all():
        raise InputError("a benchmark's score is missing or outside 0 to 100; evaluate it again")
    if not ((problems >= 1) & (samples >= problems)).all():
        raise InputError("counts of a benchmark are not n_problems >= 1 and n_samples >= that")
    error = compute_score_error(score, problems, samples)
    return pd.Series(error, index=wide["score"].index, name="error")


def compute_answer_weight(points: pd.DataFrame) -> float:
    """What one answer counts at most in the overall score of one branch, points.

    Args:
        points: as in `estimate_overall_error`, whose conditions hold.
    """
    single = points[points["benchmark"] != OVERALL]
    rows = points if single.empty else single
    total = float(rows.groupby("rl_step")["n_problems"].sum().min())
    return 100.0 * float((rows["n_problems"] / rows["n_samples"]).max()) / total


def _pivot_by_step(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row a step, one column a benchmark; NaN where there is none."""
    if rows.duplicated(["rl_step", "benchmark"]).any():
        raise InputError("a benchmark appears twice at one RL step; remove the repeated evaluation")
    return rows.pivot(index="rl_step", columns="benchmark", values=column)
