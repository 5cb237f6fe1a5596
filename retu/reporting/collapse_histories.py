"""What was logged of RL branches that collapsed, and which of it moved first.

A quantity moves at the first step from which on it stays outside the mean of all steps before by
more than four of their standard deviations. That is an order in time and says nothing about why.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retu.core.errors import InputError
from retu.core.run_paths import locate_run, name_checkpoint
from retu.core.tables import read_table, shorten_floats
from retu.reporting.drawing import select_rows
from retu.reporting.tidy_files import NO_DATASET, RUN_COLUMNS
from retu.scaling.smoothing import WINDOW

END_EVALUATIONS = 3
"""The score at the end is their median, as in the table of figure 2."""
BAND = 4.0
"""Standard deviations that a quantity must be away from its mean to have moved."""
WATCHED, N_OUT = 5, 3
"""Of so many steps, from the one at which it moves, so many are outside: one spike is no move."""
LEAST_BEFORE = 10
"""Steps that a mean and a standard deviation need."""
LEAST_SHARE = 0.01
"""Least standard deviation, as a share of the mean: a constant leaves its band by rounding."""
ROUNDING = 1 + 1e-5
"""Fits keep six significant digits of a compute that curves keep in full."""
NONE_MOVED = "none"
BranchKey = tuple[object, ...]


@dataclass(frozen=True)
class Quantity:
    """A logged quantity.

    Attributes:
        name: in the columns of collapses.csv; label: for people, with its unit.
        columns: of a history, the first group of which any is there counts; its columns are added
            up, since tokens are clipped at one bound each.
        least: standard deviation that it has at least, in its unit.
    """

    name: str
    label: str
    columns: tuple[tuple[str, ...], ...]
    least: float = 0.0


QUANTITIES = (
    Quantity("reward", "reward", (("reward",),), 0.0025),
    Quantity("entropy", "entropy (nats)", (("paradigm/entropy_sampled",), ("entropy",))),
    Quantity("length", "length (tokens)", (("completions/mean_length",),)),
    Quantity(
        "clipped",
        "clipped (share)",
        (
            ("paradigm/clip_low", "paradigm/clip_high", "paradigm/clip_dual"),
            ("clip_ratio/region_mean",),
        ),
        0.0025,
    ),
    Quantity(
        "cut", "cut (share)", (("paradigm/truncated",), ("completions/clipped_ratio",)), 0.0025
    ),
    Quantity("gradient", "gradient norm", (("grad_norm",),)),
)
COLLAPSE_COLUMNS = (
    *("model", "dataset", "sft_step", "paradigm", "recipe", "seed", "last_step", "collapse_step"),
    *("score_before", "score_end"),
    *(f"{made.name}_{part}" for made in QUANTITIES for part in ("before", "after", "moved_step")),
    *("moved_first", "moved_first_step"),
)


@dataclass(frozen=True)
class CollapsedBranch:
    """A branch that collapsed.

    Attributes:
        key: its values of `RUN_COLUMNS`.
        scores: percent, by the RL steps of its evaluations, step 0 first.
        logged: the quantities that its history has, by RL step; a column each.
        last_step: of the last evaluation before the collapse.
        collapse_step: of the first one in it.
        moves: quantity -> the step at which it moved, for those that did, earliest first.
    """

    key: Mapping[str, object]
    scores: pd.Series
    logged: pd.DataFrame
    last_step: int
    collapse_step: int
    moves: Mapping[str, int]

    @property
    def name(self) -> str:
        """How figures and sentences call it."""
        dataset = str(self.key["dataset"])
        start = [] if dataset == NO_DATASET else [name_checkpoint(dataset, self.key["sft_step"])]
        method = [f"{self.key['paradigm']} ({self.key['recipe']})", f"seed {self.key['seed']}"]
        return ", ".join([str(self.key["model"]), *start, *method])

    @property
    def first_moves(self) -> dict[str, int]:
        """What moved first and when: several quantities in one step, or none, are possible."""
        early = {name: step for name, step in self.moves.items() if step <= self.collapse_step}
        first = min(early.values(), default=0)
        return {name: step for name, step in early.items() if step == first}


def read_histories(paths: Sequence[Path]) -> dict[BranchKey, pd.DataFrame]:
    """What training logged of RL branches, by model, data set, SFT step, recipe and seed.

    Raises:
        InputError: a file is missing or unreadable, is of no run, or lacks its steps.
    """
    found: dict[BranchKey, pd.DataFrame] = {}
    for path in paths:
        _, run = locate_run(path)
        key = (run.model, run.dataset, run.sft_step, run.recipe, run.seed)
        found[key] = read_table(path, ("step",))
    return found


def gather_collapses(
    curves: pd.DataFrame, fits: pd.DataFrame, histories: Mapping[BranchKey, pd.DataFrame]
) -> list[CollapsedBranch]:
    """The branches that collapsed, in the order of the fits.

    Args:
        curves: overall rows of curves.csv; fits: those of the main protocol.
        histories: `read_histories`; a branch without one has scores alone.

    Raises:
        InputError: a fit says of a branch that it collapsed where its curve ends.
    """
    found = []
    for row in fits[fits["collapsed"].astype(bool)].to_dict("records"):
        key = {name: row[name] for name in RUN_COLUMNS}
        points = select_rows(curves, **key).sort_values("rl_step")
        last, first = find_collapse_steps(points, float(row["x_end_eflops"]))
        logged = select_quantities(histories.get(name_run(row), pd.DataFrame({"step": []})))
        scores = points.set_index("rl_step")["score"].astype(float)
        moves = find_moves(logged, find_start_step(scores))
        found.append(CollapsedBranch(key, scores, logged, last, first, moves))
    return found


def name_run(row: Mapping[Hashable, Any]) -> BranchKey:
    """The key in `read_histories` of the branch of a row of fits."""
    start = str(row["model"]), str(row["dataset"]), int(row["sft_step"])
    return (*start, str(row["recipe"]), int(row["seed"]))


def find_collapse_steps(points: pd.DataFrame, x_end: float) -> tuple[int, int]:
    """The RL steps of the last evaluation before a collapse, and of the first one in it.

    Args:
        points: rl_step and x_rl_eflops of a branch's evaluations, in their order.
        x_end: RL compute of the last one before the collapse, EFLOPs.

    Raises:
        InputError: none is after it, or none before.
    """
    after = (points["x_rl_eflops"] > x_end * ROUNDING).to_numpy(dtype=bool)
    if not 0 < int(after.sum()) < len(points):
        raise InputError(
            f"fits: a branch collapsed after {x_end:g} EFLOPs, where its curve has no further"
            " point, or no earlier one; run the rules curves and fit_curves again"
        )
    steps = points["rl_step"].to_numpy(dtype=int)
    return int(steps[~after][-1]), int(steps[after][0])


def find_start_step(scores: pd.Series) -> int:
    """Where a run has started up: the rule of collapses, too, looks at no step up to there."""
    return int(scores.index[min(WINDOW, len(scores)) - 1])


def select_quantities(history: pd.DataFrame) -> pd.DataFrame:
    """The quantities that a history has, by RL step; one that is never a number is left out."""
    logged = {}
    for made in QUANTITIES:
        groups = ([name for name in group if name in history] for group in made.columns)
        for names in filter(None, groups):
            numbers = history[names].apply(pd.to_numeric, errors="coerce")
            values = numbers.replace([np.inf, -np.inf], np.nan).sum(axis=1, min_count=1)
            if values.notna().any():
                logged[made.name] = values
                break
    frame = pd.DataFrame(logged, index=history.index).set_axis(history["step"].astype(int))
    return frame.sort_index()


def find_moves(logged: pd.DataFrame, start: int) -> dict[str, int]:
    """Quantity -> the step after `start` at which it moved, for those that did, earliest first."""
    least = {made.name: made.least for made in QUANTITIES}
    found = {str(name): find_move(logged[name], start, least[str(name)]) for name in logged}
    moved = {name: step for name, step in found.items() if step is not None}
    return dict(sorted(moved.items(), key=lambda move: move[1]))


def find_move(values: pd.Series, start: int, least: float) -> int | None:
    """The first step after `start` at which a quantity leaves the band of all steps before.

    The band is their mean plus and minus `BAND` standard deviations; `N_OUT` of the `WATCHED`
    values from that step on, the first among them, must lie outside. Steps without a value (those
    that train on rows of an earlier generation) are passed over.

    Args:
        values: by RL step, in order. start: RL step. least: standard deviation at least.
    """
    known = values.dropna()
    numbers, steps = known.to_numpy(dtype=float), known.index.to_numpy(dtype=int)
    first = max(LEAST_BEFORE, int(np.searchsorted(steps, start, side="right")))
    for place in range(first, numbers.size):
        before = numbers[:place]
        mean = float(before.mean())
        spread = max(float(before.std(ddof=1)), least, LEAST_SHARE * abs(mean))
        outside = np.abs(numbers[place : place + WATCHED] - mean) > BAND * spread
        if outside[0] and int(outside.sum()) >= N_OUT:
            return int(steps[place])
    return None


def tabulate_collapses(branches: Sequence[CollapsedBranch]) -> pd.DataFrame:
    """collapses.csv: a row a branch, with `COLLAPSE_COLUMNS`; floats have six digits.

    Scores in percent: score_before is the median of the last five evaluations before the collapse,
    score_end that of the last three of the run. `*_before` and `*_after` are means of a quantity
    over the steps of five evaluations: those that end with last_step, and those that follow it.
    """
    rows = [describe_branch(branch) for branch in branches]
    table = pd.DataFrame(rows, columns=list(COLLAPSE_COLUMNS))
    steps = [name for name in COLLAPSE_COLUMNS if name.endswith("_step")]
    # Whole numbers, of which some may be missing.
    return shorten_floats(table.astype(dict.fromkeys(steps, "Int64")))


def describe_branch(branch: CollapsedBranch) -> dict[str, object]:
    """A row of collapses.csv; what was not logged is NaN, what did not move has no step."""
    scores, steps = branch.scores, branch.scores.index.to_numpy(dtype=int)
    place = int(np.flatnonzero(steps == branch.last_step)[0])
    begin = int(steps[max(place - WINDOW, 0)])
    end = int(steps[min(place + WINDOW, len(steps) - 1)])
    logged, index = branch.logged, branch.logged.index
    parts = {
        "before": logged[(index > begin) & (index <= branch.last_step)],
        "after": logged[(index > branch.last_step) & (index <= end)],
    }
    first = branch.first_moves
    row = dict(branch.key) | {
        "last_step": branch.last_step,
        "collapse_step": branch.collapse_step,
        "score_before": float(np.median(scores.iloc[max(place + 1 - WINDOW, 0) : place + 1])),
        "score_end": float(np.median(scores.iloc[-END_EVALUATIONS:])),
        "moved_first": ", ".join(first) or NONE_MOVED,
        "moved_first_step": min(first.values(), default=None),
    }
    for made in QUANTITIES:
        for part, rows in parts.items():
            row[f"{made.name}_{part}"] = (
                float(rows[made.name].mean()) if made.name in rows else np.nan
            )
        row[f"{made.name}_moved_step"] = branch.moves.get(made.name)
    return row
