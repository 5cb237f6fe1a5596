"""Findings about the released files, the settings they were fitted with, and their benchmarks."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from retu.audit.released.curve_quality import QualityFinding, ReleasedCurves
from retu.audit.released.released_files import CacheFile, read_cache
from retu.evaluation.scores import OVERALL

N_BEST = 5
SPLIT_BENCHMARK = "minerva"
HALF_A_DIGIT = 0.005
CURVE_KEY = ["dataset", "sft_step"]


def find_identical_files(folder: Path, files: list[CacheFile]) -> Iterator[QualityFinding]:
    """Released files with the same bytes."""
    by_content: dict[str, list[CacheFile]] = {}
    for file in files:
        content = hashlib.sha256(read_cache(folder, file)).hexdigest()
        by_content.setdefault(content, []).append(file)
    for content, same in by_content.items():
        if len(same) > 1:
            used = [file.path for file in same if file.distinct]
            yield QualityFinding(
                "identical_files",
                same[0].dataset,
                same[0].sft_step,
                ", ".join(file.path for file in same),
                f"{len(same)} files with SHA-256 {content[:12]}...",
                f"one measurement, not {len(same)}; used: {', '.join(used)}",
            )


def find_missing_scripts(
    files: list[CacheFile], settings: pd.DataFrame
) -> Iterator[QualityFinding]:
    """Released RL curves for which no fitting script was released."""
    fitted = set(settings[CURVE_KEY].itertuples(index=False, name=None))
    for file in files:
        if file.kind == "rl" and (file.dataset, file.sft_step) not in fitted:
            yield QualityFinding(
                "no_script",
                file.dataset,
                file.sft_step,
                file.path,
                "a curve, but no fitting script",
                "its published values cannot be traced to settings",
            )


def find_wide_windows(settings: pd.DataFrame) -> Iterator[QualityFinding]:
    """Scripts whose training window is not the one that is used."""
    for row in settings.to_dict("records"):
        asked, used = (row["flag_start"], row["flag_end"]), (row["train_start"], row["train_end"])
        if asked != used:
            yield QualityFinding(
                "window_beyond_data",
                row["dataset"],
                row["sft_step"],
                row["script"],
                f"asks for rows {asked[0]} to {asked[1] - 1} of a run of {row['points']}",
                f"rows {used[0]} to {used[1] - 1} are fitted instead",
            )


def find_differing_flags(settings: pd.DataFrame, table_4: pd.DataFrame) -> Iterator[QualityFinding]:
    """Curves whose released outlier cut-off or retained share differs from Table 4."""
    names = {"tau": "tau", "lts_share": "retained share (0: off)"}
    # A curve that is only drawn has no settings in the table.
    published = table_4[[*CURVE_KEY, *names]].dropna()
    both = settings.merge(published, on=CURVE_KEY, suffixes=("_flag", "_table"))
    for row in both.to_dict("records"):
        different = [
            f"{text} {row[f'{name}_flag']:g}, in Table 4 {row[f'{name}_table']:g}"
            for name, text in names.items()
            if not np.isclose(row[f"{name}_flag"], row[f"{name}_table"])
        ]
        if different:
            yield QualityFinding(
                "flags_differ",
                row["dataset"],
                row["sft_step"],
                row["script"],
                "; ".join(different),
                "script and table cannot both be how the published curve was fitted",
            )


def find_granularity(curves: ReleasedCurves) -> Iterator[QualityFinding]:
    """Whether the scores of each benchmark are whole numbers of right answers, two decimals."""
    for name in curves.benchmarks:
        answers, score = (
            curves.answers[name],
            curves.measured_points[name].to_numpy(dtype=np.float64),
        )
        nearest = np.rint(score * answers / 100) * 100 / answers
        # The bound of rounding, plus what binary fractions lose.
        fits = int((np.abs(score - nearest) <= HALF_A_DIGIT + 1e-9).sum())
        chance = min(1.0, (answers + 1) / 10001)
        problems = curves.problems[name]
        yield QualityFinding(
            "granularity",
            "",
            None,
            f"{name}, {len(score)} scores",
            f"{fits} are k / {answers} ({problems} problems x {answers // problems} samples, steps "
            f"of {100 / answers:.3f} points) to two decimals; of random numbers {chance:.0%} would",
            "the counts hold: what looks like coarse rounding is the step of one answer"
            if fits == len(score)
            else f"{len(score) - fits} scores cannot come from these counts",
        )


def find_sft_density(curves: ReleasedCurves) -> Iterator[QualityFinding]:
    """How many checkpoints of each SFT run were evaluated, and how far they are apart."""
    points = curves.points
    runs = {(dataset, step) for dataset, step, _ in curves.iterate_branches()}
    for dataset, rows in points[points["paradigm"] == "Pure SFT"].groupby("dataset", sort=False):
        steps = rows["sft_step"].to_numpy()
        gaps = np.diff(steps)
        extra = sum((str(dataset), int(step)) not in runs for step in steps if step > 0)
        yield QualityFinding(
            "sft_density",
            str(dataset),
            None,
            f"steps 0 to {steps[-1]}",
            f"{len(steps)} points, {gaps.min()} to {gaps.max()} steps apart, {extra} of them "
            "where no RL run starts",
            "an SFT curve between the checkpoints is known"
            if extra
            else "the SFT curve is known at the branch points only",
        )


def find_benchmark_split(curves: ReleasedCurves) -> Iterator[QualityFinding]:
    """The two groups of branches on one benchmark, by the mean of each branch's best rows."""
    if SPLIT_BENCHMARK not in curves.problems:
        return
    best = average_best_rows(curves)
    if len(best) < 2:
        return
    ranked = best[SPLIT_BENCHMARK].sort_values().to_numpy()
    cut = int(np.diff(ranked).argmax())
    upper = best[SPLIT_BENCHMARK] > ranked[cut]
    apart = [
        f"{name} at most {best.loc[~upper, name].max():.1f} or at least "
        f"{best.loc[upper, name].min():.1f}"
        for name in curves.benchmarks
        if best.loc[~upper, name].max() < best.loc[upper, name].min()
    ]
    for dataset, rows in best.groupby("dataset", sort=False):
        yield QualityFinding(
            "benchmark_split",
            str(dataset),
            None,
            f"mean of the {N_BEST} best rows",
            "; ".join(
                f"{group} {SPLIT_BENCHMARK} group: steps "
                + ", ".join(f"{row.sft_step} ({getattr(row, SPLIT_BENCHMARK):.1f})" for row in part)
                for group, part in (
                    ("upper", [*rows[upper[rows.index]].itertuples()]),
                    ("lower", [*rows[~upper[rows.index]].itertuples()]),
                )
                if part
            ),
            f"all {len(best)} branches fall in these two groups: {'; '.join(apart)}; part of "
            "PL_rl is these benchmarks",
        )


def average_best_rows(curves: ReleasedCurves) -> pd.DataFrame:
    """Mean of every benchmark over the best rows (by overall score) of each branch."""
    rows = []
    for dataset, step, points in curves.iterate_branches():
        top = points.nlargest(N_BEST, OVERALL)
        rows.append({"dataset": dataset, "sft_step": step, **top[curves.benchmarks].mean()})
    return pd.DataFrame(rows)
