"""The checkpoints of an SFT run with their sub-phase and whether RL branches off."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from retu.labeling.subphases import choose_branches, label_subphases
from retu.planning.jobs import LabelJob

LABEL_COLUMNS = ("min_val_loss", "ratio", "subphase", "margin_stable", "margin_severe", "branch")


def label_checkpoints(losses: pd.DataFrame, job: LabelJob, **run_facts: str | int) -> pd.DataFrame:
    """One row per step; `run_facts` (study, model, dataset, seed) lead every row.

    Steps without a loss, which only runs that were trained elsewhere have, get no label.
    """
    known = losses[losses["val_loss"].notna()]
    table = losses[["step", "x_sft_eflops", "val_loss"]].rename(columns={"step": "sft_step"})
    for name in LABEL_COLUMNS:
        table[name] = "" if name == "subphase" else np.nan
    if len(known):
        steps, loss = known["step"].to_numpy(), known["val_loss"].to_numpy()
        labels = label_subphases(steps, loss, job.delta, job.delta2)
        table["min_val_loss"] = labels.min_val_loss
        for name in ("ratio", "subphase", "margin_stable", "margin_severe"):
            table.loc[known.index, name] = getattr(labels, name)
    names = table["subphase"].tolist()
    table["branch"] = choose_branch_points(losses["step"].to_numpy(), names, job)
    for position, (name, value) in enumerate(run_facts.items()):
        table.insert(position, name, value)
    return table


def choose_branch_points(
    steps: npt.NDArray[np.int64], subphase: list[str], job: LabelJob
) -> npt.NDArray[np.bool_]:
    """Where RL branches off: only steps whose model was kept can be chosen."""
    kept = np.full(steps.shape, True)
    if job.checkpoints is not None:
        kept = np.isin(steps, job.checkpoints)
    chosen = np.full(steps.shape, False)
    names = np.array(subphase)[kept].tolist()
    chosen[kept] = choose_branches(steps[kept], names, job.branching, job.max_stable)
    return chosen
