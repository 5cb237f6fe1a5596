"""Fits of every branch of a curve table, as tables of fits and of their draws."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from retu.config.analysis import FitJob
from retu.core.errors import InputError
from retu.core.tables import shorten_floats
from retu.scaling.branch import ListedSettings
from retu.scaling.fit_result import BranchFit, FittedBranch
from retu.scaling.fitting.fit import fit_branch
from retu.scaling.measured_branches import MeasuredBranch

CHECKPOINT = ["study", "model", "dataset", "sft_step", "seed"]


def find_common_compute(branches: Sequence[MeasuredBranch]) -> float:
    """Largest RL compute that every branch from SFT reached before any collapse, EFLOPs."""
    from_sft = [b for b in branches if b.key.get("paradigm") == "SFT-then-RL"] or branches
    return min(float(b.branch.x[b.branch.end - 1]) for b in from_sft)


def fit_branches(
    branches: list[MeasuredBranch],
    job: FitJob,
    listed: dict[tuple[str, int], ListedSettings] | None,
) -> list[FittedBranch]:
    """Fit every branch; with a table of settings, only those that it lists."""
    return list(fit_one_by_one(branches, job, listed))


def fit_one_by_one(
    branches: Sequence[MeasuredBranch],
    job: FitJob,
    listed: dict[tuple[str, int], ListedSettings] | None = None,
) -> Iterator[FittedBranch]:
    """The fits of `fit_branches`, each when it is asked for."""
    x_common = job.fit.common_compute or find_common_compute(branches)
    for measured in branches:
        given = ListedSettings() if listed is None else find_listed_settings(measured, listed)
        stream = zlib.crc32(measured.title.encode())
        # A branch that the authors did not fit has no settings of theirs: nothing is invented.
        branch = measured.branch if given else measured.branch.take_first(1)
        yield fit_branch(branch, job.protocol, job.fit, given, x_common, stream)


def find_listed_settings(
    measured: MeasuredBranch, listed: dict[tuple[str, int], ListedSettings]
) -> ListedSettings | None:
    """What a table says about a branch, None if it does not list it."""
    return listed.get((str(measured.key["dataset"]), int(str(measured.key["sft_step"]))))


def make_fit_row(
    measured: MeasuredBranch,
    fit: BranchFit,
    job: FitJob,
    x_common: float,
    facts: Mapping[str, object],
) -> dict[str, object]:
    """The row of one branch; `facts` are what else is known of it, told before the compute."""
    return {
        **measured.key,
        "protocol": job.name,
        **facts,
        "x_max_eflops": measured.branch.x[-1],
        "x_common_eflops": x_common,
        **asdict(fit),
    }


def tabulate_fits(
    branches: list[MeasuredBranch], fitted: list[FittedBranch], subphases: pd.DataFrame, job: FitJob
) -> pd.DataFrame:
    """One row a branch with its sub-phase; a branch from the base model (step 0) needs no label.

    Raises:
        InputError: a branch without a label.
    """
    x_common = job.fit.common_compute or find_common_compute(branches)
    labels = {tuple(row): name for *row, name in subphases[[*CHECKPOINT, "subphase"]].to_numpy()}
    rows = []
    for measured, (fit, _) in zip(branches, fitted, strict=True):
        checkpoint = tuple(measured.key[name] for name in CHECKPOINT)
        if measured.key["sft_step"] != 0 and checkpoint not in labels:
            raise InputError(
                f"branch {measured.title}: no sub-phase for it; label the SFT run first"
            )
        facts = {
            "subphase": labels.get(checkpoint, ""),
            "x_sft_eflops": measured.x_sft_eflops,
        }
        rows.append(make_fit_row(measured, fit, job, x_common, facts))
    table = pd.DataFrame(rows)
    return shorten_floats(
        table, [name for name in asdict(fitted[0].fit) if table[name].dtype == float]
    )


def tabulate_draws(branches: list[MeasuredBranch], fitted: list[FittedBranch]) -> pd.DataFrame:
    """All draws, one row a branch and draw; branches without a fit have none."""
    frames = []
    for measured, (_, draws) in zip(branches, fitted, strict=True):
        kept = {name: values for name, values in draws.items() if name != "start_score"}
        frame = pd.DataFrame(kept).astype(np.float32)
        frame.insert(0, "draw", np.arange(len(frame)))
        key = pd.DataFrame([measured.key] * len(frame), columns=list(measured.key))
        frames.append(pd.concat([key, frame], axis=1))
    return pd.concat(frames, ignore_index=True)
