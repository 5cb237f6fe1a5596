"""Table 1: the highest score of every paradigm and SFT set, its minimum loss and switch point."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from retu.core.markdown import (
    MISSING,
    TextTable,
    format_integer,
    format_interval,
    format_number,
    make_table,
)
from retu.reporting.aggregate import (
    find_top_row,
    find_usual_subphase,
    list_paradigms,
    select_achieved_points,
    t_interval,
)
from retu.reporting.result_tables import format_text_cells, rank_names, sort_rows
from retu.reporting.tidy_files import NO_DATASET, PURE_RL, PURE_SFT, SFT_THEN_RL, order_datasets
from retu.scaling.sampling_noise import compute_binomial_error

BASE = "Base"
TABLE_1_COLUMNS = (
    *("model", "paradigm", "dataset", "recipe", "n_seeds", "sft_step", "x_sft_eflops"),
    *("subphase", "rl_steps", "score", "score_low", "score_high", "sampling_error"),
    *("n_problems", "n_samples", "min_val_loss"),
)
START = ["paradigm", "dataset", "recipe"]


def build_table_1(
    curves: pd.DataFrame,
    subphases: pd.DataFrame,
    models: Sequence[str],
    order: Sequence[str],
    rl_steps: int | None = None,
) -> pd.DataFrame:
    """One row per model, paradigm, SFT set and recipe, `TABLE_1_COLUMNS` (paper Table 1).

    Args:
        curves: overall rows of curves.csv.
        subphases: rows of subphases.csv.
        models: the models compared, in their order.
        order: SFT sets in their order.
        rl_steps: scores within so many RL steps count; None: all.

    Returns:
        score: mean over seeds of the highest score of a run, percent, of the checkpoint for which
            it is highest; score_low and score_high: Student interval over seeds (NaN for one);
            sampling_error: standard error from the number of problems, points, an upper bound. The
            highest of many scores is above the score that would be measured again.
        sft_step, x_sft_eflops (EFLOPs), subphase: the checkpoint, the switch point of SFT-then-RL.
        rl_steps: the RL step up to which there are scores; 0 for SFT.
        min_val_loss: minimum of the SFT run's validation loss, nats per token, mean over seeds.
    """
    counted = curves if rl_steps is None else curves[curves["rl_step"] <= rl_steps]
    records = []
    for model in models:
        own = counted[counted["model"] == model]
        records += describe_base_model(own)
        records += list_highest_scores(own, subphases[subphases["model"] == model])
    table = pd.DataFrame(records, columns=list(TABLE_1_COLUMNS))
    return sort_score_rows(table, models, order)


def describe_base_model(curves: pd.DataFrame) -> list[dict[str, object]]:
    """The base model as it is; nothing where nobody scored it."""
    rows = curves[(curves["sft_step"] == 0) & (curves["rl_step"] == 0)]
    if rows.empty:
        return []
    first = rows.drop_duplicates("seed").assign(
        paradigm=BASE, dataset=NO_DATASET, recipe=MISSING, sft_step=0
    )
    return [summarise_seeds(first.head(1))]


def list_highest_scores(curves: pd.DataFrame, subphases: pd.DataFrame) -> list[dict[str, object]]:
    """Of every paradigm, SFT set and recipe the checkpoint with the highest mean score."""
    points = select_achieved_points(curves)
    points = points[(points["paradigm"] != PURE_SFT) | (points["sft_step"] > 0)]
    losses = subphases.groupby(["dataset", "seed"])["min_val_loss"].min()
    records: list[dict[str, object]] = []
    for key, runs in points.groupby(START, sort=False):
        rows = [
            summarise_seeds(keep_highest_points(branch))
            for _, branch in runs.groupby("sft_step", sort=True)
        ]
        best: dict[str, object] = {
            str(name): value for name, value in find_top_row(pd.DataFrame(rows), "score").items()
        }
        minima = losses[losses.index.get_level_values("dataset") == key[1]]
        at = subphases[
            (subphases["dataset"] == key[1]) & (subphases["sft_step"] == best["sft_step"])
        ]
        best["min_val_loss"] = float(minima.mean()) if len(minima) else math.nan
        best["subphase"] = find_usual_subphase(at["subphase"]) if len(at) else ""
        records.append(best)
    return records


def keep_highest_points(branch: pd.DataFrame) -> pd.DataFrame:
    """The highest point of each seed, with the last RL step that was evaluated."""
    best = branch.sort_values("score", ascending=False, kind="stable").drop_duplicates("seed")
    return best.assign(rl_steps=int(branch["rl_step"].max()))


def summarise_seeds(rows: pd.DataFrame) -> dict[str, object]:
    """One row of the table from one point a seed."""
    first, score = rows.iloc[0], float(rows["score"].mean())
    low, high = t_interval(rows["score"].tolist())
    return {
        **{name: first[name] for name in ("model", *START, "sft_step")},
        "n_seeds": len(rows),
        "x_sft_eflops": float(rows["x_sft_eflops"].mean()),
        "subphase": "",
        "rl_steps": int(first.get("rl_steps", 0)),
        "score": score,
        "score_low": low,
        "score_high": high,
        "sampling_error": float(
            compute_binomial_error(score / 100.0, float(first["n_problems"] * len(rows)))
        ),
        "n_problems": int(first["n_problems"]),
        "n_samples": int(first["n_samples"]),
        "min_val_loss": math.nan,
    }


def sort_score_rows(
    table: pd.DataFrame, models: Sequence[str], order: Sequence[str]
) -> pd.DataFrame:
    """By model; the base model, RL from it, SFT, then SFT with RL; by data set and recipe."""
    alone = [PURE_RL, *list_paradigms(table[table["dataset"] == NO_DATASET])]
    keys = pd.DataFrame(
        {
            "model": rank_names(table["model"], models),
            "stage": np.select(
                [table["paradigm"] == BASE, table["dataset"] == NO_DATASET],
                [0, 1],
                np.where(table["paradigm"] == PURE_SFT, 2, 3),
            ),
            "dataset": rank_names(table["dataset"], order_datasets(table, order)),
            "paradigm": rank_names(table["paradigm"], alone, SFT_THEN_RL),
            "recipe": table["recipe"],
        }
    )
    return sort_rows(table, keys)


def format_table_1(table: pd.DataFrame) -> TextTable:
    """Table 1 for people; the model and seeds appear only where there are several."""
    ends = zip(table["score_low"], table["score_high"], strict=True)
    several = [("Model", False, format_text_cells(table["model"]))]
    seeds = [
        ("Seeds", True, [format_integer(value) for value in table["n_seeds"]]),
        ("90% over seeds", True, [format_interval(low, high) for low, high in ends]),
    ]
    datasets = [MISSING if name == NO_DATASET else str(name) for name in table["dataset"]]
    steps = [format_integer(v) if v else MISSING for v in table["sft_step"]]
    return make_table(
        [
            *(several if table["model"].nunique() > 1 else []),
            ("Paradigm", False, format_text_cells(table["paradigm"])),
            ("Data set", False, datasets),
            ("RL recipe", False, [str(name) or MISSING for name in table["recipe"]]),
            ("Highest score", True, [format_number(value) for value in table["score"]]),
            ("Sampling error", True, [format_number(value) for value in table["sampling_error"]]),
            *(seeds if (table["n_seeds"] > 1).any() else []),
            ("RL steps", True, [format_integer(v) if v else MISSING for v in table["rl_steps"]]),
            ("Minimum loss", True, [format_number(value, 3) for value in table["min_val_loss"]]),
            ("SFT step", True, steps),
            ("Sub-phase", False, [label or MISSING for label in table["subphase"]]),
        ]
    )
