r"""Fit the RL law to every branch of a joint curve file.

    python -m workflow_scripts.fit_curves --curves curves.csv --subphases subphases.csv \
        --spec '{"n_bootstrap": 200, "seed": 0}' --out fits.csv

One row a branch (study, model, dataset, sft_step, paradigm, recipe, seed) from its `overall`
points; the spec takes the fields of `scaling.settings.FitSettings`. Fitted numbers keep six
significant digits, far below evaluation noise, so that equal inputs give equal bytes.
"""

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from workflow_scripts.errors import InputError
from workflow_scripts.scaling.fit import fit_curve
from workflow_scripts.scaling.settings import FitSettings, parse_settings
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import read_table, write_csv

BRANCH = ["study", "model", "dataset", "sft_step", "paradigm", "recipe", "seed"]
CHECKPOINT = ["study", "model", "dataset", "sft_step", "seed"]
CURVE_COLUMNS = [*BRANCH, "benchmark", "rl_step", "x_sft_eflops", "x_rl_eflops", "score"]
OUTPUT = [
    *BRANCH, "subphase", "x_sft_eflops", "n_points", "x_max_eflops", "p_sft", "epsilon", "pl_rl",
    "a_post", "a_post_low", "a_post_high", "c_mid", "b", "rmse", "r2", "best_score", "at_bound",
    "verdict",
]  # fmt: skip
FITTED = ["epsilon", "pl_rl", "a_post", "a_post_low", "a_post_high", "c_mid", "b", "rmse", "r2"]
DIGITS = 6


def branch_row(points: pd.DataFrame, settings: FitSettings) -> dict[str, object]:
    """Fit one branch; adds its compute range and the best score observed after RL.

    The point x_rl = 0 is no part of the best score, because SFT alone reached it.

    Raises:
        InputError: no single point at x_rl = 0, a repeated RL step, several x_sft, or what
            `fit_curve` refuses.
    """
    ordered = points.sort_values("rl_step", kind="stable")
    if ordered["rl_step"].duplicated().any() or ordered["rl_step"].isna().any():
        raise InputError("an RL step is missing or appears twice; remove the repeated evaluation")
    at_start = ordered["x_rl_eflops"] == 0
    start = ordered.loc[at_start, "score"]
    if len(start) != 1:
        raise InputError(
            f"{len(start)} points at x_rl = 0; exactly one, the score P_sft, is needed"
        )
    if ordered["x_sft_eflops"].nunique(dropna=False) != 1:
        raise InputError("several values of x_sft_eflops; a branch starts from one checkpoint")
    p_sft = float(start.iloc[0])
    fit = fit_curve(ordered["x_rl_eflops"], ordered["score"], p_sft, settings)
    return {
        **asdict(fit),
        "x_sft_eflops": ordered["x_sft_eflops"].iloc[0],
        "x_max_eflops": ordered["x_rl_eflops"].max(),
        "p_sft": p_sft,
        "best_score": ordered.loc[~at_start, "score"].max(),
    }


def fit_table(curves: pd.DataFrame, subphases: pd.DataFrame, settings: FitSettings) -> pd.DataFrame:
    """One row per branch of `curves`, in the order of the branch columns.

    A branch from the base model (sft_step 0) needs no label; without one its sub-phase is empty.

    Raises:
        InputError: no branch at all, a branch that cannot be fitted, or one without a label.
    """
    kept = curves[(curves["paradigm"] != "Pure SFT") & (curves["benchmark"] == "overall")]
    if kept.empty:
        raise InputError("no overall row of an RL branch; evaluate at least one branch")
    labels = {tuple(row): name for *row, name in subphases[[*CHECKPOINT, "subphase"]].to_numpy()}
    rows = []
    for key, points in kept.groupby(BRANCH, sort=True, dropna=False):
        branch = dict(zip(BRANCH, key, strict=True))
        title = ", ".join(f"{name} {value}" for name, value in branch.items())
        checkpoint = tuple(branch[name] for name in CHECKPOINT)
        if (points["sft_step"] > 0).any() and checkpoint not in labels:
            raise InputError(f"branch {title}: no sub-phase for it; label the SFT run first")
        try:
            fitted = branch_row(points, settings)
        except InputError as error:
            raise InputError(f"branch {title}: {error}") from error
        rows.append({**branch, "subphase": labels.get(checkpoint, ""), **fitted})
    table = pd.DataFrame(rows)[OUTPUT]
    # Significant digits, not decimals: C_mid of a small model is far below one EFLOP.
    table[FITTED] = table[FITTED].map(lambda value: float(f"{value:.{DIGITS}g}"))
    return table


def main() -> None:
    """Read curves.csv and subphases.csv, write fits.csv."""
    options = arguments(__doc__, curves=Path, subphases=Path, spec=parse_settings, out=Path)
    curves = read_table(options.curves, CURVE_COLUMNS)
    subphases = read_table(options.subphases, [*CHECKPOINT, "subphase"])
    try:
        table = fit_table(curves, subphases, options.spec)
    except InputError as error:
        raise InputError(f"{options.curves}: {error}") from error
    write_csv(table, options.out)


if __name__ == "__main__":
    run(main)
