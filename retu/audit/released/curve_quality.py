"""Findings about the released curves: what a reader must know before believing a fit.

A row of a curve is counted from its start, x = 0 being row 0, as the authors' scripts count.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retu.audit.released.inferred_steps import compute_gap_ratios
from retu.evaluation.scores import OVERALL
from retu.scaling.collapse import find_collapse_start
from retu.scaling.sampling_noise import compute_binomial_error, compute_score_error

FINDING_KINDS = {
    "identical_scores": "equal scores on every benchmark at different compute",
    "duplicate_points": "two points of a run at the same compute",
    "missing_evaluation": "a gap in compute that one more evaluation would fill",
    "collapse": "a run that loses its score for good",
    "benchmark_drop": "a benchmark far below its values before and after",
    "identical_files": "files with the same bytes",
    "no_script": "a released curve without a fitting script",
    "window_beyond_data": "a training window that the data cannot fill",
    "flags_differ": "robust-fit settings of the script that differ from Table 4",
    "granularity": "whether scores are counts of right answers",
    "sft_density": "how densely an SFT run was evaluated",
    "benchmark_split": "branches that fall in two groups on a benchmark",
}
"""Every kind of finding and what it is, in the order of the table."""

N_AROUND = 3
DROP_ERRORS = 6.0
ALSO_LOW_ERRORS = 4.0
QUALITY_POINT_KEY = ["paradigm", "dataset", "sft_step", "x_sft_eflops", "x_rl_eflops", "rl_step"]


@dataclass(frozen=True)
class QualityFinding:
    """One finding: where it is, the numbers, and what follows from them."""

    kind: str
    dataset: str
    sft_step: int | None
    where: str
    what: str
    consequence: str


@dataclass(frozen=True)
class ReleasedCurves:
    """The joint table of curves, one row per point.

    Attributes:
        points: columns `POINT`, `row` (counted from the start of an RL run), every benchmark and
            `overall`, in order of compute within a run.
        problems: benchmark -> problems.
        answers: benchmark -> graded answers behind one score.
    """

    points: pd.DataFrame
    problems: dict[str, int]
    answers: dict[str, int]

    @property
    def benchmarks(self) -> list[str]:
        """Benchmarks without `overall`."""
        return [name for name in self.problems if name != OVERALL]

    @property
    def measured_points(self) -> pd.DataFrame:
        """Points that were evaluated on their own: no starts of RL runs, no base models."""
        sft = (self.points["paradigm"] == "Pure SFT") & (self.points["x_sft_eflops"] > 0)
        return self.points[sft | (self.points["rl_step"] > 0)]

    def iterate_branches(self) -> Iterator[tuple[str, int, pd.DataFrame]]:
        """Data set, SFT step and points of every RL run, x = 0 first."""
        runs = self.points[self.points["paradigm"] != "Pure SFT"]
        for dataset, of_dataset in runs.groupby("dataset", sort=False):
            for step, points in of_dataset.groupby("sft_step", sort=True):
                yield str(dataset), int(str(step)), points.reset_index(drop=True)

    def find_collapse_row(self, points: pd.DataFrame) -> int:
        """Row of an RL run at which it collapses, as the fits see it; their number without one."""
        names = self.benchmarks or [OVERALL]
        score = points[names].to_numpy(dtype=np.float64)
        counts = [[found[name] for name in names] for found in (self.problems, self.answers)]
        error = compute_score_error(score, *np.array(counts, dtype=np.float64))
        return find_collapse_start(points[OVERALL].to_numpy(dtype=np.float64), error=error)


def pivot_curves(curves: pd.DataFrame) -> ReleasedCurves:
    """Turn the tidy table into one row per point, benchmarks as columns."""
    counts = curves.drop_duplicates("benchmark").set_index("benchmark")
    # Points at the same compute must stay apart, or the check for them could find none.
    nth = curves.groupby([*QUALITY_POINT_KEY, "benchmark"]).cumcount()
    points = (
        curves.assign(nth=nth)
        .pivot(index=[*QUALITY_POINT_KEY, "nth"], columns="benchmark", values="score")
        .reset_index()
        .sort_values(QUALITY_POINT_KEY, kind="stable", ignore_index=True)
    )
    points["row"] = points.groupby(["paradigm", "dataset", "sft_step"]).cumcount()
    problems, answers = (
        {str(name): int(count) for name, count in counts[column].items()}
        for column in ("n_problems", "n_samples")
    )
    return ReleasedCurves(points, problems, answers)


def find_identical_scores(curves: ReleasedCurves) -> Iterator[QualityFinding]:
    """Points whose scores are equal on every benchmark."""
    measured = curves.measured_points
    copies = measured[measured.duplicated(curves.benchmarks, keep=False)]
    for _, rows in copies.groupby(curves.benchmarks, sort=False):
        first = rows.iloc[0]
        one_run = rows[["paradigm", "dataset"]].drop_duplicates().shape[0] == 1
        sft = first["paradigm"] == "Pure SFT"
        places = [
            f"{row.x_sft_eflops:.2f}" if sft else f"row {row.row} at {row.x_rl_eflops:.2f}"
            for row in rows.itertuples()
        ]
        yield QualityFinding(
            "identical_scores",
            first["dataset"],
            None if sft else int(first["sft_step"]),
            f"{' and '.join(places)} EFLOPs" + ("" if one_run else ", in different runs"),
            f"all {len(curves.benchmarks)} scores equal, overall {first[OVERALL]:.2f}",
            "coincidence is practically impossible: one point is a copy of the other",
        )


def find_duplicate_points(curves: ReleasedCurves) -> Iterator[QualityFinding]:
    """Points of one run at the same compute."""
    key = ["paradigm", "dataset", "sft_step", "x_sft_eflops", "x_rl_eflops"]
    for _, row in curves.points[curves.points.duplicated(key)].iterrows():
        yield QualityFinding(
            "duplicate_points",
            row["dataset"],
            int(row["sft_step"]),
            f"{row['x_sft_eflops']:.2f} + {row['x_rl_eflops']:.2f} EFLOPs",
            f"two points, the second with overall {row[OVERALL]:.2f}",
            "a fit counts the point twice",
        )


def find_missing_evaluations(curves: ReleasedCurves) -> Iterator[QualityFinding]:
    """Gaps in compute of an RL run where the inferred steps jump."""
    for dataset, step, points in curves.iterate_branches():
        compute = points["x_rl_eflops"].to_numpy(dtype=np.float64)
        jumps = np.diff(points["rl_step"].to_numpy())
        usual = int(np.median(jumps))
        ratios = compute_gap_ratios(compute[1:])
        for i in np.flatnonzero(jumps > usual):
            yield QualityFinding(
                "missing_evaluation",
                dataset,
                step,
                f"row {i + 1}, {compute[i]:.2f} to {compute[i + 1]:.2f} EFLOPs",
                f"the gap is {ratios[i]:.2f} times those around it",
                f"an evaluation is missing: RL steps from here on are {jumps[i] - usual} higher",
            )


def find_collapses(curves: ReleasedCurves) -> Iterator[QualityFinding]:
    """Runs that collapse."""
    for dataset, step, points in curves.iterate_branches():
        score = points[OVERALL].to_numpy(dtype=np.float64)
        start = curves.find_collapse_row(points)
        if start < len(score):
            yield QualityFinding(
                "collapse",
                dataset,
                step,
                f"row {start}, {points['x_rl_eflops'].iloc[start]:.2f} EFLOPs",
                f"best {score[:start].max():.2f} before; then down to {score[start:].min():.2f}, "
                f"{score[-1]:.2f} at the end, {len(score) - start} rows",
                "the law only rises: these rows are left out of robust fits and of what counts as "
                "the end of the branch",
            )


def find_benchmark_drops(curves: ReleasedCurves) -> Iterator[QualityFinding]:
    """Rows at which a benchmark lies far below its values on both sides."""
    for dataset, step, points in curves.iterate_branches():
        falls = {
            name: measure_drops(points[name], curves.answers[name]) for name in curves.benchmarks
        }
        end = curves.find_collapse_row(points)
        for i in map(int, np.flatnonzero(np.max([*falls.values()], axis=0) >= DROP_ERRORS)):
            low = [name for name in curves.benchmarks if falls[name][i] >= ALSO_LOW_ERRORS]
            nearby = [*range(max(0, i - N_AROUND), i), *range(i + 1, i + 1 + N_AROUND)]
            around = points[points.index.isin(nearby)]
            values = ", ".join(
                f"{name} {points[name].iloc[i]:.1f} (around it {around[name].median():.1f})"
                for name in low
            )
            cause = (
                "one benchmark alone: looks like a failed evaluation or answer format"
                if len(low) == 1
                else f"{len(low)} benchmarks at once, up again after it: model or answer format"
            )
            yield QualityFinding(
                "benchmark_drop",
                dataset,
                step,
                f"row {i}, {points['x_rl_eflops'].iloc[i]:.2f} EFLOPs",
                f"{values}; overall {points[OVERALL].iloc[i]:.2f}",
                f"{cause}; within the collapse" if i >= end else f"{cause}; an outlier of the fit",
            )


def measure_drops(score: pd.Series, n_answers: int) -> np.ndarray:
    """How far each score is below the medians before and after it, in binomial standard errors.

    Args:
        score: one benchmark along a run, percent, shape (n,).
        n_answers: graded answers behind each score.

    Returns:
        Shape (n,); zero where the score is not below both, and where fewer than two points follow.
    """
    before = score.rolling(N_AROUND, min_periods=1).median().shift(1)
    # One point after it could be just as wrong.
    after = score[::-1].rolling(N_AROUND, min_periods=2).median()[::-1].shift(-1)
    level = np.minimum(before.to_numpy(dtype=np.float64), after.to_numpy(dtype=np.float64))
    share = np.clip(level / 100, 1 / n_answers, 1 - 1 / n_answers)
    fall = level - score.to_numpy(dtype=np.float64)
    fall /= compute_binomial_error(share, n_answers)
    return np.asarray(np.nan_to_num(fall, nan=0.0).clip(min=0.0))
