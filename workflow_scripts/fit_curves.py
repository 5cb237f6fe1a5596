r"""Fit the RL law to every branch of a joint curve file by one protocol.

    python -m workflow_scripts.fit_curves --curves curves.csv --subphases subphases.csv \
        --spec '{"name": "robust", "protocol": {}, "fit": {}}' --listed none \
        --out robust.csv --out-draws robust.draws.parquet

One row a branch (study, model, dataset, sft_step, paradigm, recipe, seed); `--listed` is a table of
per-branch settings or `none`. Fitted numbers keep six significant digits, far below evaluation
noise, so that equal inputs give equal bytes. The draws are those of the bootstrap, independent
between branches.
"""

import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.errors import InputError
from workflow_scripts.scaling.branch import Listed, read_listed
from workflow_scripts.scaling.fit import fit_branch
from workflow_scripts.scaling.measured import CURVE_COLUMNS, Measured, measured_branches
from workflow_scripts.scaling.result import FittedBranch
from workflow_scripts.script import arguments, run, specification
from workflow_scripts.study.analysis import FitJob
from workflow_scripts.tables_io import read_table, shorten, write_csv, write_parquet

CHECKPOINT = ["study", "model", "dataset", "sft_step", "seed"]


def common_compute(branches: list[Measured]) -> float:
    """Largest RL compute that every branch from SFT reached before any collapse, EFLOPs."""
    from_sft = [b for b in branches if b.key["paradigm"] == "SFT-then-RL"] or branches
    return min(float(b.branch.x[b.branch.end - 1]) for b in from_sft)


def fit_all(
    branches: list[Measured], job: FitJob, listed: dict[tuple[str, int], Listed] | None
) -> list[FittedBranch]:
    """Fit every branch; with a table of settings, only those that it lists."""
    x_common = job.fit.common_compute or common_compute(branches)
    fitted = []
    for measured in branches:
        place = (str(measured.key["dataset"]), int(str(measured.key["sft_step"])))
        given = Listed() if listed is None else listed.get(place)
        stream = zlib.crc32(measured.title.encode())
        # A branch that the authors did not fit has no settings of theirs: nothing is invented.
        branch = measured.branch if given else measured.branch.first(1)
        fit, draws = fit_branch(branch, job.protocol, job.fit, given, x_common, stream)
        fitted.append(FittedBranch(fit, draws))
    return fitted


def fit_table(
    branches: list[Measured], fitted: list[FittedBranch], subphases: pd.DataFrame, job: FitJob
) -> pd.DataFrame:
    """One row a branch with its sub-phase; a branch from the base model (step 0) needs no label.

    Raises:
        InputError: a branch without a label.
    """
    x_common = job.fit.common_compute or common_compute(branches)
    labels = {tuple(row): name for *row, name in subphases[[*CHECKPOINT, "subphase"]].to_numpy()}
    rows = []
    for measured, (fit, _) in zip(branches, fitted, strict=True):
        checkpoint = tuple(measured.key[name] for name in CHECKPOINT)
        if measured.key["sft_step"] != 0 and checkpoint not in labels:
            raise InputError(
                f"branch {measured.title}: no sub-phase for it; label the SFT run first"
            )
        rows.append(
            {
                **measured.key,
                "protocol": job.name,
                "subphase": labels.get(checkpoint, ""),
                "x_sft_eflops": measured.x_sft_eflops,
                "x_max_eflops": measured.branch.x[-1],
                "x_common_eflops": x_common,
                **asdict(fit),
            }
        )
    table = pd.DataFrame(rows)
    return shorten(table, [name for name in asdict(fitted[0].fit) if table[name].dtype == float])


def draw_table(branches: list[Measured], fitted: list[FittedBranch]) -> pd.DataFrame:
    """All draws, one row a branch and draw; branches without a fit have none."""
    frames = []
    for measured, (_, draws) in zip(branches, fitted, strict=True):
        frame = pd.DataFrame(draws).astype(np.float32)
        frame.insert(0, "draw", np.arange(len(frame)))
        key = pd.DataFrame([measured.key] * len(frame), columns=list(measured.key))
        frames.append(pd.concat([key, frame], axis=1))
    return pd.concat(frames, ignore_index=True)


def main() -> None:
    """Read curves.csv and subphases.csv, write the fits and the draws of one protocol."""
    options = arguments(
        __doc__,
        curves=Path,
        subphases=Path,
        spec=specification(FitJob),
        listed=Path,
        out=Path,
        out_draws=Path,
    )
    curves = read_table(options.curves, CURVE_COLUMNS)
    subphases = read_table(options.subphases, [*CHECKPOINT, "subphase"])
    listed = None if options.listed == Path("none") else read_listed(options.listed)
    try:
        branches = measured_branches(curves)
        fitted = fit_all(branches, options.spec, listed)
        table = fit_table(branches, fitted, subphases, options.spec)
    except InputError as error:
        raise InputError(f"{options.curves}: {error}") from error
    write_parquet(draw_table(branches, fitted), options.out_draws)
    write_csv(table, options.out)


if __name__ == "__main__":
    run(main)
