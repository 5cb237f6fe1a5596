"""The released result files as the joint table of curves that every other study has.

An SFT file holds {compute: {benchmark: score}}, an RL file {sft_step: {compute: {...}}}, compute
in EFLOPs and scores in percent. The overall score is the mean over all problems (paper appendix
on evaluation), here not rounded; the authors fit it rounded to two decimals.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from retu.audit.released.inferred_steps import infer_rl_steps, infer_sft_steps
from retu.audit.released.plain_pickle import load_plain_pickle
from retu.audit.released.released_files import CacheFile, read_cache
from retu.core.errors import InputError
from retu.core.run_paths import NO_DATASET, Run
from retu.evaluation.curve_table import CURVE_COLUMNS, POINT_KEY
from retu.evaluation.scores import OVERALL
from retu.planning.jobs import ImportJob

REFETCH_REMEDY = "fetch the file of the listed commit again"
BenchmarkScores = Mapping[str, float]


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation: where it lies and its score on every benchmark, percent."""

    sft_step: int
    rl_step: int
    x_sft: float
    x_rl: float
    scores: BenchmarkScores
    source: str


def build_released_curves(folder: Path, files: list[CacheFile], job: ImportJob) -> pd.DataFrame:
    """All points of the used files, columns `CURVE_COLUMNS`, one `overall` row per point.

    Raises:
        InputError: a file is missing or changed, is no table of scores, has compute that does not
            increase or scores that are none, or an RL run starts where SFT has no point.
    """
    used = [file for file in files if file.distinct]
    branch_steps: dict[str, list[int]] = {}
    for file in used:
        if file.sft_step is not None:
            branch_steps.setdefault(file.dataset, []).append(file.sft_step)
    sft = {
        file.dataset: read_sft_points(folder, file, branch_steps.get(file.dataset, []), job)
        for file in used
        if file.kind == "sft"
    }
    rows: list[dict[str, object]] = []
    for dataset, points in sft.items():
        rows += make_point_rows(Run("sft", job.model, dataset, seed=job.seed), points, job)
    for file in used:
        if file.sft_step is not None:
            points = read_rl_points(folder, file, find_start_point(file, sft), job)
            run = Run("rl", job.model, file.dataset, file.sft_step, job.recipe, job.seed)
            rows += make_point_rows(run, points, job)
    table = pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
    return table.sort_values(POINT_KEY, kind="stable", ignore_index=True)


def read_sft_points(
    folder: Path, file: CacheFile, branch_steps: list[int], job: ImportJob
) -> list[CurvePoint]:
    """The points of an SFT run, the base model (no compute) first."""
    table = check_score_table(
        load_plain_pickle(read_cache(folder, file), file.path), file.path, job
    )
    if 0.0 not in table:
        raise InputError(
            f"{file.path}: has no point without compute, the base model; {REFETCH_REMEDY}"
        )
    steps = infer_sft_steps(np.array([*table]), branch_steps, file.path)
    return [
        CurvePoint(step, 0, compute, 0.0, scores, file.path)
        for step, (compute, scores) in zip(steps, table.items(), strict=True)
    ]


def read_rl_points(
    folder: Path, file: CacheFile, start: CurvePoint, job: ImportJob
) -> list[CurvePoint]:
    """The points of an RL run, the checkpoint it starts from first."""
    content = load_plain_pickle(read_cache(folder, file), file.path)
    if not isinstance(content, dict) or [*content] != [file.sft_step]:
        raise InputError(
            f"{file.path}: is not the table of step {file.sft_step} alone; {REFETCH_REMEDY}"
        )
    table = check_score_table(content[file.sft_step], file.path, job)
    if 0.0 in table:
        raise InputError(f"{file.path}: has a point without RL compute; {REFETCH_REMEDY}")
    steps = infer_rl_steps(np.array([*table]), job.rl_steps_per_row)
    own = [
        CurvePoint(start.sft_step, step, start.x_sft, compute, scores, file.path)
        for step, (compute, scores) in zip(steps, table.items(), strict=True)
    ]
    return [start, *own]


def find_start_point(file: CacheFile, sft: Mapping[str, list[CurvePoint]]) -> CurvePoint:
    """The SFT point from which an RL run starts; Pure RL starts from the base model.

    Raises:
        InputError: there is no such point, or SFT runs disagree about the base model.
    """
    if file.dataset != NO_DATASET:
        candidates = [
            point for point in sft.get(file.dataset, []) if point.sft_step == file.sft_step
        ]
    else:
        candidates = [point for points in sft.values() for point in points if point.sft_step == 0]
    if not candidates:
        raise InputError(
            f"{file.path}: starts from {file.dataset} step {file.sft_step}, of which no SFT score "
            "is released; take the file out of the list or add that of the SFT run"
        )
    for other in candidates[1:]:
        if other.scores != candidates[0].scores:
            raise InputError(
                f"{other.source}: other scores of the base model than in {candidates[0].source}; "
                + REFETCH_REMEDY
            )
    return candidates[0]


def check_score_table(content: object, source: str, job: ImportJob) -> dict[float, BenchmarkScores]:
    """Check one table {compute: {benchmark: score}} of a released file.

    Raises:
        InputError: it is none, is empty, or a number in it cannot be.
    """
    if not isinstance(content, dict) or not content:
        raise InputError(f"{source}: holds no table of scores by compute; {REFETCH_REMEDY}")
    table: dict[float, BenchmarkScores] = {}
    last = -math.inf
    for compute, scores in content.items():
        if not isinstance(compute, int | float) or not (math.isfinite(compute) and compute >= 0):
            raise InputError(
                f"{source}: compute {compute!r}; it must be 0 or more; {REFETCH_REMEDY}"
            )
        if compute <= last:
            raise InputError(
                f"{source}: compute {compute:g} after {last:g} EFLOPs; it must increase;"
                f" {REFETCH_REMEDY}"
            )
        last = float(compute)
        table[last] = check_point_scores(scores, f"{source}: {compute:g} EFLOPs", job)
    return table


def check_point_scores(scores: object, where: str, job: ImportJob) -> BenchmarkScores:
    """The score of every benchmark of the study at one point."""
    if not isinstance(scores, dict) or scores.keys() != job.benchmarks.keys():
        found = ", ".join(map(str, scores)) if isinstance(scores, dict) else type(scores).__name__
        wanted = ", ".join(job.benchmarks)
        raise InputError(f"{where}: has {found or 'nothing'} instead of {wanted}; {REFETCH_REMEDY}")
    for name, score in scores.items():
        # NaN fails the comparison too.
        if not isinstance(score, int | float) or not 0 <= score <= 100:
            raise InputError(f"{where}: {name} is {score!r}, no score in percent; {REFETCH_REMEDY}")
    return {name: float(scores[name]) for name in job.benchmarks}


def make_point_rows(run: Run, points: list[CurvePoint], job: ImportJob) -> list[dict[str, object]]:
    """Rows of the joint table: one per benchmark and one overall, for each point of a run."""
    problems = {name: count.problems for name, count in job.benchmarks.items()}
    answers = {name: count.problems * count.samples for name, count in job.benchmarks.items()}
    problems[OVERALL], answers[OVERALL] = sum(problems.values()), sum(answers.values())
    rows: list[dict[str, object]] = []
    for point in points:
        weighted = sum(problems[name] * score for name, score in point.scores.items())
        scores = {**point.scores, OVERALL: weighted / problems[OVERALL]}
        facts = {
            **{"study": job.study, "model": run.model, "dataset": run.dataset},
            **{"sft_step": point.sft_step, "paradigm": run.name_paradigm(), "recipe": run.recipe},
            **{"seed": run.seed, "x_sft_eflops": point.x_sft, "x_rl_eflops": point.x_rl},
            **{"rl_step": point.rl_step, "source": point.source},
        }
        rows += [
            {
                **facts,
                "benchmark": name,
                "n_problems": problems[name],
                "n_samples": answers[name],
                "score": score,
            }
            for name, score in scores.items()
        ]
    return rows
