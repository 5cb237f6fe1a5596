"""What more SFT of a data set buys, and what data with a lower validation loss buys."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from retu.advice.advice_record import BranchAdvice
from retu.advice.candidates import Candidate
from retu.advice.score_draws import ScoreDraws, summarise_draws
from retu.core.rounding import round_score
from retu.labeling.subphases import STABLE

ONE_LOSS = "one validation loss; two or more are needed"
CLOSE = 0.005
"""L / L_min this close to another decides nothing: losses scatter by as much."""
FEWEST_SETS = 4
"""Data sets through which a line leaves two residuals to judge it by."""


@dataclass(frozen=True)
class LossCourse:
    """Where the validation loss of an SFT run stands at its last checkpoint.

    Attributes:
        kind: `unknown` without all losses, `single` with one; `falling`: the last checkpoint has
            the least, by more than losses scatter; `flat`: it is Stable; `risen`: it is not.
        best: the checkpoint of the least loss; the last one where losses are not known.
        last, gap: the last checkpoint, and its distance from the one before in SFT steps.
    """

    kind: Literal["unknown", "single", "falling", "flat", "risen"]
    best: Candidate
    last: Candidate
    gap: int

    @property
    def next_length(self) -> int:
        """Steps of a longer run: half as many again, in whole distances between checkpoints."""
        return self.last.sft_step + self.gap * max(1, math.ceil(self.last.sft_step / self.gap / 2))


def judge_loss(run: Sequence[Candidate]) -> LossCourse:
    """Where the loss of the checkpoints of one SFT run stands; they are in the order of steps."""
    last = run[-1]
    gap = last.sft_step - (run[-2].sft_step if len(run) > 1 else 0)
    if any(math.isnan(one.val_loss) for one in run):
        return LossCourse("unknown", last, last, gap)
    best = min(run, key=lambda one: one.val_loss)
    if len(run) == 1 or not last.subphase:
        return LossCourse("single", best, last, gap)
    if best is last and run[-2].val_loss > (1 + CLOSE) * last.val_loss:
        return LossCourse("falling", best, last, gap)
    return LossCourse("flat" if last.subphase == STABLE else "risen", best, last, gap)


def group_runs(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """The checkpoints of each SFT run by its data set, in the order of names and steps."""
    runs: dict[str, list[Candidate]] = {}
    for one in sorted(candidates, key=lambda one: (one.dataset, one.sft_step)):
        if one.sft_step:
            runs.setdefault(one.dataset, []).append(one)
    return runs


def describe_more_sft(
    candidates: Sequence[Candidate], draws: Mapping[str, ScoreDraws]
) -> list[str]:
    """A sentence a data set: where its loss stands, and what the last stretch of SFT changed."""
    return [
        f"{dataset}: {describe_loss(run)}{describe_last_stretch(run, draws)}"
        for dataset, run in group_runs(candidates).items()
    ]


def describe_loss(run: Sequence[Candidate]) -> str:
    """Whether the validation loss has turned."""
    course = judge_loss(run)
    if course.kind == "unknown":
        return "not enough evidence, no validation loss"
    if course.kind == "single":
        return ONE_LOSS
    if course.kind == "falling":
        return (
            f"the loss is still falling at the last checkpoint, step {course.last.sft_step}: labels"
            " are provisional"
        )
    if course.kind == "flat":
        return f"the loss is flat from step {course.best.sft_step} on"
    rise = 100 * (course.last.val_loss / course.best.val_loss - 1)
    return f"the loss has risen by {rise:.1f}% since step {course.best.sft_step}: more SFT overfits"


def describe_last_stretch(run: Sequence[Candidate], draws: Mapping[str, ScoreDraws]) -> str:
    """What RL gets out of the SFT between the last two checkpoints that have RL."""
    known = [one for one in run if one.name in draws]
    if len(known) < 2:
        return "; what more SFT brings RL: not enough evidence, fewer than two RL curves"
    first, last = known[-2:]
    drawn = summarise_draws(draws[last.name].budget - draws[first.name].budget)
    middle, low, high = (round_score(value, 1) for value in drawn)
    cost = last.x_sft - first.x_sft
    paid = "" if math.isnan(cost) else f" ({cost:.3g} EFLOPs)"
    return (
        f"; SFT from step {first.sft_step} to {last.sft_step}{paid} changed the score after RL by"
        f" {middle:+.1f} ({low:+.1f} to {high:+.1f}) points"
    )


def describe_better_data(branches: Sequence[BranchAdvice]) -> str:
    """What a data set of lower validation loss brings, by a line through the data sets."""
    best: dict[str, float] = {}
    loss: dict[str, float] = {}
    for one in branches:
        if one.at_budget and one.val_loss is not None:
            best[one.dataset] = max(best.get(one.dataset, 0.0), one.at_budget.median)
        if one.val_loss is not None:
            loss[one.dataset] = min(loss.get(one.dataset, math.inf), one.val_loss)
    if len(best) < FEWEST_SETS:
        return (
            f"not enough evidence: {FEWEST_SETS} data sets with a validation loss and RL are"
            f" needed, here {len(best)}"
        )
    x, y = np.array([[loss[name], best[name]] for name in sorted(best)]).T
    if np.ptp(x) == 0:
        return "not enough evidence: all data sets reach the same validation loss"
    offset = x - x.mean()
    slope = float(offset @ y) / float(offset @ offset)
    residual = y - y.mean() - slope * offset
    error = np.sqrt(residual @ residual / (x.size - 2) / (offset @ offset))
    reach = float(stdtrit(x.size - 2, 0.95) * error)
    low, middle, high = (-0.01 * s for s in (slope + reach, slope, slope - reach))
    return (
        f"a least validation loss lower by 0.01 goes with {middle:+.2f} ({low:+.2f} to {high:+.2f})"
        f" points after RL over {x.size} data sets (r = {np.corrcoef(x, y)[0, 1]:.2f})"
    )
