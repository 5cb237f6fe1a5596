"""Charts of a made-up study with every kind of branch, and what their specifications hold."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from reporting_fixtures import ALL, MadeParameters, make_frames

from retu.reporting.charts.branch_chart import draw_branch_chart
from retu.reporting.charts.ceiling_chart import draw_ceiling_chart
from retu.reporting.charts.page_chart import PageChart
from retu.reporting.charts.sft_chart import draw_sft_chart
from retu.reporting.charts.training_chart import TrainingTables, draw_training_chart
from retu.reporting.collapse_histories import QUANTITIES, BranchKey
from retu.reporting.tidy_files import RUN_COLUMNS, fill_text_cells

MADE = replace(ALL, datasets=("Small", "Large"), methods=("DAPO_d", "SRFT"), after_sft=("SRFT",))
MODEL, N_STEPS, COLLAPSE_STEP = "tiny", 240, 140


def make_history(rng: np.random.Generator) -> pd.DataFrame:
    """What training logs of a run of `N_STEPS`; one value is missing."""
    steps = np.arange(1, N_STEPS + 1)
    noise = {
        "reward": 0.3 + rng.normal(0, 0.03, N_STEPS),
        "entropy": 1.2 * np.exp(-steps / 90),
        "completions/mean_length": 30 + rng.normal(0, 1, N_STEPS),
        "paradigm/clip_low": rng.random(N_STEPS) / 100,
        "completions/clipped_ratio": rng.random(N_STEPS) / 50,
        "grad_norm": 1 + rng.random(N_STEPS),
        "loss": rng.normal(0, 0.05, N_STEPS),
    }
    return pd.DataFrame({"step": steps} | noise).replace({"reward": {0.3: np.nan}})


def make_training_tables(made: MadeParameters = MADE) -> TrainingTables:
    """All tables of the made-up study, with a history for every branch."""
    frames = {name: fill_text_cells(frame) for name, frame in make_frames(made).items()}
    fits, rng = frames["fits"], np.random.default_rng(3)
    curves = frames["curves"][frames["curves"]["benchmark"] == "overall"]
    columns = ["model", "dataset", "sft_step", "recipe", "seed"]
    histories: dict[BranchKey, pd.DataFrame] = {
        tuple(row): make_history(rng) for row in fits[columns].itertuples(index=False)
    }
    collapses = fits.loc[fits["collapsed"], list(RUN_COLUMNS)].assign(collapse_step=COLLAPSE_STEP)
    for made_quantity in QUANTITIES:
        moved = COLLAPSE_STEP - 20 if made_quantity.name == "reward" else np.nan
        collapses[f"{made_quantity.name}_moved_step"] = moved
    return TrainingTables(histories, curves, fits, frames["subphases"], collapses)


def draw_all(made: MadeParameters = MADE) -> list[PageChart]:
    """Every chart of a study's page, in the order of the page."""
    tables = make_training_tables(made)
    curves, fits, subphases = tables.curves, tables.fits, tables.subphases
    drawn = [
        draw_branch_chart(curves, fits, subphases, MODEL, order=made.datasets),
        draw_sft_chart(curves, subphases, MODEL, made.datasets),
        draw_ceiling_chart(fits, subphases, made.datasets, MODEL),
        draw_training_chart(tables, MODEL, made.datasets),
    ]
    charts = [chart for chart in drawn if chart]
    assert len(charts) == len(drawn)
    return charts


def list_tips(spec: Any) -> set[str]:
    """Titles of all lines of tooltips in a specification."""
    if isinstance(spec, dict):
        inside = [list_tips(value) for value in spec.values()]
        own = {tip["title"] for tip in spec.get("tooltip", [])}
        return own.union(*inside)
    return set().union(*(list_tips(value) for value in spec)) if isinstance(spec, list) else set()


def read_spec(chart: PageChart) -> dict[str, Any]:
    """The specification of a chart."""
    spec: dict[str, Any] = json.loads(chart.spec)
    return spec
