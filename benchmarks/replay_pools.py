"""Pools of finished branches to replay policies on: released, with new noise, and planted.

A pool is one SFT run's branches (data set), with what is known of their true scores.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from planted import NOISES, Noise, compute_binomial_errors, draw_ar1_noise

from retu.advice.candidates import Candidate, read_candidates
from retu.core.tables import read_table
from retu.labeling.subphases import label_subphases
from retu.scaling.branch import make_branch
from retu.scaling.law import FloatArray, compute_gain
from retu.scaling.smoothing import compute_centred_median

NOISE = 0.65
"""Simulated noise of the released curves, in binomial standard errors (docs/replay.md)."""


@dataclass(frozen=True)
class Pool:
    """Finished branches.

    Attributes:
        name: data set, or number of the planted study.
        candidates: with their whole curves.
        truth: true score at every point of each, percent; -inf at and after a collapse and at x=0.
    """

    name: str
    candidates: Mapping[str, Candidate]
    truth: Mapping[str, FloatArray]

    @property
    def last_step(self) -> int:
        """RL steps of the longest branch."""
        return max(one.last_step for one in self.candidates.values())

    @property
    def cost(self) -> float:
        """EFLOPs of RL from every checkpoint."""
        return sum(one.spent for one in self.candidates.values())

    @property
    def best(self) -> float:
        """Best true score of all points."""
        return max(float(values.max()) for values in self.truth.values())


def read_released_pools(folder: Path) -> list[Pool]:
    """The five data sets of the released study, with the sub-phases that the paper draws.

    The truth is the median of five of the scores.
    """
    curves, labels = (read_table(folder / f"{name}.csv") for name in ("curves", "subphases"))
    drawn = read_table(folder / "labels_check.csv").set_index(["dataset", "sft_step"])[
        "subphase_in_figure"
    ]
    found = [
        replace(one, subphase=str(drawn.loc[(one.dataset, one.sft_step)]))
        for one in read_candidates(curves, labels)
        if one.branch is not None
    ]
    sets = dict.fromkeys(one.dataset for one in found)
    pools = [{one.name: one for one in found if one.dataset == name} for name in sets]
    return [
        Pool(name, pool, {key: smooth_released(one) for key, one in pool.items()})
        for name, pool in zip(sets, pools, strict=True)
    ]


def join_pools(pools: list[Pool]) -> Pool:
    """One pool of all their branches."""
    candidates = {name: one for pool in pools for name, one in pool.candidates.items()}
    truth = {name: values for pool in pools for name, values in pool.truth.items()}
    return Pool("all", candidates, truth)


def smooth_released(one: Candidate) -> FloatArray:
    """Median of five around every point of a branch before its collapse."""
    assert one.branch is not None
    truth = np.full(one.branch.x.size, -np.inf)
    truth[1 : one.branch.end] = compute_centred_median(one.branch.score[1 : one.branch.end])
    return truth


def redraw_noise(pool: Pool, seed: int) -> Pool:
    """The pool with new evaluation noise around its smoothed scores, which are then the truth.

    Scores after a collapse stay, and P_sft gets new noise around its measured value.
    """
    candidates, truths = {}, {}
    for number, (name, one) in enumerate(pool.candidates.items()):
        assert one.branch is not None
        rng = np.random.default_rng([seed, number, len(pool.name)])
        truth = pool.truth[name].copy()
        inside = np.isfinite(truth)
        # The running median is a staircase; a mean of three takes its corners off.
        padded = np.pad(truth[inside], 1, mode="edge")
        truth[inside] = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
        score = one.branch.score.copy()
        score[inside] = truth[inside]
        told = inside | (one.branch.x == 0)
        score[told] += NOISE * one.branch.error[told] * rng.standard_normal(told.sum())
        branch = replace(one.branch, score=np.clip(score, 0, 100))
        candidates[name] = replace(one, branch=branch, p_sft=branch.p_sft)
        truths[name] = truth
    return Pool(pool.name, candidates, truths)


def plant_studies(seed: int, count: int) -> Iterator[Pool]:
    """Studies of six to ten checkpoints whose ceilings fall with the validation loss.

    The loss falls, is flat and rises again; A_post falls by 10 to 40 points for a doubled loss,
    with a scatter of 0.3 to 1.2 points that no label tells; a branch in twelve collapses.
    """
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        n = int(rng.integers(6, 11))
        place = np.linspace(1 / n, 1, n)
        turn = rng.uniform(0.4, 1.0)
        loss = 0.5 + 0.3 * np.exp(-place / rng.uniform(0.1, 0.3))
        loss += rng.uniform(0.05, 0.3) * np.maximum(place - turn, 0)
        excess = loss / loss.min() - 1
        top = rng.uniform(50, 90)
        a_post = top - rng.uniform(10, 40) * excess + rng.uniform(0.3, 1.2) * rng.standard_normal(n)
        p_sft = a_post - rng.uniform(2, 5) - rng.uniform(2, 12) * np.exp(-place / 0.3)
        labels = label_subphases(np.arange(1, n + 1), loss)
        noise = NOISES[int(rng.integers(len(NOISES)))]
        candidates, truths = {}, {}
        points = int(rng.integers(20, 60))
        for i in range(n):
            one, truth = plant_branch(p_sft[i], a_post[i], points, noise, rng)
            one = replace(
                *(one,),
                sft_step=i + 1,
                subphase=labels.subphase[i],
                margin_stable=float(labels.margin_stable[i]),
                val_loss=float(loss[i]),
            )
            candidates[one.name], truths[one.name] = one, truth
        yield Pool(f"planted {number}", candidates, truths)


def plant_branch(
    p_sft: float, a_post: float, points: int, noise: Noise, rng: np.random.Generator
) -> tuple[Candidate, FloatArray]:
    """One branch by the law, its half rise within 2 to 60% of its steps, and its true scores."""
    x = np.arange(points + 1) * rng.uniform(1, 4)
    law = {
        "c_mid": x[-1] * float(np.exp(rng.uniform(np.log(0.02), np.log(0.6)))),
        "b": float(np.exp(rng.uniform(np.log(0.6), np.log(3.5)))),
    }
    truth = p_sft + compute_gain(x, epsilon=0.0, pl_rl=a_post - p_sft, **law)
    score = truth + noise.size * draw_ar1_noise(truth, noise.correlation, rng)
    if rng.random() < 1 / 12:
        start = int(rng.uniform(0.4, 0.9) * points)
        score[start:] -= rng.uniform(10, 40)
        truth[start:] = -np.inf
    score = np.clip(score, 0, 100)
    branch = make_branch(x, score, compute_binomial_errors(score))
    steps: npt.NDArray[np.int64] = 10 * np.arange(points + 1)
    truth[0] = -np.inf
    nan = float("nan")
    return Candidate("planted", 0, "", nan, nan, nan, float(score[0]), steps, branch), truth
