"""From branches and seeds to the numbers that text and figures compare."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from retu.core.arrays import FloatArray
from retu.reporting.tidy_files import (
    IDENTIFIED,
    LEVEL,
    PURE_SFT,
    SFT_THEN_RL,
    SUBPHASES,
    order_datasets,
)
from retu.reporting.token_cuts import ensure_cut_share
from retu.scaling.smoothing import compute_centred_median

BRANCH_KEY = ["model", "dataset", "sft_step", "paradigm", "recipe"]
RUN_COLUMNS = [*BRANCH_KEY, "seed"]
RUN_MEANS = [
    *("n_points", "best_score", "best_smoothed", "best_before_collapse", "end_score"),
    *("x_sft_eflops", "x_total_eflops", "x_near_best_eflops", "x_collapse_eflops"),
]
LAST_PART = 1 / 3  # of a run, for its stability
NEAR_BEST = 0.95  # share of a run's own best score that counts as reaching it
BRANCH_MEASURES = ["x_sft_eflops", "p_sft", "a_post", "best_score"]
BRANCH_FACTS = [*BRANCH_MEASURES, "a_post_low", "a_post_high", "subphase", "identified", "n_seeds"]
CEILING_FACTS = ["sft_step", "recipe", "subphase", "a_post", "a_post_low", "a_post_high"]
CEILING_COLUMNS = [
    *("model", "dataset", "min_val_loss"),
    *CEILING_FACTS,
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


def find_usual_subphase(labels: pd.Series) -> str:
    """The most frequent label over seeds; the earlier sub-phase wins a tie."""
    counts = labels.value_counts()
    tied = [str(label) for label, count in counts.items() if count == counts.max()]
    rank = {name: place for place, name in enumerate(SUBPHASES)}
    return min(tied, key=lambda label: rank.get(label, len(rank)))


def average_branches(fits: pd.DataFrame) -> pd.DataFrame:
    """One row per branch: means over seeds, pooled interval, `identified` if every seed is."""
    records = []
    for key, rows in fits.groupby(BRANCH_KEY, sort=False):
        low, high = pooled_interval(rows)
        means = rows[BRANCH_MEASURES].mean().to_dict()
        records.append(
            dict(zip(BRANCH_KEY, key, strict=True))
            | means
            | {
                "a_post_low": low,
                "a_post_high": high,
                "subphase": find_usual_subphase(rows["subphase"]),
                "identified": bool((rows["verdict"] == IDENTIFIED).all()),
                "n_seeds": int(rows["seed"].nunique()),
            }
        )
    return pd.DataFrame(records, columns=[*BRANCH_KEY, *BRANCH_FACTS])


def find_best_branch(branches: pd.DataFrame, measure: str = "a_post") -> pd.Series | None:
    """The branch with the highest `measure`, None when no branch has a value."""
    known = branches.dropna(subset=[measure])
    return None if known.empty else find_top_row(known, measure)


def find_top_row(rows: pd.DataFrame, measure: str) -> pd.Series:
    """The first row with the highest value; `rows` must not be empty."""
    return rows.sort_values(measure, ascending=False, kind="stable").iloc[0]


def build_dataset_ceilings(
    fits: pd.DataFrame, subphases: pd.DataFrame, order: Sequence[str], model: str
) -> pd.DataFrame:
    """Highest ceiling of each SFT data set beside its minimum validation loss (paper, figure 8a).

    The ceiling is the highest A_post of all branches, identified or not, as in the paper; the
    column `identified` tells which. `best_score` is the highest score observed after RL in any
    branch.
    """
    branches = average_branches(fits[(fits["model"] == model) & (fits["paradigm"] == SFT_THEN_RL)])
    losses = (
        subphases[subphases["model"] == model].groupby(["dataset", "seed"])["min_val_loss"].min()
    )
    records = []
    for dataset in order_datasets(branches, order):
        rows = branches[branches["dataset"] == dataset]
        top = find_best_branch(rows)
        if top is None:
            continue
        minima = losses[losses.index.get_level_values("dataset") == dataset]
        records.append(
            {"model": model, "dataset": dataset, "min_val_loss": float(minima.mean())}
            | top[[*CEILING_FACTS, "identified", "n_seeds"]].to_dict()
            | {"best_score": float(rows["best_score"].max())}
        )
    return pd.DataFrame(records, columns=CEILING_COLUMNS)


def average_points(curves: pd.DataFrame) -> pd.DataFrame:
    """Overall scores averaged over seeds, one row per evaluated point, total compute ascending."""
    keys = [*BRANCH_KEY, "rl_step"]
    measures = curves.groupby(keys, sort=False)[["x_sft_eflops", "x_rl_eflops", "score"]].mean()
    points = measures.reset_index()
    points["x_total"] = points["x_sft_eflops"] + points["x_rl_eflops"]
    return points.sort_values([*BRANCH_KEY, "x_total"], kind="stable").reset_index(drop=True)


def select_achieved_points(points: pd.DataFrame) -> pd.DataFrame:
    """The rows of `points` that the training of their own paradigm reached.

    An RL run carries the checkpoint it starts from as its point rl_step 0. A best score must not
    count that point: with it, SFT-then-RL could never do worse than the SFT before it.
    """
    return points[(points["paradigm"] == PURE_SFT) | (points["rl_step"] > 0)]


def list_paradigms(curves: pd.DataFrame) -> list[str]:
    """The paradigms present: Pure SFT, the one-stage ones by name, SFT-then-RL last."""
    present = set(curves["paradigm"])
    others = sorted(present - {PURE_SFT, SFT_THEN_RL})
    return [name for name in (PURE_SFT, *others, SFT_THEN_RL) if name in present]


def measure_starts(curves: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """What was measured per paradigm and start: means over seeds of `measure_run`.

    `spread` pools the variances; `spread_freedom` are its degrees of freedom;
    `spread_over_seeds` is the standard deviation of `end_score`; `cut_share` is the highest of all
    seeds. A Pure SFT run is one row, step 0.
    """
    whole = curves["paradigm"] == PURE_SFT
    runs = curves.assign(sft_step=curves["sft_step"].where(~whole, 0))
    ends = fits[fits["collapsed"].astype(bool)].set_index(RUN_COLUMNS)["x_end_eflops"].to_dict()
    records = []
    for key, rows in select_achieved_points(runs).groupby(RUN_COLUMNS, sort=False):
        measured = measure_run(rows, float(ends.get(key, math.inf)))
        records.append(dict(zip(RUN_COLUMNS, key, strict=True)) | measured)
    table = pd.DataFrame(records)
    grouped = table.groupby(BRANCH_KEY, sort=False)
    means = grouped[RUN_MEANS].mean()
    means["spread"] = np.sqrt(grouped["variance"].mean())
    means["spread_freedom"] = grouped["freedom"].sum()
    means["spread_over_seeds"] = grouped["end_score"].std()
    means["n_seeds"] = grouped["seed"].nunique()
    means["n_collapsed"] = grouped["x_collapse_eflops"].count()
    means["cut_share"] = grouped["cut_share"].max()
    return means.reset_index()


def cut_last_part(score: FloatArray, end: int) -> FloatArray:
    """The last third of a run, or all from `end` on, the last point before its collapse.

    A collapsed run can be steady at its low scores: its variance must include the fall.
    """
    return score[min(score.size - math.ceil(score.size * LAST_PART), end) :]


def measure_run(points: pd.DataFrame, x_end: float) -> dict[str, float]:
    """What one run reached, how steadily, and at what compute.

    Args:
        points: the points that the run trained for, one seed; columns of curves.csv.
        x_end: RL compute of the last point before a collapse, EFLOPs; infinite without one.

    Returns:
        cut_share: highest share of cut answers at a point; NaN where unknown.
        best_score, best_before_collapse: highest score, percent; best_smoothed: highest running
            median of five before a collapse, which the few checkpoints of an SFT run do not have.
        end_score: running median of the last three points; of an SFT run its last score.
        variance: of the scores of the last third of an RL run, or from the last point before an
            earlier collapse; freedom: its degrees of freedom.
        x_total_eflops: SFT and RL compute in all; x_near_best_eflops: where the running median
            (SFT: the score) first reaches 95% of its own best; x_collapse_eflops: last before one.
    """
    total = points["x_sft_eflops"] + points["x_rl_eflops"]
    rows = points.assign(x=total).sort_values("x", kind="stable")
    score, x, x_rl = (rows[name].to_numpy(float) for name in ("score", "x", "x_rl_eflops"))
    # Fitted compute keeps six digits, so the last point may lie a hair beyond its own value.
    usable = x_rl <= x_end * (1 + 1e-5)
    pure_sft = bool((rows["paradigm"] == PURE_SFT).all())
    curve = score if pure_sft else compute_centred_median(score[usable])
    tail = cut_last_part(score, int(usable.sum()) - 1)
    varies = tail.size > 1 and not pure_sft
    return {
        "n_points": score.size,
        "cut_share": float(ensure_cut_share(rows)["cut_share"].max()),
        "best_score": float(score.max()),
        "best_smoothed": math.nan if pure_sft else float(curve.max()),
        "best_before_collapse": float(score[usable].max()),
        "end_score": float(score[-1] if pure_sft else compute_centred_median(score)[-1]),
        "variance": float(tail.var(ddof=1)) if varies else math.nan,
        "freedom": tail.size - 1 if varies else 0,
        "x_sft_eflops": float(rows["x_sft_eflops"].max()),
        "x_total_eflops": float(x[-1]),
        "x_near_best_eflops": float(x[np.argmax(curve >= NEAR_BEST * curve.max())]),
        "x_collapse_eflops": float(x[usable][-1]) if math.isfinite(x_end) else math.nan,
    }


def spread_ratio(
    spread: float, freedom: float, other: float, other_freedom: float
) -> tuple[float, float, float]:
    """Ratio of two standard deviations with the interval for normal scores; NaN without either."""
    if not (other > 0 and spread >= 0):
        return math.nan, math.nan, math.nan
    ratio, tail = spread / other, (1 - LEVEL) / 2
    high, low = stats.f.ppf([tail, 1 - tail], freedom, other_freedom)
    return ratio, ratio / math.sqrt(low), ratio / math.sqrt(high)
