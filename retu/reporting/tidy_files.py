"""The tidy files this package reads: their columns, their vocabulary, their order."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from retu.config.analysis import LEVEL as LEVEL
from retu.core.run_paths import NO_DATASET as NO_DATASET
from retu.core.tables import read_table
from retu.evaluation.scores import OVERALL as OVERALL
from retu.labeling.subphases import SUBPHASES as SUBPHASES

REPORT_CURVE_COLUMNS = (
    *("study", "model", "dataset", "sft_step", "paradigm", "recipe", "seed"),
    *("x_sft_eflops", "x_rl_eflops", "benchmark", "n_problems", "n_samples", "score"),
    *("rl_step", "source"),
)
FIT_COLUMNS = (
    *("study", "model", "dataset", "sft_step", "paradigm", "recipe", "seed", "protocol"),
    *("subphase", "x_sft_eflops", "x_max_eflops", "x_common_eflops", "n_points", "n_fit"),
    *("collapsed", "x_end_eflops", "p_sft", "epsilon", "pl_rl", "a_post", "a_post_low"),
    *("a_post_high", "a_post_profile_low", "a_post_profile_high", "c_mid", "b", "noise"),
    *("lag1", "rmse", "r2", "heldout_rmse", "best_score", "best_smoothed"),
    *("end_score", "end_low", "end_high", "double_score", "double_low", "double_high"),
    *("common_score", "common_low", "common_high", "at_bound", "verdict", "reason"),
)
SUBPHASE_COLUMNS = (
    *("study", "model", "dataset", "seed", "sft_step", "x_sft_eflops", "val_loss"),
    *("min_val_loss", "ratio", "subphase", "margin_stable", "margin_severe", "branch"),
)
STATS_COLUMNS = (
    *("dataset", "role", "rows", "mean_prompt_tokens", "mean_response_tokens"),
    *("mean_steps", "win_rate", "attempts", "selection"),
)
RUN_COLUMNS = ("model", "dataset", "sft_step", "paradigm", "recipe", "seed")
"""What tells the RL runs of a study apart."""

PURE_SFT = "Pure SFT"
PURE_RL = "Pure RL"
SFT_THEN_RL = "SFT-then-RL"
IDENTIFIED = "identified"


def read_curves(path: Path) -> pd.DataFrame:
    """The `overall` rows of curves.csv, one per evaluated point."""
    frame = read_benchmark_curves(path)
    return frame[frame["benchmark"] == OVERALL].reset_index(drop=True)


def read_benchmark_curves(path: Path) -> pd.DataFrame:
    """curves.csv, one row per evaluated point and benchmark, and one `overall` per point."""
    return fill_text_cells(read_table(path, REPORT_CURVE_COLUMNS))


def read_fits(path: Path) -> pd.DataFrame:
    """fits.csv, one row per branch and seed; an unknown sub-phase becomes the empty text."""
    return fill_text_cells(read_table(path, FIT_COLUMNS))


def read_subphases(path: Path) -> pd.DataFrame:
    """subphases.csv, one row per SFT checkpoint and seed."""
    return fill_text_cells(read_table(path, SUBPHASE_COLUMNS))


def fill_text_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn empty cells of the text columns into text, so that grouping never drops a row."""
    filled = frame.copy()
    for column, empty in (
        ("dataset", NO_DATASET),
        ("subphase", ""),
        ("recipe", ""),
        ("verdict", ""),
        ("reason", ""),
    ):
        if column in filled.columns:
            filled[column] = filled[column].astype(object).fillna(empty).astype(str)
    return filled


def split_order(text: str) -> list[str]:
    """Parse the command line's `--order D1,D2,...`."""
    return [name.strip() for name in text.split(",") if name.strip()]


def order_datasets(frame: pd.DataFrame, order: Sequence[str]) -> list[str]:
    """The SFT data sets of `frame` in the study's order, unlisted ones last by name."""
    present = set(frame["dataset"]) - {NO_DATASET}
    listed = [name for name in dict.fromkeys(order) if name in present]
    return listed + sorted(present - set(listed))


def list_models(frame: pd.DataFrame) -> list[str]:
    """The models, that of the most rows first: a study's main one; else in order of appearance."""
    return [str(name) for name in frame["model"].value_counts(sort=True).index]
