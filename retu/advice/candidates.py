"""The checkpoints that compete for RL, each with its facts and its RL curve so far."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from retu.core.errors import InputError
from retu.core.run_paths import NO_DATASET, name_checkpoint
from retu.evaluation.scores import OVERALL
from retu.scaling.branch import Branch
from retu.scaling.curve_checks import check_numbers, check_percent
from retu.scaling.law import FloatArray
from retu.scaling.measured_branches import extract_branch

POOL_KEY = ["study", "model", "seed"]
"""Branches with these in common, and one RL recipe, compete with each other."""
CHECKPOINT_KEY = ["dataset", "sft_step"]
LABEL_COLUMNS = (*POOL_KEY, *CHECKPOINT_KEY, "subphase", "margin_stable", "val_loss")


@dataclass(frozen=True)
class Candidate:
    """One checkpoint and what RL made of it so far.

    Attributes:
        dataset, sft_step: the checkpoint.
        subphase, margin_stable, val_loss: its label, L / L_min over the Stable line, its loss.
        x_sft: compute behind it, EFLOPs; NaN if it was not evaluated.
        p_sft: its score, percent; NaN if it was not evaluated.
        rl_steps: RL steps of the evaluations, shape (n,), the first 0; empty without a score.
        branch: scores against RL compute; None before the first evaluation after step 0.
    """

    dataset: str
    sft_step: int
    subphase: str
    margin_stable: float
    val_loss: float
    x_sft: float
    p_sft: float
    rl_steps: npt.NDArray[np.int64]
    branch: Branch | None

    @property
    def name(self) -> str:
        """How decisions call it; a curve that no checkpoint is known of has a name alone."""
        return name_checkpoint(self.dataset, self.sft_step) if self.sft_step else self.dataset

    @property
    def last_step(self) -> int:
        """RL steps done."""
        return int(self.rl_steps[-1]) if self.rl_steps.size else 0

    @property
    def spent(self) -> float:
        """RL compute so far, EFLOPs."""
        return float(self.branch.x[-1]) if self.branch else 0.0

    @property
    def has_collapsed(self) -> bool:
        """Whether its scores fell and stayed down."""
        return self.branch is not None and self.branch.end < self.branch.x.size

    def extend_compute(self, steps: FloatArray) -> FloatArray:
        """RL compute at later RL steps, EFLOPs, at the cost of the last half of its steps."""
        assert self.branch is not None
        middle = self.rl_steps.size // 2
        done = self.rl_steps[-1] - self.rl_steps[middle - 1]
        rate = (self.branch.x[-1] - self.branch.x[middle - 1]) / done
        extended: FloatArray = self.branch.x[-1] + rate * (steps - self.rl_steps[-1])
        return extended

    def take_steps(self, limit: int) -> "Candidate":
        """The candidate as it was when its RL had done `limit` steps."""
        count = int((self.rl_steps <= limit).sum())
        seen = self.branch.take_first(count) if self.branch and count > 1 else None
        return Candidate(
            *(self.dataset, self.sft_step, self.subphase, self.margin_stable, self.val_loss),
            *(self.x_sft, self.p_sft, self.rl_steps[:count], seen),
        )


def read_candidates(curves: pd.DataFrame, subphases: pd.DataFrame) -> list[Candidate]:
    """Every labelled checkpoint after step 0 of one pool, in the order of data set and step.

    Args:
        curves: rows of curves.csv of one study, model, seed and RL recipe; rows of RL may be
            missing, those of Pure RL are left out.
        subphases: rows of subphases.csv of the same SFT runs.

    Raises:
        InputError: rows of several pools, no label, a checkpoint labelled twice, or a branch
            that cannot be read.
    """
    check_one_pool(curves, subphases)
    twice = subphases[subphases.duplicated(CHECKPOINT_KEY)]
    if not twice.empty:
        row = twice.iloc[0]
        told = name_checkpoint(row["dataset"], row["sft_step"])
        raise InputError(f"{told} is labelled twice")
    if not curves.empty:
        check_numbers(curves)
        check_percent(curves)
    trained = subphases[subphases["sft_step"] > 0].sort_values(CHECKPOINT_KEY)
    if trained.empty:
        raise InputError("no labelled checkpoint after step 0; evaluate the validation loss of one")
    groups = dict(iter(curves.groupby(CHECKPOINT_KEY)))
    return [
        make_candidate(row, groups.get((row["dataset"], row["sft_step"]), curves.iloc[:0]))
        for _, row in trained.iterrows()
    ]


def check_one_pool(curves: pd.DataFrame, subphases: pd.DataFrame) -> None:
    """Refuse rows of branches that do not compete."""
    for name in POOL_KEY:
        found = {*curves[name].unique(), *subphases[name].unique()}
        if len(found) > 1:
            listed = ", ".join(sorted(map(str, found)))
            raise InputError(f"branches of several values of {name} ({listed}) do not compete")
    later = curves[(curves["rl_step"] > 0) & (curves["dataset"] != NO_DATASET)]
    recipes = sorted(map(str, later["recipe"].unique()))
    if len(recipes) > 1:
        raise InputError(f"branches of several RL recipes ({', '.join(recipes)}) do not compete")


def make_candidate(label: "pd.Series[float]", points: pd.DataFrame) -> Candidate:
    """One candidate from its label and its rows of curves.csv, of SFT and of RL."""
    is_sft = points["paradigm"] == "Pure SFT"
    name = name_checkpoint(label["dataset"], label["sft_step"])
    start = points[is_sft & (points["benchmark"] == OVERALL)]
    rl = points[~is_sft]
    branch, steps = None, np.zeros(0, np.int64)
    if not rl.empty:
        try:
            _, branch = extract_branch(rl)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        steps = np.sort(rl.loc[rl["benchmark"] == OVERALL, "rl_step"].to_numpy(np.int64))
        start = rl[(rl["benchmark"] == OVERALL) & (rl["rl_step"] == 0)]
    if branch is not None and branch.x.size == 1:
        branch = None
    known = not start.empty
    return Candidate(
        dataset=str(label["dataset"]),
        sft_step=int(label["sft_step"]),
        subphase=str(label["subphase"]),
        margin_stable=float(label["margin_stable"]),
        val_loss=float(label["val_loss"]),
        x_sft=float(start["x_sft_eflops"].iloc[0]) if known else float("nan"),
        p_sft=float(start["score"].iloc[0]) if known else float("nan"),
        rl_steps=steps if steps.size else np.zeros(int(known), np.int64),
        branch=branch,
    )
