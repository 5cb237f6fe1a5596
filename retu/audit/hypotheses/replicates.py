"""What every replicate of a study shows: its RL branches with their labels, and its SFT runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retu.audit.hypotheses.graded_runs import (
    GradedRun,
    compute_drawdown,
    compute_final_score,
    compute_pass_at_k,
)
from retu.audit.hypotheses.problem_draws import ProblemDraws
from retu.config.hypotheses import HypothesesSettings
from retu.core.arrays import FloatArray
from retu.core.run_paths import NO_DATASET, Run
from retu.reporting.tidy_files import IDENTIFIED

BranchKey = tuple[str, int, str, int]
"""Data set, SFT step, recipe and seed."""


@dataclass(frozen=True)
class RlBranch:
    """An RL branch of a replicate; `label` is the sub-phase at its start, empty from the base."""

    dataset: str
    sft_step: int
    recipe: str
    seed: int
    label: str

    @property
    def key(self) -> BranchKey:
        """What tells it from the others of its replicate."""
        return self.dataset, self.sft_step, self.recipe, self.seed

    @property
    def name(self) -> str:
        """How tables call it."""
        start = "base" if self.dataset == NO_DATASET else f"{self.dataset} step {self.sft_step}"
        return f"{self.recipe} from {start}"


@dataclass(frozen=True)
class SftOutcome:
    """An SFT run.

    Attributes:
        min_val_loss: the smallest validation loss of the run.
        highest: highest score among checkpoints; at_min_loss: score of that with the lowest loss;
            points, shape (draws + 1,).
        pass_at_k: problems with any right answer at the same checkpoint; None where no benchmark
            is sampled more than once.
    """

    dataset: str
    seed: int
    min_val_loss: float
    highest: FloatArray
    at_min_loss: FloatArray
    pass_at_k: FloatArray | None


@dataclass(frozen=True)
class Replicate:
    """One model of several that differ in seeds only.

    Attributes:
        branches: its RL runs.
        outcomes: what a branch comes to, by its key, points; shape (draws + 1,), the first is the
            point, or (1,) for ceilings, which are not drawn. A branch without one does not count.
        drawdowns: how far branches fall back, as `outcomes`.
        trained: its SFT runs.
        identified: keys of branches whose ceiling is.
    """

    name: str
    branches: tuple[RlBranch, ...]
    outcomes: Mapping[BranchKey, FloatArray]
    drawdowns: Mapping[BranchKey, FloatArray]
    trained: tuple[SftOutcome, ...]
    identified: frozenset[BranchKey] = frozenset()


def gather_replicates(
    graded: Sequence[GradedRun],
    subphases: pd.DataFrame,
    draws: ProblemDraws,
    settings: HypothesesSettings,
) -> list[Replicate]:
    """The replicates in the study's order, with final scores as outcomes.

    Args:
        graded: SFT and RL runs; those of other models are left out.
        subphases: columns model, dataset, seed, sft_step, val_loss, min_val_loss, subphase.
        draws: the shared draws of problems.
        settings: the replicates, and how many last evaluations count.
    """
    return [
        gather_replicate(
            name,
            [one for one in graded if one.run.model == name],
            subphases[subphases["model"] == name],
            draws,
            settings.last_evaluations,
        )
        for name in settings.replicates
    ]


def gather_replicate(
    name: str,
    graded: Sequence[GradedRun],
    subphases: pd.DataFrame,
    draws: ProblemDraws,
    last: int,
) -> Replicate:
    """One replicate by its runs and labels."""
    labels = {
        (str(row["dataset"]), int(row["seed"]), int(row["sft_step"])): str(row["subphase"])
        for row in subphases.to_dict("records")
    }
    branches, outcomes, drawdowns = [], {}, {}
    for one in (one for one in graded if one.run.kind == "rl"):
        branch = describe_branch(one.run, labels)
        branches.append(branch)
        outcomes[branch.key] = compute_final_score(one, draws, last)
        fall = compute_drawdown(draws.score_problems(one.shares.to_numpy(float)))
        if fall is not None:
            drawdowns[branch.key] = fall
    trained = [
        outcome
        for one in graded
        if one.run.kind == "sft" and (outcome := describe_sft(one, subphases, draws)) is not None
    ]
    return Replicate(name, tuple(branches), outcomes, drawdowns, tuple(trained))


def describe_branch(run: Run, labels: Mapping[tuple[str, int, int], str]) -> RlBranch:
    """An RL run with the label of its checkpoint."""
    label = labels.get((run.dataset, run.seed, run.sft_step), "")
    return RlBranch(run.dataset, run.sft_step, run.recipe, run.seed, label)


def describe_sft(
    graded: GradedRun, subphases: pd.DataFrame, draws: ProblemDraws
) -> SftOutcome | None:
    """An SFT run; None where no checkpoint has both grades and a loss."""
    run = graded.run
    rows = subphases[(subphases["dataset"] == run.dataset) & (subphases["seed"] == run.seed)]
    steps = [step for step in graded.steps if step > 0]
    known = rows[rows["sft_step"].isin(steps)].dropna(subset=["val_loss"])
    if known.empty:
        return None
    best = int(known.sort_values(["val_loss", "sft_step"])["sft_step"].iloc[0])
    scores = draws.score_problems(graded.shares[steps].to_numpy(float))
    return SftOutcome(
        run.dataset,
        run.seed,
        float(rows["min_val_loss"].min()),
        scores.max(axis=1),
        scores[:, steps.index(best)],
        compute_pass_at_k(graded, best, draws),
    )


def replace_by_ceilings(replicates: Iterable[Replicate], fits: pd.DataFrame) -> list[Replicate]:
    """The replicates with fitted ceilings (posterior medians) as outcomes; no fit, no outcome.

    Args:
        fits: of one protocol, columns model, dataset, sft_step, recipe, seed, a_post, verdict.
    """
    found = []
    for one in replicates:
        ceilings, identified = {}, set()
        for row in fits[fits["model"] == one.name].to_dict("records"):
            key = str(row["dataset"]), int(row["sft_step"]), str(row["recipe"]), int(row["seed"])
            if np.isfinite(row["a_post"]):
                ceilings[key] = np.array([float(row["a_post"])])
            if row["verdict"] == IDENTIFIED:
                identified.add(key)
        found.append(
            Replicate(one.name, one.branches, ceilings, {}, one.trained, frozenset(identified))
        )
    return found
