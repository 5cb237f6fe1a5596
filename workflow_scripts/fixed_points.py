r"""Look for the published trimmed fits among the fixed points of their own procedure.

    python -m workflow_scripts.fixed_points --curves curves.csv --spec JSON \
        --listed studies/released/paper_settings.csv --table-4 claims/table_4.csv \
        --out fixed_points.csv

One row for each branch that the paper fits by least trimmed squares: how many distinct ends random
starts reach, the one nearest to the published PL_rl, and the best one.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.scaling.branch import Listed, read_listed
from workflow_scripts.scaling.fixed_points import STARTS, fixed_points
from workflow_scripts.scaling.measured import CURVE_COLUMNS, Measured, measured_branches
from workflow_scripts.scaling.problem import make_problem
from workflow_scripts.script import arguments, run, specification
from workflow_scripts.study.analysis import FitJob
from workflow_scripts.tables_io import read_facts, read_table, write_csv

AGREES = 0.15
"""Largest difference of PL_rl, points, at which two values count as the same published one."""
COLUMNS = [
    "dataset", "sft_step", "published_pl_rl", "n_starts", "n_fixed_points", "nearest_pl_rl",
    "is_fixed_point", "best_pl_rl", "best_sse", "nearest_sse",
]  # fmt: skip


def search_row(
    measured: Measured, listed: Listed, published: float, job: FitJob
) -> dict[str, object]:
    """Fixed points of one branch beside its published PL_rl (points)."""
    problem = make_problem(measured.branch, job.protocol, listed)
    ends = fixed_points(problem, listed, np.random.default_rng(job.fit.seed))
    nearest = int(np.abs(ends.pl_rl - published).argmin())
    return {
        "dataset": measured.key["dataset"],
        "sft_step": measured.key["sft_step"],
        "published_pl_rl": published,
        "n_starts": STARTS,
        "n_fixed_points": ends.pl_rl.size,
        "nearest_pl_rl": round(float(ends.pl_rl[nearest]), 4),
        "is_fixed_point": bool(abs(ends.pl_rl[nearest] - published) <= AGREES),
        "best_pl_rl": round(float(ends.pl_rl[0]), 4),
        "best_sse": round(float(ends.sse[0]), 6),
        "nearest_sse": round(float(ends.sse[nearest]), 6),
    }


def search_table(
    branches: list[Measured],
    listed: dict[tuple[str, int], Listed],
    published: pd.DataFrame,
    job: FitJob,
) -> pd.DataFrame:
    """One row per trimmed branch with a published PL_rl."""
    values = published.dropna(subset=["pl_rl"]).set_index(["dataset", "sft_step"])["pl_rl"]
    rows = []
    for measured in branches:
        place = (str(measured.key["dataset"]), int(str(measured.key["sft_step"])))
        if place in values.index and place in listed and listed[place].lts_share > 0:
            rows.append(search_row(measured, listed[place], float(values[place]), job))
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    """Read the curves and the published values, write fixed_points.csv."""
    options = arguments(
        __doc__, curves=Path, spec=specification(FitJob), listed=Path, table_4=Path, out=Path
    )
    branches = measured_branches(read_table(options.curves, CURVE_COLUMNS))
    published = read_facts(options.table_4, ["dataset", "sft_step", "pl_rl"])
    table = search_table(branches, read_listed(options.listed), published, options.spec)
    write_csv(table, options.out)


if __name__ == "__main__":
    run(main)
