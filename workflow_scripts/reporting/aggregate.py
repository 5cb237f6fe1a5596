"""From branches and seeds to the numbers that text and figures compare."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from workflow_scripts.reporting.schema import (
    IDENTIFIED,
    LEVEL,
    PURE_SFT,
    SFT_THEN_RL,
    SUBPHASES,
    ordered_datasets,
)

BRANCH = ["model", "dataset", "sft_step", "paradigm", "recipe"]
MEASURES = ["x_sft_eflops", "p_sft", "a_post", "best_score"]
BRANCH_FACTS = [*MEASURES, "a_post_low", "a_post_high", "subphase", "identified", "n_seeds"]
CEILING = ["sft_step", "recipe", "subphase", "a_post", "a_post_low", "a_post_high"]
CEILING_COLUMNS = [
    *("model", "dataset", "min_val_loss"),
    *CEILING,
    *("identified", "n_seeds", "best_score"),
]


def t_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Student interval of a mean; NaN ends for fewer than two values."""
    sample = np.asarray(values, dtype=float)
    if sample.size < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf(0.5 + level / 2, sample.size - 1) * stats.sem(sample))
    return float(sample.mean()) - half, float(sample.mean()) + half


def pooled_interval(rows: pd.DataFrame) -> tuple[float, float]:
    """Interval of the mean ceiling over seeds, percent.

    One seed: the interval of its fit. Several: the union of the mean fit interval and the Student
    interval over seeds, because two seeds can agree by luck while both fits are vague.

    A seed without gain has a ceiling, P_sft, but no interval; the mean then has none either
    (NaN). Taking P_sft for both ends would claim a certainty that no fit has. A seed without a
    ceiling (too few points) counts neither in the mean nor here.
    """
    rows = rows.dropna(subset=["a_post"])
    if rows[["a_post_low", "a_post_high"]].isna().any(axis=None):
        return math.nan, math.nan
    low, high = float(rows["a_post_low"].mean()), float(rows["a_post_high"].mean())
    seeds_low, seeds_high = t_interval(rows["a_post"].tolist())
    if math.isfinite(seeds_low):
        low, high = np.fmin(low, seeds_low), np.fmax(high, seeds_high)
    return max(float(low), 0.0) if math.isfinite(low) else low, min(float(high), 100.0)


def usual_subphase(labels: pd.Series) -> str:
    """The most frequent label over seeds; the earlier sub-phase wins a tie."""
    counts = labels.value_counts()
    tied = [str(label) for label, count in counts.items() if count == counts.max()]
    rank = {name: place for place, name in enumerate(SUBPHASES)}
    return min(tied, key=lambda label: rank.get(label, len(rank)))


def branch_means(fits: pd.DataFrame) -> pd.DataFrame:
    """One row per branch: means over seeds, pooled interval, `identified` if every seed is."""
    records = []
    for key, rows in fits.groupby(BRANCH, sort=False):
        low, high = pooled_interval(rows)
        means = rows[MEASURES].mean().to_dict()
        records.append(
            dict(zip(BRANCH, key, strict=True))
            | means
            | {
                "a_post_low": low,
                "a_post_high": high,
                "subphase": usual_subphase(rows["subphase"]),
                "identified": bool((rows["verdict"] == IDENTIFIED).all()),
                "n_seeds": int(rows["seed"].nunique()),
            }
        )
    return pd.DataFrame(records, columns=[*BRANCH, *BRANCH_FACTS])


def best_branch(branches: pd.DataFrame, measure: str = "a_post") -> pd.Series | None:
    """The branch with the highest `measure`, None when no branch has a value."""
    known = branches.dropna(subset=[measure])
    return None if known.empty else top_row(known, measure)


def top_row(rows: pd.DataFrame, measure: str) -> pd.Series:
    """The first row with the highest value; `rows` must not be empty."""
    return rows.sort_values(measure, ascending=False, kind="stable").iloc[0]


def dataset_ceilings(
    fits: pd.DataFrame, subphases: pd.DataFrame, order: Sequence[str], model: str
) -> pd.DataFrame:
    """Highest ceiling of each SFT data set beside its minimum validation loss (paper, figure 8a).

    The ceiling is the highest A_post of all branches, identified or not, as in the paper; the
    column `identified` tells which. `best_score` is the highest score observed after RL in any
    branch.
    """
    branches = branch_means(fits[(fits["model"] == model) & (fits["paradigm"] == SFT_THEN_RL)])
    losses = (
        subphases[subphases["model"] == model].groupby(["dataset", "seed"])["min_val_loss"].min()
    )
    records = []
    for dataset in ordered_datasets(branches, order):
        rows = branches[branches["dataset"] == dataset]
        top = best_branch(rows)
        if top is None:
            continue
        minima = losses[losses.index.get_level_values("dataset") == dataset]
        records.append(
            {"model": model, "dataset": dataset, "min_val_loss": float(minima.mean())}
            | top[[*CEILING, "identified", "n_seeds"]].to_dict()
            | {"best_score": float(rows["best_score"].max())}
        )
    return pd.DataFrame(records, columns=CEILING_COLUMNS)


def point_means(curves: pd.DataFrame) -> pd.DataFrame:
    """Overall scores averaged over seeds, one row per evaluated point, total compute ascending."""
    keys = [*BRANCH, "rl_step"]
    measures = curves.groupby(keys, sort=False)[["x_sft_eflops", "x_rl_eflops", "score"]].mean()
    points = measures.reset_index()
    points["x_total"] = points["x_sft_eflops"] + points["x_rl_eflops"]
    return points.sort_values([*BRANCH, "x_total"], kind="stable").reset_index(drop=True)


def achieved(points: pd.DataFrame) -> pd.DataFrame:
    """The rows of `points` that the training of their own paradigm reached.

    An RL run carries the checkpoint it starts from as its point rl_step 0. A best score must not
    count that point: with it, SFT-then-RL could never do worse than the SFT before it.
    """
    return points[(points["paradigm"] == PURE_SFT) | (points["rl_step"] > 0)]


def paradigms_of(curves: pd.DataFrame) -> list[str]:
    """The paradigms present: Pure SFT, the one-stage ones by name, SFT-then-RL last."""
    present = set(curves["paradigm"])
    others = sorted(present - {PURE_SFT, SFT_THEN_RL})
    return [name for name in (PURE_SFT, *others, SFT_THEN_RL) if name in present]
