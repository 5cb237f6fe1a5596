"""The joint table of curves: score against compute for every SFT run and every RL branch.

One row per point and benchmark, plus one `overall` row per point. An RL branch starts with the
point x_rl = 0, which is its SFT checkpoint as evaluated in the SFT run: P_sft by definition.
"""

import json
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from workflow_scripts.errors import InputError
from workflow_scripts.evaluation.scores import GRADE_COLUMNS, score_table
from workflow_scripts.tables_io import read_table

CURVE_COLUMNS = (
    *("study", "model", "dataset", "sft_step", "paradigm", "recipe", "seed"),
    *("x_sft_eflops", "x_rl_eflops", "benchmark", "n_problems", "n_samples", "score"),
    *("rl_step", "source"),
)
RUN_KEY = ["study", "model", "dataset", "paradigm", "recipe", "seed"]
KEY = [*RUN_KEY, "sft_step", "rl_step", "benchmark"]


class Run(BaseModel):
    """One evaluated run, as the workflow lists it in points.json.

    `grades` and `compute` are the run's own files, `parent_grades` is where the model it started
    from was evaluated. An SFT run may leave that out if it evaluated step 0 itself. An RL run needs
    it, with `sft_step`, the checkpoint it started from, and `x_sft`, the losses.csv of its SFT run
    (none for the base model, whose x_sft is 0).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["sft", "rl"]
    grades: Path
    compute: Path
    model: str
    dataset: str
    recipe: str
    seed: int
    paradigm: str
    sft_step: NonNegativeInt | None = None
    parent_grades: Path | None = None
    x_sft: Path | None = None


def read_runs(path: Path) -> list[Run]:
    """Read points.json; InputError names the entry and key that is wrong."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable list of runs ({error}); run again") from error
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: expected a list of at least one run; run again")
    return [read_run(path, number, entry) for number, entry in enumerate(entries)]


def read_run(path: Path, number: int, entry: object) -> Run:
    """Check one entry of points.json."""
    try:
        result = Run.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "entry"
        raise InputError(f"{path}: run {number}, {key}: {first['msg']}") from error
    if result.kind == "rl":
        needed = ["sft_step", "parent_grades"] + ["x_sft"] * bool(result.sft_step)
        missing = [key for key in needed if getattr(result, key) is None]
        if missing:
            raise InputError(f"{path}: run {number}: an RL run needs {', '.join(missing)}")
    return result


def read_scores(path: Path) -> pd.DataFrame:
    """Scores per step and benchmark of a grades file."""
    return score_table(read_table(path, GRADE_COLUMNS), str(path))


def compute_at(path: Path, column: str, steps: pd.Series) -> pd.Series:
    """Compute spent up to each of `steps`, in EFLOPs, read from `column` of a table.

    Raises:
        InputError: a step is missing or there twice.
    """
    table = read_table(path, ("step", column))
    if table["step"].duplicated().any():
        raise InputError(f"{path}: a step is there twice; delete it and run again")
    found = steps.map(table.set_index("step")[column])
    if found.isna().any():
        step = steps[found.isna()].iloc[0]
        raise InputError(f"{path}: no {column} for step {step}, which was evaluated; run again")
    return found.astype(float)


def sft_points(run: Run) -> pd.DataFrame:
    """Points of an SFT run: one per evaluated checkpoint, step 0 is the base model."""
    points = own_and_start(run, start_step=0)
    return points.rename(columns={"step": "sft_step"}).assign(
        x_sft_eflops=compute_at(run.compute, "x_sft_eflops", points["step"]),
        x_rl_eflops=0.0,
        rl_step=0,
    )


def rl_points(run: Run) -> pd.DataFrame:
    """Points of an RL branch, the first being its SFT checkpoint (x_rl = 0)."""
    points = own_and_start(run, start_step=run.sft_step or 0)
    later = points["step"] > 0
    spent = compute_at(run.compute, "x_rl_eflops", points.loc[later, "step"])
    return points.rename(columns={"step": "rl_step"}).assign(
        sft_step=run.sft_step,
        x_sft_eflops=sft_compute(run),
        x_rl_eflops=spent.reindex(points.index, fill_value=0.0),
    )


def own_and_start(run: Run, start_step: int) -> pd.DataFrame:
    """Scores of a run's own steps, and as step 0 those of its parent's `start_step`.

    Raises:
        InputError: both evaluated step 0, the parent lacks the step, or benchmarks differ.
    """
    own = read_scores(run.grades).assign(source=run.grades.as_posix())
    if run.parent_grades is None:
        return own
    if (own["step"] == 0).any():
        raise InputError(f"{run.grades}: has step 0, which is in {run.parent_grades}; list it once")
    scores = read_scores(run.parent_grades)
    start = scores[scores["step"] == start_step]
    if start.empty:
        where = f"step {start_step}, where {run.grades} starts"
        raise InputError(f"{run.parent_grades}: {where}, is not evaluated; run again")
    if problem_counts(start) != problem_counts(own):
        other = f"other benchmarks than in {run.parent_grades}"
        raise InputError(f"{run.grades}: {other}; evaluate again")
    start = start.assign(step=0, source=run.parent_grades.as_posix())
    return pd.concat([start, own], ignore_index=True)


def problem_counts(scores: pd.DataFrame) -> dict[str, int]:
    """Number of problems of each benchmark."""
    return dict(zip(scores["benchmark"], scores["n_problems"], strict=True))


def sft_compute(run: Run) -> float:
    """Compute behind the SFT checkpoint that a branch starts from, in EFLOPs."""
    if not run.sft_step or run.x_sft is None:
        return 0.0
    return float(compute_at(run.x_sft, "x_sft_eflops", pd.Series([run.sft_step])).iloc[0])


def curve_table(study: str, runs: list[Run]) -> pd.DataFrame:
    """All points of all runs, columns `CURVE_COLUMNS`, in an order that depends on content only.

    Raises:
        InputError: a table is missing or wrong, or runs overlap.
    """
    points = [
        (sft_points(run) if run.kind == "sft" else rl_points(run)).assign(
            study=study,
            model=run.model,
            dataset=run.dataset,
            paradigm=run.paradigm,
            recipe=run.recipe,
            seed=run.seed,
        )
        for run in runs
    ]
    table = pd.concat(points, ignore_index=True)[list(CURVE_COLUMNS)]
    twice = table[table.duplicated(KEY)]
    if not twice.empty:
        where = ", ".join(f"{key} {twice.iloc[0][key]}" for key in KEY[1:])
        raise InputError(f"points: two runs give the same point ({where}); list each run once")
    return table.sort_values(KEY, kind="stable", ignore_index=True)
