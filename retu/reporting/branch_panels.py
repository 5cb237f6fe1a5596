"""What the panels of figures 3 and 7 show: one per model and SFT data set."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from retu.reporting import style
from retu.reporting.aggregate import find_usual_subphase
from retu.reporting.drawing import select_rows
from retu.reporting.published_values import make_no_branches
from retu.reporting.tidy_files import PURE_RL, PURE_SFT, SFT_THEN_RL, list_models, order_datasets


@dataclass(frozen=True)
class BranchPanel:
    """All rows of one model and one SFT data set, the model's Pure RL reference, and what the paper
    prints of the same set (`retu/reporting/published_values.py`)."""

    name: str
    model: str
    sft: pd.DataFrame
    rl: pd.DataFrame
    fits: pd.DataFrame
    subphases: pd.DataFrame
    pure_rl: pd.DataFrame
    pure_rl_fits: pd.DataFrame
    published: pd.DataFrame


def make_panels(
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    order: Sequence[str],
    published: pd.DataFrame | None = None,
) -> list[BranchPanel]:
    """One panel per model and SFT data set."""
    printed = make_no_branches() if published is None else published
    panels = []
    models = list_models(curves)
    for model in models:
        own = select_rows(curves, model=model)
        for dataset in order_datasets(own, order):
            key = {"model": model, "dataset": dataset}
            panels.append(
                BranchPanel(
                    name=dataset if len(models) == 1 else f"{model}, {dataset}",
                    model=model,
                    sft=select_rows(curves, paradigm=PURE_SFT, **key),
                    rl=select_rows(curves, paradigm=SFT_THEN_RL, **key),
                    fits=select_rows(fits, paradigm=SFT_THEN_RL, **key),
                    subphases=select_rows(subphases, **key),
                    pure_rl=select_rows(own, paradigm=PURE_RL),
                    pure_rl_fits=select_rows(fits, model=model, paradigm=PURE_RL),
                    published=select_rows(printed, **key),
                )
            )
    return panels


def label_steps(panel: BranchPanel) -> dict[int, str]:
    """The usual sub-phase of each SFT step over seeds."""
    rows = panel.subphases
    steps = {int(step): rows.loc[rows["sft_step"] == step, "subphase"] for step in rows["sft_step"]}
    return {step: find_usual_subphase(labels) for step, labels in steps.items()}


def compute_branch_spans(panel: BranchPanel) -> pd.DataFrame:
    """Where each branch starts (`x_sft_eflops`) and ends (`total`) on the compute axis, EFLOPs."""
    ends = panel.rl.assign(total=panel.rl["x_sft_eflops"] + panel.rl["x_rl_eflops"])
    return ends.groupby(["sft_step", "seed", "recipe"])[["x_sft_eflops", "total"]].max()


def needs_log_axis(panel: BranchPanel) -> bool:
    """Whether this panel alone would be read better on a logarithmic axis."""
    spans = compute_branch_spans(panel)
    return style.is_log_better(spans["x_sft_eflops"].tolist(), spans["total"].tolist())
