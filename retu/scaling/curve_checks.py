"""Curve tables that cannot be what they say: text for numbers, fractions, contradictions."""

import numpy as np
import pandas as pd

from retu.core.errors import InputError
from retu.evaluation.scores import OVERALL

NUMERIC_COLUMNS = ("rl_step", "n_problems", "n_samples", "score", "x_sft_eflops", "x_rl_eflops")
TOLERANCE = 0.1
"""Points by which a rounded overall score may differ from the mean over all problems."""
ROUNDING_TOLERANCE = 0.006
"""Points by which a score with two decimals differs from a whole count of right answers."""


def check_numbers(curves: pd.DataFrame) -> None:
    """Refuse text in the columns of numbers.

    Raises:
        InputError: names the first such cell.
    """
    for column in NUMERIC_COLUMNS:
        if column not in curves or pd.api.types.is_numeric_dtype(curves[column]):
            continue
        wrong = pd.to_numeric(curves[column], errors="coerce").isna() & curves[column].notna()
        if wrong.any():
            row = int(np.argmax(wrong.to_numpy()))
            raise InputError(
                f"row {row + 1}, column {column}: {curves[column].iloc[row]!r} is not a number;"
                " correct it, or leave the cell empty"
            )


def check_percent(curves: pd.DataFrame) -> None:
    """Refuse scores that are fractions of 1.

    Scores of at most 1 are percent only if they are whole counts of right answers as percent: a
    model that solves almost nothing has such scores.

    Raises:
        InputError: all scores are fractions.
    """
    rows = curves[curves["benchmark"] != OVERALL]
    rows = curves if rows.empty else rows
    score, samples = (rows[name].to_numpy(np.float64) for name in ("score", "n_samples"))
    known = np.isfinite(score) & np.isfinite(samples)
    largest = score[known].max(initial=0.0)
    if not 0 < largest <= 1:
        return
    right = score[known] / 100 * samples[known]
    whole = np.abs(right - np.round(right)) <= ROUNDING_TOLERANCE / 100 * samples[known] + 1e-9
    counts = whole & (np.round(right) > 0)
    if not (whole.all() and counts.any()):
        raise InputError(
            f"all scores lie between 0 and 1 (largest {largest:g}): these are fractions, and"
            " curves hold percent; multiply the column score by 100"
        )


def check_overall(points: pd.DataFrame) -> None:
    """Refuse an overall score that is not the mean over the problems of the benchmarks.

    Args:
        points: rows of one branch; without benchmarks beside `overall` there is nothing to check.

    Raises:
        InputError: names the first RL step with such a score.
    """
    single = points[points["benchmark"] != OVERALL]
    overall = points[points["benchmark"] == OVERALL].set_index("rl_step")["score"]
    weighted = (single["score"] * single["n_problems"]).groupby(single["rl_step"]).sum(min_count=1)
    total = single["n_problems"].groupby(single["rl_step"]).sum()
    mean = (weighted / total).reindex(overall.index)
    wrong = (overall - mean).abs() > TOLERANCE
    if wrong.any():
        place = int(np.argmax(wrong.to_numpy()))
        raise InputError(
            f"RL step {overall.index[place]}: the overall score is {overall.iloc[place]:g}, but the"
            f" benchmarks give {mean.iloc[place]:.2f} over all problems; correct one of them"
        )
