r"""Label the checkpoints of one SFT run and mark where RL branches off.

    python -m workflow_scripts.label_subphases --losses losses.csv --study lab --model tiny \
        --dataset easy --seed 0 --spec '{"branching": "guided"}' --out subphases.csv

Reads step, val_loss and x_sft_eflops (EFLOPs) of `losses.csv`; the spec takes delta, delta2,
branching ("exhaustive" or "guided"), max_stable and checkpoints.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.errors import InputError
from workflow_scripts.labeling.subphases import choose_branches, label_subphases
from workflow_scripts.script import arguments, run, specification
from workflow_scripts.study.jobs import LabelJob
from workflow_scripts.tables_io import read_table, write_csv


def label_table(losses: pd.DataFrame, job: LabelJob, **run_facts: str | int) -> pd.DataFrame:
    """One row per evaluated step; `run_facts` (study, model, dataset, seed) lead every row."""
    steps, loss = losses["step"].to_numpy(), losses["val_loss"].to_numpy()
    labels = label_subphases(steps, loss, job.delta, job.delta2)
    table = pd.DataFrame(
        {
            "sft_step": steps,
            "x_sft_eflops": losses["x_sft_eflops"],
            "val_loss": loss,
            "min_val_loss": labels.min_val_loss,
            "ratio": labels.ratio,
            "subphase": labels.subphase,
            "margin_stable": labels.margin_stable,
            "margin_severe": labels.margin_severe,
            "branch": branches(steps, labels.subphase, job),
        }
    )
    for position, (name, value) in enumerate(run_facts.items()):
        table.insert(position, name, value)
    return table


def branches(
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


def main() -> None:
    """Read losses.csv, write subphases.csv."""
    options = arguments(
        __doc__,
        losses=Path,
        study=str,
        model=str,
        dataset=str,
        seed=int,
        spec=specification(LabelJob),
        out=Path,
    )
    losses = read_table(options.losses, ["step", "val_loss", "x_sft_eflops"])
    try:
        table = label_table(
            losses,
            options.spec,
            study=options.study,
            model=options.model,
            dataset=options.dataset,
            seed=options.seed,
        )
    except InputError as error:
        raise InputError(f"{options.losses}: {error}") from error
    write_csv(table, options.out)


if __name__ == "__main__":
    run(main)
