"""The joint table of curves: score against compute for every SFT run and every RL branch.

One row per point and benchmark, plus one `overall` row per point. An RL branch starts with the
point x_rl = 0, which is its SFT checkpoint as evaluated in the SFT run: P_sft by definition.
Benchmarks that are out of distribution have rows too, marked in a column that only a study with
such benchmarks has.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from retu.core.errors import InputError, advise_making_again
from retu.core.run_paths import Run
from retu.core.tables import read_table
from retu.evaluation.scores import GRADE_COLUMNS, OUT_OF_DISTRIBUTION, score_checkpoints

CURVE_COLUMNS = (
    *("study", "model", "dataset", "sft_step", "paradigm", "recipe", "seed"),
    *("x_sft_eflops", "x_rl_eflops", "benchmark", "n_problems", "n_samples", "score"),
    *("rl_step", "source", "cut_share"),
)
RUN_KEY = ["study", "model", "dataset", "paradigm", "recipe", "seed"]
POINT_KEY = [*RUN_KEY, "sft_step", "rl_step", "benchmark"]


def read_scores(path: Path, left_out: Collection[str] = ()) -> pd.DataFrame:
    """Scores per step and benchmark of a grades file; `left_out` as in `score_checkpoints`."""
    return score_checkpoints(read_table(path, GRADE_COLUMNS), str(path), left_out)


def read_cumulative_compute(path: Path, column: str, steps: pd.Series) -> pd.Series:
    """Compute spent up to each of `steps`, in EFLOPs, read from `column` of a table.

    Raises:
        InputError: a step is missing or there twice.
    """
    table = read_table(path, ("step", column))
    if table["step"].duplicated().any():
        raise InputError(f"{path}: a step is there twice; {advise_making_again(path)}")
    found = steps.map(table.set_index("step")[column])
    if found.isna().any():
        step = steps[found.isna()].iloc[0]
        raise InputError(f"{path}: no {column} for step {step}, which was evaluated; run again")
    return found.astype(float)


def tabulate_sft_points(
    results: Path, grades: Path, run: Run, left_out: Collection[str] = ()
) -> pd.DataFrame:
    """Points of an SFT run: one per checkpoint, step 0 being the base model."""
    points = join_start_scores(grades, run, left_out)
    spent = read_cumulative_compute(
        results / run.path / "losses.csv", "x_sft_eflops", points["step"]
    )
    points = points.rename(columns={"step": "sft_step"})
    return points.assign(x_sft_eflops=spent, x_rl_eflops=0.0, rl_step=0)


def tabulate_rl_points(
    results: Path, grades: Path, run: Run, left_out: Collection[str] = ()
) -> pd.DataFrame:
    """Points of an RL branch, the first being the checkpoint it starts from (x_rl = 0)."""
    points = join_start_scores(grades, run, left_out)
    later = points["step"] > 0
    path = results / run.path / "compute.csv"
    spent = read_cumulative_compute(path, "x_rl_eflops", points.loc[later, "step"])
    return points.rename(columns={"step": "rl_step"}).assign(
        sft_step=run.sft_step,
        x_sft_eflops=read_sft_compute(results, run),
        x_rl_eflops=spent.reindex(points.index, fill_value=0.0),
    )


def join_start_scores(graded: Path, run: Run, left_out: Collection[str]) -> pd.DataFrame:
    """Scores of a run's own steps, and as step 0 those of the checkpoint it starts from.

    Raises:
        InputError: a run evaluated step 0 itself, its parent lacks the step, or benchmarks differ.
    """
    grades = graded / run.path / "grades.parquet"
    parent = graded / run.parent.path / "grades.parquet"
    own = read_scores(grades, left_out).assign(source=grades.as_posix())
    if (own["step"] == 0).any():
        raise InputError(f"{grades}: has step 0, which belongs to {parent}; generate again")
    scores = read_scores(parent, left_out)
    start = scores[scores["step"] == run.sft_step]
    if start.empty:
        raise InputError(
            f"{parent}: step {run.sft_step}, where {grades} starts, is not evaluated; run again"
        )
    if count_problems(start) != count_problems(own):
        raise InputError(f"{grades}: other benchmarks than in {parent}; evaluate again")
    start = start.assign(step=0, source=parent.as_posix())
    return pd.concat([start, own], ignore_index=True)


def count_problems(scores: pd.DataFrame) -> dict[str, int]:
    """Number of problems of each benchmark."""
    return dict(zip(scores["benchmark"], scores["n_problems"], strict=True))


def read_sft_compute(results: Path, run: Run) -> float:
    """Compute behind the checkpoint that a branch starts from, in EFLOPs."""
    if run.parent.kind == "base":
        return 0.0
    path = results / run.parent.path / "losses.csv"
    return float(read_cumulative_compute(path, "x_sft_eflops", pd.Series([run.sft_step])).iloc[0])


def tabulate_curves(
    study: str,
    results: Path,
    runs: list[Run],
    titles: Mapping[str, str],
    grades: Path | None = None,
    left_out: Collection[str] = (),
) -> pd.DataFrame:
    """All points of SFT and RL runs, columns `CURVE_COLUMNS`; the order depends on content only.

    With benchmarks that are left out there is also the column `OUT_OF_DISTRIBUTION`.

    Args:
        study: its name.
        results: the folder of the study.
        runs: which runs enter.
        titles: those of the RL recipes: what the paradigms are called.
        grades: the folder that holds the grades of the runs, if they are not in `results`.
        left_out: benchmarks that are out of distribution: they do not enter the overall score.

    Raises:
        InputError: a table is missing or wrong, or a run is listed twice.
    """
    if len(set(runs)) < len(runs):
        raise InputError("curves: a run is listed twice; list each once")
    points = [
        (tabulate_sft_points if run.kind == "sft" else tabulate_rl_points)(
            results, grades or results, run, left_out
        ).assign(
            study=study,
            model=run.model,
            dataset=run.dataset,
            paradigm=run.name_paradigm(titles.get(run.recipe, "RL")),
            recipe=run.recipe,
            seed=run.seed,
        )
        for run in runs
    ]
    table = pd.concat(points, ignore_index=True)[list(CURVE_COLUMNS)]
    if left_out:
        table[OUT_OF_DISTRIBUTION] = table["benchmark"].isin(list(left_out))
    return table.sort_values(POINT_KEY, kind="stable", ignore_index=True)
