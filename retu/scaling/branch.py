"""One measured branch, and what a table may say about how to fit it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from retu.core.errors import InputError
from retu.core.tables import read_facts
from retu.scaling.collapse import find_collapse_start
from retu.scaling.law import SCORE_MAX, FloatArray
from retu.scaling.smoothing import find_smoothed_best

LISTED_COLUMNS = (
    *("dataset", "sft_step", "train_start", "train_end", "tau", "lts_share", "free_epsilon"),
)


@dataclass(frozen=True)
class Branch:
    """Scores of one RL run against its compute; the first point is x = 0, the SFT checkpoint.

    Attributes:
        x: RL compute, EFLOPs, shape (n,), not decreasing, x[0] = 0.
        score: overall score, percent, shape (n,); score[0] is P_sft.
        error: standard error of each score from its problem and sample counts, points, shape (n,).
        has_errors: these errors are known; else they only say that all scores count alike.
        answer: what one answer counts in a score, points; 0 where that is not known.
    """

    x: FloatArray
    score: FloatArray
    error: FloatArray
    has_errors: bool = True
    answer: float = 0.0

    @property
    def p_sft(self) -> float:
        """Measured score of the SFT checkpoint, percent."""
        return float(self.score[0])

    @cached_property
    def end(self) -> int:
        """Index of the first point of a collapse, or the number of points without one."""
        return find_collapse_start(self.score, error=self.error)

    @cached_property
    def best_smoothed(self) -> float:
        """Best median of five scores after x = 0 and before a collapse, percent; NaN without."""
        return float(find_smoothed_best(self.score[1 : self.end])) if self.end > 1 else float("nan")

    def take_first(self, count: int) -> "Branch":
        """The first `count` points."""
        return replace(self, x=self.x[:count], score=self.score[:count], error=self.error[:count])


class ListedSettings(NamedTuple):
    """What a table says about one branch; the defaults stand for a branch without a table.

    Attributes:
        start, end: window of the points that are fitted, x = 0 being point 0, `end` left out.
        tau: cut-off of the modified Z-score.
        lts_share: share of the points that least trimmed squares keeps; 0 turns it off.
        free_epsilon: epsilon is fitted.
    """

    start: int = 0
    end: int | None = None
    tau: float = 2.5
    lts_share: float = 0.0
    free_epsilon: bool = False


def make_branch(
    x: npt.ArrayLike,
    score: npt.ArrayLike,
    error: npt.ArrayLike | None = None,
    answer: float = 0.0,
) -> Branch:
    """Check the points of a branch; without `error` all scores are equally uncertain.

    Raises:
        InputError: unequal lengths, a first point that is not x = 0, NaN, negative or decreasing
            x, scores outside 0 to 100, errors that are not positive.
    """
    try:
        arrays = [np.asarray(values, dtype=np.float64) for values in (x, score)]
        errors = np.ones_like(arrays[0]) if error is None else np.asarray(error, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        raise InputError(f"a compute value or score is not a number ({problem})") from problem
    compute, observed = arrays
    if compute.ndim != 1 or not compute.shape == observed.shape == errors.shape:
        raise InputError(f"{compute.size} compute values but {observed.size} scores")
    if not (np.isfinite(compute).all() and (compute >= 0).all()):
        raise InputError("a compute value is missing, infinite or negative")
    if (np.diff(compute) < 0).any():
        before = compute[int(np.argmax(np.diff(compute) < 0))]
        raise InputError(f"compute decreases after {before} EFLOPs")
    if not ((observed >= 0) & (observed <= SCORE_MAX)).all():
        raise InputError("a score is missing or outside 0 to 100 percent")
    if (compute == 0).sum() != 1:
        raise InputError(
            f"{int((compute == 0).sum())} points at x_rl = 0; exactly one, the score P_sft, is"
            " needed"
        )
    if not (errors > 0).all():
        raise InputError("a standard error is missing or not positive")
    return Branch(compute, observed, errors, error is not None, answer)


def read_listed_settings(path: Path) -> dict[tuple[str, int], ListedSettings]:
    """Read a table of per-branch settings, one row per data set and SFT step.

    Raises:
        InputError: unreadable table, missing column, a branch twice, or an impossible value.
    """
    table = read_facts(path, LISTED_COLUMNS)
    if table.duplicated(["dataset", "sft_step"]).any():
        twice = table[table.duplicated(["dataset", "sft_step"])].iloc[0]
        raise InputError(f"{path}: {twice['dataset']} step {twice['sft_step']} is there twice")
    return {
        (str(row["dataset"]), int(row["sft_step"])): _parse_listed_settings(row, path)
        for _, row in table.iterrows()
    }


def _parse_listed_settings(row: "pd.Series[float]", path: Path) -> ListedSettings:
    """One row of the table, checked."""
    start, end = int(row["train_start"]), int(row["train_end"])
    found = ListedSettings(start, end, row["tau"], row["lts_share"], bool(row["free_epsilon"]))
    if not (0 <= start < end and found.tau > 0 and 0 <= found.lts_share < 1):
        raise InputError(
            f"{path}: {row['dataset']} step {row['sft_step']}: needs 0 <= train_start < train_end,"
            f" tau > 0 and 0 <= lts_share < 1; got {found}"
        )
    return found
