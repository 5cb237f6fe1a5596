"""Drawing SFT sets from the pool: all, at random, or by the reference model's win rate.

The paper selects Easy102K and Hard102K by the win rate of a small reasoning model over four
attempts (1.0, and at most 0.25; PAPER Table 3), so difficulty is measured, never assumed.
"""

import pandas as pd

from retu.config.files_study import FileSet
from retu.config.hub_study import ReleasedSet
from retu.config.lab_study import DrawnSet
from retu.core.errors import InputError


def compute_win_rates(grades: pd.DataFrame) -> pd.DataFrame:
    """Win rate and number of attempts per problem from graded reference samples."""
    grouped = grades.groupby("problem_id", sort=True)["correct"]
    return pd.DataFrame({"win_rate": grouped.mean(), "attempts": grouped.size()}).reset_index()


def select_sft_rows(
    pool: pd.DataFrame, rates: pd.DataFrame | None, name: str, dataset: DrawnSet
) -> pd.DataFrame:
    """Draw one SFT set; its rows carry the measured `win_rate`.

    Args:
        pool: problem_id and anything else; one row a problem.
        rates: as `compute_win_rates` gives them; None where nobody has measured them.
        name: what messages call the set.
        dataset: how many rows, and between which bounds.

    Raises:
        InputError: too few rows of the pool meet the win-rate bounds, or they are not measured.
    """
    rated = pool
    if rates is not None:
        rated = pool.merge(rates, on="problem_id", how="left", validate="one_to_one")
    if dataset.win_rate is not None:
        if rates is None:
            raise InputError(f"data set {name}: win_rate: nobody measured it; name a reference")
        inside = rated["win_rate"].between(dataset.win_rate.min, dataset.win_rate.max)
        rated = rated[inside]
    wanted = 1 if dataset.rows == "all" else dataset.rows
    if len(rated) < wanted:
        raise InputError(
            f"data set {name}: asks for {dataset.rows} rows, but only {len(rated)} of the pool's"
            f" {len(pool)} have the wanted win rate; lower rows or enlarge data.pool"
        )
    if dataset.rows == "all":
        return rated.reset_index(drop=True)
    return rated.sample(n=dataset.rows, random_state=dataset.seed).reset_index(drop=True)


def describe_selection(dataset: DrawnSet | ReleasedSet | FileSet) -> str:
    """How the rows of a set are chosen, in words (Table 3)."""
    if isinstance(dataset, ReleasedSet):
        return "released"
    if isinstance(dataset, FileSet):
        return "file" if dataset.limit is None else f"first {dataset.limit} rows of a file"
    if dataset.win_rate is None:
        return "all" if dataset.rows == "all" else "random"
    low, high = dataset.win_rate.min, dataset.win_rate.max
    if low == high:
        return f"win rate = {low:g}"
    return f"win rate <= {high:g}" if low == 0 else f"win rate {low:g} to {high:g}"
