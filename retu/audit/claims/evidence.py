"""What the released result files and their fits say, in the form in which claims are judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from retu.audit.claims.claim_rows import read_ledger_rows
from retu.config.protocols import ROBUST
from retu.core.errors import InputError
from retu.core.tables import read_table
from retu.reporting.tidy_files import IDENTIFIED, OVERALL, PURE_SFT, fill_text_cells
from retu.scaling.law import FloatArray

BranchKey = tuple[str, int]
"""Data set and SFT step; ("none", 0) is Pure RL."""

EVIDENCE_CURVE_COLUMNS = (
    *("model", "dataset", "sft_step", "paradigm", "benchmark", "x_sft_eflops", "x_rl_eflops"),
    "score",
)
EVIDENCE_LABEL_COLUMNS = (
    *("dataset", "sft_step", "min_val_loss", "ratio", "subphase", "margin_stable"),
    "margin_severe",
)
EVIDENCE_FIT_COLUMNS = (
    *("protocol", "dataset", "sft_step", "p_sft", "epsilon", "pl_rl", "a_post", "a_post_low"),
    *("a_post_high", "c_mid", "b", "r2", "rmse", "x_common_eflops", "at_bound"),
    "verdict",
)
DRAW_MEASURES = ("a_post", "common_score", "best_smoothed")
EVIDENCE_DRAW_COLUMNS = ("dataset", "sft_step", "draw", "p_sft", *DRAW_MEASURES)
SCRIPT_FLAG_COLUMNS = (
    *("dataset", "sft_step", "points", "train_end", "tau", "lts_share", "free_epsilon"),
)
OPTIONAL_DRAWS = ("pl_rl", "c_mid", "b", "epsilon")


@dataclass(frozen=True)
class Evidence:
    """Measured scores, labels, fits and their draws, for one model.

    Attributes:
        model: the model of the curves.
        sft: overall Pure SFT rows (dataset, sft_step, x_sft_eflops, score), by compute.
        starts: score and x_sft of every branch point.
        points: RL compute and score of every branch, by compute.
        subphases: labels by (dataset, sft_step).
        fits: rows by protocol and (dataset, sft_step).
        draws: by quantity, shape (branches, draws), rows in the order of `branches`.
        settings: flags of the released scripts by (dataset, sft_step); empty when not given.
    """

    model: str
    sft: pd.DataFrame
    starts: dict[BranchKey, tuple[float, float]]
    points: dict[BranchKey, tuple[FloatArray, FloatArray]]
    subphases: dict[BranchKey, dict[str, object]]
    fits: dict[str, dict[BranchKey, dict[str, object]]]
    branches: list[BranchKey]
    draws: dict[str, FloatArray]
    settings: dict[BranchKey, dict[str, str]]

    def get_fit(self, protocol: str, branch: BranchKey, column: str) -> float:
        """A fitted number; NaN when the protocol has no such branch."""
        row = self.fits.get(protocol, {}).get(branch)
        return float("nan") if row is None else parse_float(row[column])

    def is_identified(self, branch: BranchKey) -> bool:
        """Whether the robust protocol knows the ceiling of a branch."""
        return self.fits[ROBUST][branch]["verdict"] == IDENTIFIED

    def explain_doubt(self, branch: BranchKey) -> str:
        """Why the ceiling of a branch is not known; empty when it is."""
        if self.is_identified(branch):
            return ""
        row = self.fits[ROBUST][branch]
        return f"ceiling: {row['verdict']} ({row['reason']})"

    def find_rows(self, branches: Sequence[BranchKey]) -> list[int]:
        """Rows of the draws of some branches."""
        return [self.branches.index(branch) for branch in branches]

    def list_branches(self, dataset: str) -> list[BranchKey]:
        """The branches of a data set, by SFT step."""
        return sorted(branch for branch in self.branches if branch[0] == dataset)


def read_evidence(
    curves: Path,
    subphases: Path,
    fits: Sequence[Path],
    draws: Path,
    settings: Path | None = None,
) -> Evidence:
    """Read what the rules before wrote.

    Raises:
        InputError: a missing file or column, no robust fit, several models in one file, a branch
            whose draws are missing or of another number than those of the others.
    """
    points = read_points(curves)
    by_protocol = index_fits(fits)
    drawn = fill_text_cells(read_table(draws, EVIDENCE_DRAW_COLUMNS))
    branches, arrays = pivot_draws(drawn, str(draws))
    missing = set(branches) ^ set(by_protocol[ROBUST])
    if missing:
        name, step = sorted(missing)[0]
        raise InputError(f"{draws}: branch {name} {step} is not in both fits and draws; fit again")
    sft = points[points["paradigm"] == PURE_SFT].sort_values(["dataset", "x_sft_eflops"])
    return Evidence(
        model=str(points["model"].iloc[0]),
        sft=sft,
        starts=read_starts(points),
        points=split_rl_curves(points[points["paradigm"] != PURE_SFT]),
        subphases=index_by_branch(fill_text_cells(read_table(subphases, EVIDENCE_LABEL_COLUMNS))),
        fits=by_protocol,
        branches=branches,
        draws=arrays,
        settings=read_script_flags(settings) if settings else {},
    )


def read_points(curves: Path) -> pd.DataFrame:
    """The overall rows of curves.csv, of one model."""
    points = fill_text_cells(read_table(curves, EVIDENCE_CURVE_COLUMNS))
    points = points[points["benchmark"] == OVERALL]
    if points["model"].nunique() != 1:
        raise InputError(f"{curves}: {points['model'].nunique()} models; the ledger judges one")
    return points


def read_starts(points: pd.DataFrame) -> dict[BranchKey, tuple[float, float]]:
    """Score and x_sft of every checkpoint, from the rows before any RL."""
    return {
        branch: (parse_float(row["score"]), parse_float(row["x_sft_eflops"]))
        for branch, row in index_by_branch(points[points["x_rl_eflops"] == 0]).items()
    }


def split_rl_curves(points: pd.DataFrame) -> dict[BranchKey, tuple[FloatArray, FloatArray]]:
    """RL compute and score of every branch."""
    ordered = points.sort_values("x_rl_eflops", kind="stable")
    return {
        (str(rows["dataset"].iloc[0]), int(rows["sft_step"].iloc[0])): (
            rows["x_rl_eflops"].to_numpy(np.float64),
            rows["score"].to_numpy(np.float64),
        )
        for _, rows in ordered.groupby(["dataset", "sft_step"])
    }


def index_fits(fits: Sequence[Path]) -> dict[str, dict[BranchKey, dict[str, object]]]:
    """The rows of the fit tables by protocol and branch; `robust` must be among them."""
    tables = pd.concat([read_table(path, EVIDENCE_FIT_COLUMNS) for path in fits], ignore_index=True)
    grouped = fill_text_cells(tables).groupby("protocol")
    found = {str(name): index_by_branch(rows) for name, rows in grouped}
    if ROBUST not in found:
        raise InputError(f"--fits: no {ROBUST} protocol among {', '.join(found)}; add it")
    return found


def index_by_branch(frame: pd.DataFrame) -> dict[BranchKey, dict[str, object]]:
    """The rows of a table by (dataset, sft_step); the last one counts."""
    return {
        (str(row["dataset"]), int(row["sft_step"])): {str(k): v for k, v in row.items()}
        for row in frame.to_dict("records")
    }


def parse_float(value: object) -> float:
    """A cell of a numeric or true/false column as a float."""
    if isinstance(value, int | float | np.number | np.bool_):
        return float(value)
    raise InputError(f"{value!r} where a number is needed; make the table again")


def read_script_flags(path: Path) -> dict[BranchKey, dict[str, str]]:
    """Flags of the released scripts, as text, by (dataset, sft_step)."""
    rows = read_ledger_rows(path, SCRIPT_FLAG_COLUMNS)
    return {(row.cells["dataset"], int(row.cells["sft_step"])): row.cells for row in rows}


def pivot_draws(drawn: pd.DataFrame, source: str) -> tuple[list[BranchKey], dict[str, FloatArray]]:
    """Draws as arrays (branches, draws), NaN-free, draws in their order."""
    ordered = drawn.sort_values(["dataset", "sft_step", "draw"], kind="stable")
    sizes = ordered.groupby(["dataset", "sft_step"]).size()
    if sizes.nunique() != 1:
        raise InputError(f"{source}: {sizes.min()} to {sizes.max()} draws a branch; fit again")
    branches = [(str(name), int(step)) for name, step in sizes.index]
    columns = ["p_sft", *DRAW_MEASURES, *(c for c in OPTIONAL_DRAWS if c in ordered.columns)]
    arrays = {
        name: ordered[name].to_numpy(np.float64).reshape(len(branches), -1) for name in columns
    }
    bad = [name for name, values in arrays.items() if not np.isfinite(values).all()]
    if bad:
        raise InputError(f"{source}: {bad[0]} has values that are no numbers; fit again")
    arrays.setdefault("pl_rl", arrays["a_post"] - arrays["p_sft"])
    return branches, arrays
