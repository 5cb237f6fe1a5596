"""What a training study's curves, losses, fits and grades say of one model, seeds pooled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from retu.audit.study_claims.pooled_draws import DRAWN_COLUMNS, pool_branch
from retu.core.arrays import FloatArray
from retu.planning.claims_facts import StudyClaimsJob
from retu.reporting.aggregate import find_usual_subphase
from retu.reporting.paradigm_styles import (
    SEQUENTIAL,
    SFT_THEN_SYNCHRONISED,
    SYNCHRONISED,
    get_paradigm_kind,
)
from retu.reporting.tidy_files import IDENTIFIED, NO_DATASET, OVERALL, PURE_SFT, SFT_THEN_RL
from retu.scaling.sampling_noise import compute_binomial_error

BRANCH_COLUMNS = ["dataset", "sft_step", "paradigm", "recipe"]
DRAWS_OF_SCORES = 1000
"""Of scores where no branch has draws, such as in a study without RL."""
Checkpoint = tuple[str, int]
"""SFT data set and step."""

Groups = dict[Any, pd.DataFrame]


class MissingRunsError(Exception):
    """A sentence cannot be asked of this study; says in a line what it lacks."""


@dataclass(frozen=True)
class StudyBranch:
    """One RL branch, its seeds together.

    Attributes:
        identified: whether the ceiling of every seed is; best score instead where one collapsed.
        label: sub-phase of the checkpoint at which it starts, empty without SFT.
    """

    dataset: str
    sft_step: int
    paradigm: str
    recipe: str
    n_seeds: int
    collapsed: bool
    identified: bool
    label: str

    @property
    def kind(self) -> str:
        """What kind of paradigm it is (`retu/reporting/paradigm_styles.py`)."""
        return get_paradigm_kind(self.paradigm)

    @property
    def name(self) -> str:
        """How tables call it."""
        if self.dataset == NO_DATASET:
            return f"{self.paradigm} from the base model"
        return f"{self.paradigm} from {self.dataset} step {self.sft_step}"


@dataclass(frozen=True)
class SftPoint:
    """One SFT checkpoint, seeds averaged; scores in percent, NaN where nothing was measured.

    Attributes:
        error: standard error of the score: sampling of problems, and of seeds if there are several.
    """

    dataset: str
    step: int
    score: float
    error: float
    val_loss: float
    min_val_loss: float
    label: str
    n_seeds: int

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"SFT on {self.dataset} step {self.step}"


@dataclass(frozen=True)
class StudyEvidence:
    """What one model of a study shows.

    Attributes:
        branches: RL branches with draws; draws: by measure, shape (branches, draws).
        points: SFT checkpoints by data set and step.
        curves: all rows of curves.csv of this model; fits: rows of the fits.
        counts: per checkpoint the graded samples of its problems: benchmark, problem_id, size, sum.
        rows: rows of data sets and prompt sets by name.
        rng: of all that is drawn here.
    """

    model: str
    job: StudyClaimsJob
    branches: tuple[StudyBranch, ...]
    draws: Mapping[str, FloatArray]
    points: Mapping[Checkpoint, SftPoint]
    curves: pd.DataFrame
    fits: pd.DataFrame
    counts: Mapping[Checkpoint, pd.DataFrame]
    rows: Mapping[str, int]
    rng: np.random.Generator

    @property
    def n_draws(self) -> int:
        """How many draws a branch has; without branches as many as scores are drawn with."""
        held = int(next(iter(self.draws.values())).shape[1])
        return held or DRAWS_OF_SCORES

    def find_branches(self, wanted: Callable[[StudyBranch], bool]) -> list[int]:
        """Numbers of the branches that are wanted."""
        return [i for i, branch in enumerate(self.branches) if wanted(branch)]

    def find_sequences(self) -> list[int]:
        """Branches of SFT-then-RL by the recipe that has most of them."""
        found = self.find_branches(lambda b: b.dataset != NO_DATASET and is_plain_sequence(b))
        if not found:
            raise MissingRunsError("RL from an SFT checkpoint")
        recipes = [self.branches[i].recipe for i in found]
        main = self.find_branches(lambda b: b.paradigm == SFT_THEN_RL)
        favoured = {self.branches[i].recipe for i in main}
        top = max(dict.fromkeys(recipes), key=lambda r: (recipes.count(r), r in favoured))
        return [i for i in found if self.branches[i].recipe == top]

    def find_all_sequences(self) -> list[int]:
        """Branches of SFT-then-RL by any recipe."""
        found = self.find_branches(lambda b: b.kind == SEQUENTIAL)
        return found or self.find_sequences()

    def find_synchronised(self) -> list[int]:
        """Mixed methods from the base model."""
        found = self.find_branches(lambda b: b.kind == SYNCHRONISED)
        if not found:
            raise MissingRunsError("a mixed method (LUFFY, SRFT, UPT, Prefix-RFT) from the base")
        return found

    def list_trained_points(self) -> list[SftPoint]:
        """SFT checkpoints with a score, the base model left out."""
        found = [one for one in self.points.values() if one.step > 0 and np.isfinite(one.score)]
        if not found:
            raise MissingRunsError("a scored SFT checkpoint")
        return found

    def draw_scores(self, points: Sequence[SftPoint]) -> FloatArray:
        """Scores of SFT checkpoints with their noise, shape (points, draws)."""
        noise = self.rng.standard_normal((len(points), self.n_draws))
        error = np.array([[one.error] for one in points])
        return np.array([[one.score] for one in points]) + error * noise

    def count_seeds(self, branches: Sequence[int], points: Sequence[SftPoint] = ()) -> int:
        """The fewest seeds that any of these has."""
        seeds = [self.branches[i].n_seeds for i in branches] + [one.n_seeds for one in points]
        return min(seeds)


def is_plain_sequence(branch: StudyBranch) -> bool:
    """Whether RL after SFT mixes no expert data in."""
    return branch.kind != SFT_THEN_SYNCHRONISED


def make_branches(
    fits: pd.DataFrame, draws: pd.DataFrame, rng: np.random.Generator
) -> tuple[tuple[StudyBranch, ...], dict[str, FloatArray]]:
    """The branches of one model that have draws, and their draws by measure.

    Args:
        fits: its rows of the fits.
        draws: its rows of the draws of the same protocol.
        rng: for the resampling of seeds.
    """
    by_run = {
        key: frame.sort_values("draw", kind="stable")
        for key, frame in draws.groupby([*BRANCH_COLUMNS, "seed"], sort=False)
    }
    branches, pooled = [], []
    for key, rows in fits.groupby(BRANCH_COLUMNS, sort=False):
        by_seed = {int(seed): by_run.get((*key, seed)) for seed in rows["seed"]}
        drawn = {seed: frame for seed, frame in by_seed.items() if frame is not None}
        values = pool_branch(rows, drawn, rng)
        if values is not None:
            branches.append(describe_branch(key, rows))
            pooled.append(values)
    if not pooled:
        return (), {name: np.empty((0, 0)) for name in DRAWN_COLUMNS}
    length = min(values["a_post"].size for values in pooled)
    stacked = {n: np.stack([values[n][:length] for values in pooled]) for n in DRAWN_COLUMNS}
    return tuple(branches), stacked


def describe_branch(key: tuple[object, ...], rows: pd.DataFrame) -> StudyBranch:
    """A branch by its rows of the fits, one a seed."""
    dataset, step, paradigm, recipe = key
    collapsed = rows["collapsed"].astype(bool)
    return StudyBranch(
        dataset=str(dataset),
        sft_step=int(str(step)),
        paradigm=str(paradigm),
        recipe=str(recipe),
        n_seeds=int(rows["seed"].nunique()),
        collapsed=bool(collapsed.any()),
        identified=bool(((rows["verdict"] == IDENTIFIED) | collapsed).all()),
        label=find_usual_subphase(rows["subphase"]),
    )


def make_points(curves: pd.DataFrame, subphases: pd.DataFrame) -> dict[Checkpoint, SftPoint]:
    """The SFT checkpoints of one model.

    Args:
        curves: its rows of curves.csv.
        subphases: its rows of subphases.csv.
    """
    alone = curves[(curves["paradigm"] == PURE_SFT) & (curves["benchmark"] == OVERALL)]
    scores: Groups = dict(iter(alone.groupby(["dataset", "sft_step"], sort=False)))
    labels: Groups = dict(iter(subphases.groupby(["dataset", "sft_step"], sort=False)))
    found = {}
    for key in dict.fromkeys([*scores, *labels]):
        dataset, step = str(key[0]), int(str(key[1]))
        found[dataset, step] = make_point(dataset, step, scores.get(key), labels.get(key))
    return found


def make_point(
    dataset: str, step: int, scores: pd.DataFrame | None, labels: pd.DataFrame | None
) -> SftPoint:
    """One checkpoint by its rows, one a seed, of curves and labels."""
    score = error = val_loss = min_val_loss = float("nan")
    label, seeds = "", 0
    if scores is not None:
        seeds = int(scores["seed"].nunique())
        score = float(scores["score"].mean())
        problems = float(scores["n_problems"].iloc[0])
        share = (score / 100 * problems + 0.5) / (problems + 1)
        error = float(compute_binomial_error(share, problems))
        if seeds > 1:
            error = float(np.hypot(error, scores["score"].std(ddof=1) / np.sqrt(seeds)))
    if labels is not None:
        val_loss = float(labels["val_loss"].mean())
        min_val_loss = float(labels["min_val_loss"].mean())
        label = find_usual_subphase(labels["subphase"])
    return SftPoint(dataset, step, score, error, val_loss, min_val_loss, label, seeds)
