"""Every run benchmark by benchmark: what it started from and what its best evaluation scored."""

from collections.abc import Sequence

import pandas as pd

from retu.core.markdown import MISSING, TextTable, format_integer, format_number, make_table
from retu.reporting.aggregate import list_paradigms
from retu.reporting.result_tables import (
    find_varying_columns,
    format_text_cells,
    rank_names,
    sort_rows,
)
from retu.reporting.tidy_files import (
    NO_DATASET,
    OVERALL,
    PURE_SFT,
    RUN_COLUMNS,
    list_models,
    order_datasets,
)
from retu.scaling.sampling_noise import compute_binomial_error

BENCHMARK_TABLE_COLUMNS = (
    *RUN_COLUMNS,
    *("benchmark", "n_problems", "n_samples", "rl_step", "start", "score", "gain"),
    "sampling_error",
)


def build_benchmark_table(
    curves: pd.DataFrame, order: Sequence[str], benchmarks: Sequence[str]
) -> pd.DataFrame:
    """One row per run and benchmark, `BENCHMARK_TABLE_COLUMNS`; `overall` first.

    Args:
        curves: all rows of curves.csv.
        order: SFT sets in their order.
        benchmarks: benchmarks in their order.

    Returns:
        start: score at the run's first point; score: at the evaluation of the run with the highest
        overall score (rl_step), so that benchmarks are of one and the same checkpoint; gain: score
        - start, points. Every checkpoint of Pure SFT is a row of its own, which starts from the
        base model. sampling_error: standard error of the score from its number of problems, points.
    """
    whole = curves["paradigm"] == PURE_SFT
    single = [*RUN_COLUMNS, "benchmark"]
    runs = curves[~whole]
    starts = runs[runs["rl_step"] == 0].set_index(single)["score"]
    best = find_best_steps(runs)
    at_best = runs.merge(best, on=[*RUN_COLUMNS, "rl_step"])
    base = curves[whole & (curves["sft_step"] == 0)].set_index(
        ["model", "dataset", "seed", "benchmark"]
    )["score"]
    sft = curves[whole & (curves["sft_step"] > 0)]
    table = pd.concat(
        [
            join_starts(sft, base[~base.index.duplicated()], ["model", "dataset", "seed"]),
            join_starts(at_best, starts, list(RUN_COLUMNS)),
        ],
        ignore_index=True,
    )
    table["gain"] = table["score"] - table["start"]
    table["sampling_error"] = [
        compute_binomial_error(score / 100.0, count)
        for score, count in zip(table["score"], table["n_problems"], strict=True)
    ]
    return sort_benchmark_rows(table, order, benchmarks)[list(BENCHMARK_TABLE_COLUMNS)]


def find_best_steps(runs: pd.DataFrame) -> pd.DataFrame:
    """The RL step with the highest overall score of every run; the earlier wins a tie."""
    overall = runs[(runs["benchmark"] == OVERALL) & (runs["rl_step"] > 0)]
    ordered = overall.sort_values(["score", "rl_step"], ascending=[False, True], kind="stable")
    return ordered.drop_duplicates(list(RUN_COLUMNS))[[*RUN_COLUMNS, "rl_step"]]


def join_starts(rows: pd.DataFrame, starts: pd.Series, key: list[str]) -> pd.DataFrame:
    """Rows with the score that their run started from."""
    return rows.join(starts.rename("start"), on=[*key, "benchmark"])


def sort_benchmark_rows(
    table: pd.DataFrame, order: Sequence[str], benchmarks: Sequence[str]
) -> pd.DataFrame:
    """By model, RL from the base model first, SFT set, step, paradigm and benchmark."""
    keys = pd.DataFrame(
        {
            "model": rank_names(table["model"], list_models(table)),
            "dataset": rank_names(table["dataset"], [NO_DATASET, *order_datasets(table, order)]),
            "sft_step": table["sft_step"],
            "paradigm": rank_names(table["paradigm"], list_paradigms(table)),
            "recipe": table["recipe"],
            "seed": table["seed"],
            "benchmark": rank_names(table["benchmark"], [OVERALL, *benchmarks]),
        }
    )
    return sort_rows(table, keys)


def format_benchmark_table(table: pd.DataFrame) -> TextTable:
    """One line per run: `start → score` of every benchmark, percent."""
    names = list(dict.fromkeys(table["benchmark"]))
    runs = table.drop_duplicates(list(RUN_COLUMNS)).reset_index(drop=True)
    cells = {
        (*key, name): f"{format_number(start)} → {format_number(score)}"
        for *key, name, start, score in table[
            [*RUN_COLUMNS, "benchmark", "start", "score"]
        ].itertuples(index=False)
    }
    keys = list(runs[list(RUN_COLUMNS)].itertuples(index=False, name=None))
    datasets = [MISSING if name == NO_DATASET else str(name) for name in runs["dataset"]]
    steps = [format_integer(value) if value else MISSING for value in runs["rl_step"]]
    return make_table(
        [
            ("Data set", False, datasets),
            *[
                (name.capitalize(), False, [str(value) or MISSING for value in runs[name]])
                for name in find_varying_columns(
                    runs.assign(recipe=runs["recipe"].replace("", None))
                )
            ],
            ("SFT step", True, [format_integer(value) for value in runs["sft_step"]]),
            ("Paradigm", False, format_text_cells(runs["paradigm"])),
            ("RL step", True, steps),
            *[(name, True, [cells.get((*key, name), MISSING) for key in keys]) for name in names],
        ]
    )
