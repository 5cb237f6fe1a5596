"""What each way of choosing branches spends and misses on a pool of finished branches."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from replay_pools import Pool

from retu.advice.adaptive import choose_starts, hold_contest
from retu.advice.outlook import Outlook, foresee_candidate
from retu.config.adaptive import AdaptiveSettings
from retu.scaling.smoothing import compute_centred_median

EVALUATE_EVERY = 10
"""RL steps between evaluations of the released study."""
HALVING_RUNGS = (0.1, 0.2, 0.4, 1.0)


class Outcome(NamedTuple):
    """Share of the compute of RL from every checkpoint; regret, points."""

    share: float
    regret: float


Steps = Mapping[str, int]
"""RL steps that each branch was run."""


def judge_steps(pool: Pool, steps: Steps) -> Outcome:
    """What it costs to run each branch so far, and what the checkpoint chosen then is missing.

    Chosen is the point with the highest median of five among all that were seen, P_sft apart.
    """
    spent, chosen = 0.0, (-np.inf, -np.inf)
    for name, limit in sorted(steps.items()):
        seen = pool.candidates[name].take_steps(limit)
        if seen.branch is None:
            continue
        spent += seen.spent
        if seen.branch.end > 1:
            smooth = compute_centred_median(seen.branch.score[1 : seen.branch.end])
            at = int(smooth.argmax())
            # A point that only hindsight knows to have collapsed counts as its last true score.
            truth = pool.truth[name]
            value = truth[1 + at] if np.isfinite(truth[1 + at]) else truth[np.isfinite(truth)][-1]
            chosen = max(chosen, (float(smooth[at]), float(value)))
    return Outcome(spent / pool.cost, pool.best - chosen[1])


def run_fully(pool: Pool, names: list[str]) -> Outcome:
    """These branches to their ends."""
    return judge_steps(pool, {name: pool.candidates[name].last_step for name in names})


def average_outcomes(outcomes: list[Outcome]) -> Outcome:
    """Expected share and regret of choosing one of several at random."""
    return Outcome(*map(float, np.mean(outcomes, axis=0)))


def run_exhaustive(pool: Pool) -> Outcome:
    """Every branch."""
    return run_fully(pool, [*pool.candidates])


def list_starts(pool: Pool, settings: AdaptiveSettings) -> list[str]:
    """Names of the branches that the sub-phases let start."""
    first = choose_starts(pool.candidates, settings, pool.last_step, [pool.last_step])
    return [f"{dataset} step {step}" for dataset, step in first.list_running()]


def run_stable(pool: Pool) -> Outcome:
    """Every Stable checkpoint."""
    return run_fully(pool, list_starts(pool, AdaptiveSettings(start="stable", undecided=0)))


def run_rule(pool: Pool) -> Outcome:
    """Every Stable checkpoint and the first Mild Overfitting one."""
    return run_fully(pool, list_starts(pool, AdaptiveSettings(start="rule", undecided=0)))


def run_least_loss(pool: Pool) -> Outcome:
    """The checkpoint of least loss; the mean over those that share it."""
    least = min(one.val_loss for one in pool.candidates.values())
    ties = [name for name, one in pool.candidates.items() if one.val_loss == least]
    return average_outcomes([run_fully(pool, [name]) for name in ties])


def run_highest_p_sft(pool: Pool) -> Outcome:
    """The checkpoint of the highest score before RL."""
    best = max(pool.candidates, key=lambda name: pool.candidates[name].p_sft)
    return run_fully(pool, [best])


def run_random(pool: Pool) -> Outcome:
    """One branch at random: the mean over all."""
    return average_outcomes([run_fully(pool, [name]) for name in pool.candidates])


def run_halving(pool: Pool) -> Outcome:
    """All start; after each rung the better half by the best median of five goes on, then one."""
    going, steps = sorted(pool.candidates), dict[str, int]()
    for share in HALVING_RUNGS:
        (limit,) = AdaptiveSettings(rungs=[share]).list_rung_steps(pool.last_step, EVALUATE_EVERY)
        steps |= dict.fromkeys(going, limit)
        score = {name: pool.candidates[name].take_steps(limit).branch for name in going}
        reached = {n: b.best_smoothed if b else -np.inf for n, b in score.items()}
        going = sorted(going, key=lambda name: -reached[name])[: max(1, (len(going) + 1) // 2)]
    return judge_steps(pool, steps)


BASELINES: dict[str, Callable[[Pool], Outcome]] = {
    "exhaustive": run_exhaustive,
    "the paper's rule: Stable": run_stable,
    "Stable and first Mild": run_rule,
    "minimum loss only": run_least_loss,
    "highest P_sft only": run_highest_p_sft,
    "random branch": run_random,
    "successive halving": run_halving,
}


@dataclass
class AdaptiveReplay:
    """The adaptive policy on one pool; what settings share is kept."""

    pool: Pool
    outlooks: dict[tuple[str, int], Outlook] = field(default_factory=dict)
    starts: dict[tuple[str, float], list[str]] = field(default_factory=dict)
    outcomes: dict[tuple[tuple[str, int], ...], Outcome] = field(default_factory=dict)

    def run(self, settings: AdaptiveSettings) -> Outcome:
        """What the policy spends and misses."""
        steps = self.list_steps(settings)
        key = tuple(sorted(steps.items()))
        if key not in self.outcomes:
            self.outcomes[key] = judge_steps(self.pool, steps)
        return self.outcomes[key]

    def list_steps(self, settings: AdaptiveSettings) -> Steps:
        """RL steps of every branch that the policy starts."""
        last = self.pool.last_step
        targets = settings.list_rung_steps(last, EVALUATE_EVERY)
        first = (settings.start, settings.undecided)
        if first not in self.starts:
            self.starts[first] = list_starts(self.pool, settings)
        going, steps = self.starts[first], dict[str, int]()
        for target in targets:
            steps |= dict.fromkeys(going, target)
            seen = {name: self.foresee(name, target, settings) for name in going}
            contest = hold_contest(seen, settings, target / last, target == targets[-1])
            if contest.end:
                break
            going = [name for name in contest.staying if seen[name].is_open]
        return steps

    def foresee(self, name: str, target: int, settings: AdaptiveSettings) -> Outlook:
        """The outlook of a branch at a rung."""
        if (name, target) not in self.outlooks:
            seen = self.pool.candidates[name].take_steps(target)
            self.outlooks[name, target] = foresee_candidate(
                seen, self.pool.last_step, target, settings
            )
        return self.outlooks[name, target]


STARTS = [("stable", 0.0), ("stable", 0.005), ("rule", 0.0)]
GRID = {
    "rungs": [
        [0.1, 0.3, 0.5, 0.75, 1.0],
        [0.2, 0.5, 0.75, 1.0],
        [0.3, 0.5, 0.75, 1.0],
        [0.1, 0.2, 0.3, 0.5, 0.75, 1.0],
        [0.05, 0.2, 0.5, 0.75, 1.0],
        [0.1, 0.3, 0.5, 0.75],
        [0.05, 0.2, 0.5, 0.75],
        [0.1, 0.2, 0.3, 0.5, 0.75],
    ],
    "quantile": [0.6, 0.7, 0.8, 0.9],
    "keep": [0.34, 0.5, 0.67],
    "decided_by": [0.5, 0.75, 1.0],
    "tolerance": [0.25, 0.5, 1.0],
}


def list_settings() -> list[AdaptiveSettings]:
    """Every setting that tuning may choose."""
    rows = itertools.product(STARTS, *GRID.values())
    given = (
        {"start": row[0][0], "undecided": row[0][1], **dict(zip(GRID, row[1:], strict=True))}
        for row in rows
    )
    return [AdaptiveSettings.model_validate(one) for one in given]
