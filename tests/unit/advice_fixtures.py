"""Planted RL branches as the tables that a study has."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from retu.labeling.subphases import label_subphases
from retu.scaling.law import compute_gain

FACTS: dict[str, Any] = {"study": "planted", "model": "M", "seed": 0}
N_PROBLEMS = 2000
EVERY = 10
STEPS = 300


def plant_curve(
    name: tuple[str, int],
    p_sft: float,
    a_post: float,
    c_mid: float = 30.0,
    steps: int = STEPS,
    collapse: int | None = None,
    noise: float = 0.3,
) -> pd.DataFrame:
    """Rows of curves.csv of one branch by the law, with two EFLOPs an evaluation."""
    dataset, sft_step = name
    rl_steps = np.arange(0, steps + 1, EVERY)
    x = 2.0 * rl_steps / EVERY
    score = p_sft + compute_gain(x, epsilon=0.0, pl_rl=a_post - p_sft, c_mid=c_mid, b=1.5)
    score += noise * np.random.default_rng([sft_step, len(dataset)]).standard_normal(x.size)
    if collapse is not None:
        score[rl_steps >= collapse] -= 25
    rows = pd.DataFrame({"rl_step": rl_steps, "x_rl_eflops": x, "score": score.clip(0, 100)})
    facts: dict[str, Any] = {
        **{**FACTS, "dataset": dataset, "sft_step": sft_step, "paradigm": "SFT-then-RL"},
        **{"recipe": "dapo", "x_sft_eflops": sft_step / 10, "benchmark": "overall"},
        **{"n_problems": N_PROBLEMS, "n_samples": N_PROBLEMS},
        **{"source": "planted", "cut_share": np.nan},
    }
    return rows.assign(**facts)


def plant_labels(losses: Mapping[str, Mapping[int, float]]) -> pd.DataFrame:
    """Rows of subphases.csv: data set -> SFT step -> validation loss."""
    tables = []
    for dataset, by_step in losses.items():
        steps, loss = [*by_step], [*by_step.values()]
        labels = label_subphases(steps, loss)
        table = pd.DataFrame({"sft_step": steps, "val_loss": loss, "subphase": labels.subphase})
        table["x_sft_eflops"] = table["sft_step"] / 10
        table["min_val_loss"], table["ratio"] = labels.min_val_loss, labels.ratio
        table["margin_stable"], table["margin_severe"] = labels.margin_stable, labels.margin_severe
        tables.append(table.assign(**FACTS, dataset=dataset, branch=True))
    return pd.concat(tables, ignore_index=True)


LOSSES = {
    "Good": {100: 0.50, 200: 0.401, 300: 0.40, 400: 0.41, 500: 0.50},
    "Poor": {100: 0.60, 200: 0.50},
}
"""Labels: Adaptation, Stable, Stable, Mild, Severe; Adaptation, Stable."""


def plant_pool(**changes: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves and labels of a pool whose best branch is Good step 300, and worst Poor step 200."""
    tops = {("Good", 200): 74.0, ("Good", 300): 80.0, ("Good", 400): 75.0, ("Poor", 200): 66.0}
    curves = [plant_curve(name, 60, top, **changes) for name, top in tops.items()]  # type: ignore[arg-type]
    return pd.concat(curves, ignore_index=True), plant_labels(LOSSES)
