"""The points of figure 3 as numbers."""

from collections.abc import Sequence

import pandas as pd

from retu.reporting.result_tables import rank_names
from retu.reporting.tidy_files import NO_DATASET, PURE_RL, PURE_SFT, SFT_THEN_RL, order_datasets

BRANCH_POINT_COLUMNS = (
    *("model", "dataset", "sft_step", "paradigm", "recipe", "seed", "rl_step"),
    *("x_sft_eflops", "x_rl_eflops", "x_total_eflops", "score", "val_loss", "subphase"),
)


def list_branch_points(
    curves: pd.DataFrame, subphases: pd.DataFrame, order: Sequence[str]
) -> pd.DataFrame:
    """Every evaluated point of SFT, of RL after it and of Pure RL, `BRANCH_POINT_COLUMNS`.

    Compute in EFLOPs, scores in percent; loss (nats per token) and sub-phase are those of the SFT
    checkpoint, empty where they are not known.
    """
    shown = curves[curves["paradigm"].isin([PURE_SFT, SFT_THEN_RL, PURE_RL])]
    keys = ["model", "dataset", "seed", "sft_step"]
    labels = subphases[[*keys, "val_loss", "subphase"]].drop_duplicates(keys)
    points = shown.merge(labels, on=keys, how="left").fillna({"subphase": ""})
    points["x_total_eflops"] = points["x_sft_eflops"] + points["x_rl_eflops"]
    points["rank"] = rank_names(points["dataset"], [NO_DATASET, *order_datasets(points, order)])
    by = ["model", "rank", "seed", "paradigm", "sft_step", "recipe", "rl_step"]
    return points.sort_values(by, kind="stable")[list(BRANCH_POINT_COLUMNS)].reset_index(drop=True)
