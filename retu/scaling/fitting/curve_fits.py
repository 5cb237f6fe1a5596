"""Fits of the RL law to a table of anyone's: a curve in, its ceiling and a verdict out."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from retu.config.analysis import FitJob, FitSettings
from retu.config.protocols import load_protocols, make_fit_job
from retu.core.errors import InputError
from retu.core.tables import shorten_floats
from retu.core.yaml_files import check_reference
from retu.scaling.branch import make_branch
from retu.scaling.curve_checks import check_numbers
from retu.scaling.fit_result import FittedBranch
from retu.scaling.fitting.fit_tables import find_common_compute, fit_branches, make_fit_row
from retu.scaling.measured_branches import FITTED_CURVE_COLUMNS, MeasuredBranch, extract_branches

POINT_COLUMNS = ("x_rl_eflops", "score")
ERROR_COLUMN, BRANCH_COLUMN = "error", "branch"


def fit_curves(
    curves: pd.DataFrame | str | Path,
    protocol: str = "robust",
    by: str | Sequence[str] = (),
    fit: FitSettings | None = None,
) -> pd.DataFrame:
    """Fit the RL law of the paper to every branch of a table.

        P(x) = P_sft + epsilon + (PL_rl - epsilon) / (1 + (C_mid / x)^B)

    Args:
        curves: a table or the path of one (CSV, Parquet), a row a point, with the columns
            `x_rl_eflops` (RL compute, EFLOPs; each branch has one point at 0, the model that RL
            starts from), `score` (percent) and, where known, `error` (standard error of the score,
            points). Or the workflow's own `results/STUDY/curves.csv`, whose branches are known.
        protocol: how to fit, a name in `config/protocols.yaml`.
        by: columns that tell branches apart; by default `branch` if it is there, else all rows are
            one branch. Rows may come in any order.
        fit: draws, seed, and the lines between identified and not.

    Returns:
        A row a branch: the columns that name it, `protocol`, `x_max_eflops`, `x_common_eflops`
        (where branches are compared) and the fields of `BranchFit`: parameters, the ceiling
        `a_post` with its 90% interval, `verdict` and `reason`; six significant digits.

    Raises:
        InputError: a table that cannot be read, lacks a column or has none of the branches it
            should, values that no curve has, or an unknown protocol.
    """
    check_reference("fit_curves", "protocol", protocol, load_protocols())
    where = "curves" if isinstance(curves, pd.DataFrame) else str(curves)
    table = curves if isinstance(curves, pd.DataFrame) else read_curve_points(Path(curves))
    job = make_fit_job(protocol, fit or FitSettings())
    try:
        own = not by and set(FITTED_CURVE_COLUMNS) <= set(table.columns)
        branches = extract_branches(table) if own else split_branches(table, by)
        fitted = fit_branches(branches, job, None)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return tabulate_curve_fits(branches, fitted, job)


def tabulate_curve_fits(
    branches: Sequence[MeasuredBranch], fitted: Sequence[FittedBranch], job: FitJob
) -> pd.DataFrame:
    """The table that `fit_curves` returns."""
    x_common = job.fit.common_compute or find_common_compute(branches)
    rows = [
        make_fit_row(measured, result.fit, job, x_common, {})
        for measured, result in zip(branches, fitted, strict=True)
    ]
    fields = asdict(fitted[0].fit)
    floats = [name for name, value in fields.items() if isinstance(value, float)]
    return shorten_floats(pd.DataFrame(rows), floats)


def read_curve_points(path: Path) -> pd.DataFrame:
    """Read a table of points.

    Raises:
        InputError: there is none, or it is no CSV or Parquet table.
    """
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(
            f"{path}: not readable ({reason}); give a CSV or Parquet table with the columns"
            f" {' and '.join(POINT_COLUMNS)}"
        ) from error


def split_branches(table: pd.DataFrame, by: str | Sequence[str]) -> list[MeasuredBranch]:
    """The branches of a table of points, in the order of the columns that tell them apart.

    Raises:
        InputError: a missing column, no rows, text for a number, fractions, or what `make_branch`
            refuses.
    """
    names = [by] if isinstance(by, str) else list(by)
    names = names or [name for name in (BRANCH_COLUMN,) if name in table]
    missing = [name for name in (*POINT_COLUMNS, *names) if name not in table]
    if missing:
        raise InputError(f"lacks the columns {', '.join(missing)}; add them or rename others")
    if table.empty:
        raise InputError("has no rows; give the points of at least one branch")
    check_numbers(table)
    check_fractions(table["score"])
    if not names:
        return [measure_branch({}, table)]
    groups = table.groupby(names, dropna=False, sort=True)
    return [measure_branch(dict(zip(names, key, strict=True)), rows) for key, rows in groups]


def measure_branch(key: dict[str, object], rows: pd.DataFrame) -> MeasuredBranch:
    """The points of one branch, by compute; what SFT cost is not known."""
    points = rows.sort_values("x_rl_eflops", kind="stable")
    compute, score = (points[name] for name in POINT_COLUMNS)
    try:
        branch = make_branch(compute, score, points.get(ERROR_COLUMN))
        return MeasuredBranch(key, np.nan, branch)
    except InputError as problem:
        title = ", ".join(f"{name} {value}" for name, value in key.items())
        raise InputError(f"{title}: {problem}" if title else str(problem)) from problem


def check_fractions(scores: "pd.Series[float]") -> None:
    """Refuse scores that are fractions of 1; a curve below one percent has no ceiling to find."""
    largest = float(scores.max())
    if 0 < largest <= 1:
        raise InputError(
            f"the largest score is {largest:g}, so these are fractions, and curves hold percent;"
            " multiply the column score by 100"
        )
