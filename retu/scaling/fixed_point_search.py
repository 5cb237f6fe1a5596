"""The published trimmed fits among the fixed points of their own procedure."""

import numpy as np
import pandas as pd

from retu.config.analysis import FitJob
from retu.scaling.branch import ListedSettings
from retu.scaling.measured_branches import MeasuredBranch
from retu.scaling.problem import make_problem
from retu.scaling.trimmed_fixed_points import RANDOM_STARTS, find_fixed_points

AGREES = 0.15


"""Largest difference of PL_rl, points, at which two values count as the same published one."""


SEARCH_COLUMNS = [
    "dataset", "sft_step", "published_pl_rl", "n_starts", "n_fixed_points", "nearest_pl_rl",
    "is_fixed_point", "best_pl_rl", "best_sse", "nearest_sse",
]  # fmt: skip


def search_branch(
    measured: MeasuredBranch, listed: ListedSettings, published: float, job: FitJob
) -> dict[str, object]:
    """Fixed points of one branch beside its published PL_rl (points)."""
    problem = make_problem(measured.branch, job.protocol, listed)
    ends = find_fixed_points(problem, listed, np.random.default_rng(job.fit.seed))
    nearest = int(np.abs(ends.pl_rl - published).argmin())
    return {
        "dataset": measured.key["dataset"],
        "sft_step": measured.key["sft_step"],
        "published_pl_rl": published,
        "n_starts": RANDOM_STARTS,
        "n_fixed_points": ends.pl_rl.size,
        "nearest_pl_rl": round(float(ends.pl_rl[nearest]), 4),
        "is_fixed_point": bool(abs(ends.pl_rl[nearest] - published) <= AGREES),
        "best_pl_rl": round(float(ends.pl_rl[0]), 4),
        "best_sse": round(float(ends.sse[0]), 6),
        "nearest_sse": round(float(ends.sse[nearest]), 6),
    }


def search_branches(
    branches: list[MeasuredBranch],
    listed: dict[tuple[str, int], ListedSettings],
    published: pd.DataFrame,
    job: FitJob,
) -> pd.DataFrame:
    """One row per trimmed branch with a published PL_rl."""
    values = published.dropna(subset=["pl_rl"]).set_index(["dataset", "sft_step"])["pl_rl"]
    rows = []
    for measured in branches:
        place = (str(measured.key["dataset"]), int(str(measured.key["sft_step"])))
        if place in values.index and place in listed and listed[place].lts_share > 0:
            rows.append(search_branch(measured, listed[place], float(values[place]), job))
    return pd.DataFrame(rows, columns=SEARCH_COLUMNS)
