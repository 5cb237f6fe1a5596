"""The RL branches of a joint curve file, as the fits take them."""

from typing import NamedTuple

import pandas as pd

from retu.core.errors import InputError
from retu.evaluation.scores import OVERALL, drop_out_of_distribution
from retu.scaling.branch import Branch, make_branch
from retu.scaling.curve_checks import check_numbers, check_overall, check_percent
from retu.scaling.sampling_noise import COUNT_COLUMNS, compute_answer_weight, estimate_overall_error

FITTED_BRANCH_KEY = ["study", "model", "dataset", "sft_step", "paradigm", "recipe", "seed"]
FITTED_CURVE_COLUMNS = [*FITTED_BRANCH_KEY, *COUNT_COLUMNS, "x_sft_eflops", "x_rl_eflops"]


class MeasuredBranch(NamedTuple):
    """A branch with the columns that name it and the compute behind its checkpoint (EFLOPs)."""

    key: dict[str, object]
    x_sft_eflops: float
    branch: Branch

    @property
    def title(self) -> str:
        """How errors and random streams call it."""
        return ", ".join(f"{name} {value}" for name, value in self.key.items())


def extract_branch(points: pd.DataFrame) -> tuple[float, Branch]:
    """The points of one branch, all benchmarks: x_sft (EFLOPs) and the branch.

    Rows of benchmarks that are out of distribution do not count: the score is made without them.

    Raises:
        InputError: a repeated RL step, several x_sft, an overall score that its benchmarks
            contradict, or what `make_branch` refuses.
    """
    counted = drop_out_of_distribution(points)
    overall = counted[counted["benchmark"] == OVERALL].sort_values("rl_step", kind="stable")
    if overall["rl_step"].duplicated().any() or overall["rl_step"].isna().any():
        raise InputError("an RL step is missing or appears twice; remove the repeated evaluation")
    if overall["x_sft_eflops"].nunique(dropna=False) != 1:
        raise InputError("several values of x_sft_eflops; a branch starts from one checkpoint")
    error = estimate_overall_error(counted).reindex(overall["rl_step"]).to_numpy()
    check_overall(counted)
    branch = make_branch(
        overall["x_rl_eflops"], overall["score"], error, compute_answer_weight(counted)
    )
    return float(overall["x_sft_eflops"].iloc[0]), branch


def extract_branches(curves: pd.DataFrame) -> list[MeasuredBranch]:
    """Every RL branch of a curve table, in the order of the branch columns.

    Raises:
        InputError: no branch at all, one that cannot be fitted, text for a number, or scores that
            are fractions.
    """
    check_numbers(curves)
    check_percent(drop_out_of_distribution(curves))
    found = []
    for key, points in curves[curves["paradigm"] != "Pure SFT"].groupby(
        FITTED_BRANCH_KEY, dropna=False
    ):
        named = dict(zip(FITTED_BRANCH_KEY, key, strict=True))
        try:
            found.append(MeasuredBranch(named, *extract_branch(points)))
        except InputError as error:
            title = ", ".join(f"{name} {value}" for name, value in named.items())
            raise InputError(f"branch {title}: {error}") from error
    if not found:
        raise InputError("no row of an RL branch; evaluate at least one branch")
    return found
