"""The published sub-phases against the losses they are drawn from: agreement and what decides it.

The losses are published as a figure only. A label is decided by two decimals if it is the same
for all losses that round to the printed ones, and by the digitised losses if it is the same
within the error of reading them off the figure.
"""

import numpy as np
import pandas as pd

from retu.audit.released.label_box import list_loss_cases, list_possible_labels
from retu.core.errors import InputError
from retu.labeling.label_table import label_checkpoints
from retu.labeling.subphases import label_subphases
from retu.planning.jobs import LabelJob

LOSS_COLUMNS = (
    *("dataset", "sft_step", "val_loss", "error_bound", "val_loss_2dp", "subphase_in_figure"),
)
HALF_A_DIGIT = 0.005
"""Largest error of a loss rounded to two decimals."""
SEPARATOR = " | "


def label_published_losses(
    losses: pd.DataFrame, curves: pd.DataFrame, job: LabelJob, **facts: str | int
) -> pd.DataFrame:
    """The table subphases.csv of a released study, from the digitised losses.

    Args:
        losses: columns `LOSS_COLUMNS`.
        curves: the joint table of curves; tells compute, and from where RL runs exist.
        job: thresholds.
        facts: study, model and seed.

    Raises:
        InputError: a checkpoint has no score, an RL run no label, or losses are wrong.
    """
    sft = curves[curves["paradigm"] == "Pure SFT"].drop_duplicates(["dataset", "sft_step"])
    compute = sft.set_index(["dataset", "sft_step"])["x_sft_eflops"]
    runs = curves.loc[curves["paradigm"] == "SFT-then-RL", ["dataset", "sft_step"]]
    branches = set(runs.itertuples(index=False, name=None))
    tables = []
    for dataset, rows in losses.groupby("dataset", sort=False):
        keys = [(str(dataset), step) for step in rows["sft_step"]]
        lacking = next((key for key in keys if key not in compute.index), None)
        if lacking:
            raise InputError(f"{lacking[0]} step {lacking[1]}: has a loss but no score; correct it")
        ready = rows.rename(columns={"sft_step": "step"}).assign(
            x_sft_eflops=[float(compute[key]) for key in keys]
        )
        table = label_checkpoints(ready, job, study=facts["study"], model=facts["model"])
        table.insert(2, "dataset", dataset)
        table.insert(3, "seed", facts["seed"])
        tables.append(table.assign(branch=[key in branches for key in keys]))
        branches -= set(keys)
    if branches:
        dataset, step = min(branches)
        raise InputError(f"{dataset} step {step}: has an RL run but no published loss; add it")
    return pd.concat(tables, ignore_index=True)


def check_labels(losses: pd.DataFrame, job: LabelJob) -> pd.DataFrame:
    """One row per checkpoint: drawn and computed labels, margins, and whether the losses decide.

    Columns that end in `_2dp` use losses of two decimals, those in `_digitised` the digitised
    ones. `possible_*` lists every label within the error, `decided_*` says that there is one,
    `figure_possible_*` that all labels drawn for the data set can hold at once. `loss_is_rounded`:
    the digitised loss cannot be told from its two decimals, so it may know no more than they.
    """
    tables = []
    for _, rows in losses.groupby("dataset", sort=False):
        step, drawn = rows["sft_step"].to_numpy(), list(rows["subphase_in_figure"])
        table = rows[["dataset", "sft_step", "val_loss", "val_loss_2dp"]].reset_index(drop=True)
        off = (rows["val_loss"] - rows["val_loss_2dp"]).abs().to_numpy()
        table["loss_is_rounded"] = off <= rows["error_bound"].to_numpy()
        table["subphase_in_figure"] = drawn
        sources = {
            "2dp": (rows["val_loss_2dp"].to_numpy(), HALF_A_DIGIT),
            "digitised": (rows["val_loss"].to_numpy(), float(rows["error_bound"].max())),
        }
        for name, (loss, error) in sources.items():
            labels = label_subphases(step, loss, job.delta, job.delta2)
            cases = list_loss_cases(loss, error, job.delta, job.delta2)
            possible = [list_possible_labels(cases, i) for i in range(len(step))]
            table[f"subphase_{name}"] = labels.subphase
            table[f"agrees_{name}"] = np.array(labels.subphase) == np.array(drawn)
            table[f"margin_stable_{name}"] = labels.margin_stable
            table[f"margin_severe_{name}"] = labels.margin_severe
            table[f"possible_{name}"] = [SEPARATOR.join(names) for names in possible]
            table[f"decided_{name}"] = [len(names) == 1 for names in possible]
            table[f"drawn_is_possible_{name}"] = [
                label in names for label, names in zip(drawn, possible, strict=True)
            ]
            table[f"figure_possible_{name}"] = any(
                case.is_labelling_possible(drawn) for case in cases
            )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
