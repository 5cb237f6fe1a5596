"""What an advice does not know, and the cheapest run that should narrow it."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from retu.advice.advice_record import BranchAdvice, MissingEvidence
from retu.advice.evidence import Evidence
from retu.advice.further_training import CLOSE, ONE_LOSS, group_runs, judge_loss
from retu.advice.score_draws import ScoreDraws
from retu.core.tables import round_to_six_digits
from retu.core.text import join_names
from retu.labeling.subphases import MILD, STABLE
from retu.scaling.forecasting.forecast_settings import MIN_POINTS

RIVAL = 0.05
"""Chance of being the best from which a branch is a rival."""
MOST_NAMED = 4
GIVE = ", and give it with --losses FILE, columns pass_at_k and k"


def list_missing_evidence(
    evidence: Evidence,
    branches: Sequence[BranchAdvice],
    draws: Mapping[str, ScoreDraws],
    budget: float | None,
) -> list[MissingEvidence]:
    """All that is missing, the cheapest run of each; what needs no training comes first.

    Labels and pass@k stand in for RL, so they are missing only where there is no forecast.
    """
    bare = [one for one in branches if not one.at_budget]
    return [
        *find_missing_labels(evidence, branches),
        *find_close_labels(bare),
        *find_missing_samples(evidence, bare),
        *find_flat_curves(bare),
        *find_falling_losses(evidence).values(),
        *find_untried(evidence, branches),
        *find_rivals(branches, draws, budget),
    ]


def find_missing_labels(
    evidence: Evidence, branches: Sequence[BranchAdvice]
) -> list[MissingEvidence]:
    """Checkpoints without a validation loss, and those of data sets with a single one."""
    bare = [one.name for one in branches if one.val_loss is None]
    single = [one.name for one in branches if one.val_loss is not None and not one.subphase]
    run = evidence.make_labels or "evaluate it, and give it with --losses FILE"
    why = "the sub-phase says from where RL is worth starting"
    another = (
        "evaluate it at another checkpoint of the data set, and add a row to the --losses FILE"
    )
    return [
        MissingEvidence(
            what=f"{what} of {join_names(names, MOST_NAMED)}", why=why, run=run, cost=0.0
        )
        for what, names, why, run in (
            ("the validation loss", bare, why, run),
            ("the sub-phase", single, ONE_LOSS, another),
        )
        if names
    ]


def find_close_labels(branches: Sequence[BranchAdvice]) -> list[MissingEvidence]:
    """Checkpoints whose label the loss does not decide."""
    close = [
        one.name
        for one in branches
        if one.margin_stable is not None and abs(one.margin_stable) < CLOSE
    ]
    if not close:
        return []
    return [
        MissingEvidence(
            what=f"whether {join_names(close, MOST_NAMED)} is Stable",
            why=f"its loss is within {CLOSE:.1%} of the least loss from the border of Stable",
            run="evaluate the validation loss there on more held-out answers",
            cost=0.0,
        )
    ]


def find_missing_samples(
    evidence: Evidence, branches: Sequence[BranchAdvice]
) -> list[MissingEvidence]:
    """Checkpoints that may be worth RL and whose pass@k is not known.

    Of curves of no study only those that a table of losses names can be given one.
    """
    worth = (STABLE, MILD, None) if evidence.is_study else (STABLE, MILD)
    wanted = [one.name for one in branches if one.subphase in worth]
    bare = [name for name in wanted if name not in evidence.pass_at_k]
    if not bare:
        return []
    return [
        MissingEvidence(
            what=f"pass@k of {join_names(bare, MOST_NAMED)}",
            why="at large k it tells RL's outcome better than the score before RL does",
            run="generate 16 samples or more a problem at each"
            + ("" if evidence.is_study else GIVE),
            cost=0.0,
        )
    ]


def find_flat_curves(branches: Sequence[BranchAdvice]) -> list[MissingEvidence]:
    """Branches whose scores are all the same, which no evaluation of a model in training gives."""
    flat = [one for one in branches if one.has_obstacle("constant")]
    if not flat:
        return []
    return [
        MissingEvidence(
            what=f"scores of {join_names([one.name for one in flat], MOST_NAMED)} that differ",
            why=f"{flat[0].lacking_reason} has no noise and no gain to go by",
            run="check the evaluation",
            cost=0.0,
        )
    ]


def find_falling_losses(evidence: Evidence) -> dict[str, MissingEvidence]:
    """Data sets whose SFT ended before the loss turned: later checkpoints would move its labels."""
    found = {}
    for dataset, run in group_runs(evidence.candidates).items():
        course = judge_loss(run)
        if course.kind != "falling":
            continue
        last, longer = course.last, course.next_length
        # A longer run has another schedule of learning rates, so it is made from its first step.
        spent = "" if math.isnan(last.x_sft) else f", {last.x_sft * longer / last.sft_step:.3g}"
        key = " (sft_runs: checkpoints of the study)" if evidence.is_study else ""
        found[dataset] = MissingEvidence(
            what=f"where the validation loss of {dataset} turns",
            why=f"it is still falling at the last checkpoint, step {last.sft_step}: labels are"
            " provisional",
            run=f"SFT of {longer} steps, {longer - last.sft_step} more than now, with"
            f" checkpoints on the way{key}{spent + ' EFLOPs of SFT' if spent else ''}",
            cost=None,
        )
    return found


def needs_more_rl(one: BranchAdvice) -> bool:
    """Whether a checkpoint that is worth RL, or has some, has too few points for a forecast."""
    is_told = one.has_obstacle("collapsed", "constant")
    is_wanted = one.subphase == STABLE or (one.subphase is None and one.reached is not None)
    return is_wanted and not one.at_budget and not is_told


def find_untried(evidence: Evidence, branches: Sequence[BranchAdvice]) -> list[MissingEvidence]:
    """Checkpoints without enough RL to forecast."""
    short = [one for one in branches if needs_more_rl(one)]
    if not short:
        return []
    rungs = " (branching: adaptive runs such rungs)" if evidence.is_study else ""
    each = ", from each" if len(short) > 1 else ""
    is_stable = all(one.subphase == STABLE for one in short)
    return [
        MissingEvidence(
            what=f"what RL makes of {join_names([one.name for one in short], MOST_NAMED)}",
            why=("Stable, and no forecast: " if is_stable else "no forecast: ")
            + short[0].lacking_reason,
            run=f"RL until it has {MIN_POINTS - 1} evaluations{each}{rungs}",
            cost=estimate_first_rl(evidence, {one.name for one in short}),
        )
    ]


def estimate_first_rl(evidence: Evidence, names: Collection[str]) -> float | None:
    """RL compute until each of some checkpoints has `MIN_POINTS` points, if it can be told.

    Points come as far apart as those that the branch has, or as the mean of other branches.
    """
    made = {
        one.name: (one.branch.x.size, one.spent / (one.branch.x.size - 1))
        for one in evidence.candidates
        if one.branch
    }
    if not made:
        return None
    usual = (1, float(np.mean([apart for _, apart in made.values()])))
    left = [(MIN_POINTS - n) * apart for n, apart in (made.get(name, usual) for name in names)]
    return round_to_six_digits(sum(left))


def find_rivals(
    branches: Sequence[BranchAdvice], draws: Mapping[str, ScoreDraws], budget: float | None
) -> list[MissingEvidence]:
    """The run that tells the best branch from the rival that it costs most not to know."""
    known = {one.name: one for one in branches if one.at_budget and one.chance is not None}
    if len(known) < 2 or budget is None:
        return []
    best = max(known, key=lambda name: (float(np.median(draws[name].budget)), name))
    rivals = [name for name, one in known.items() if name != best and (one.chance or 0) >= RIVAL]
    if not rivals:
        return []
    leading = draws[best].budget
    loss = {n: float(np.maximum(draws[n].budget - leading, 0).mean()) for n in rivals}
    rival = max(rivals, key=lambda name: (loss[name], name))
    ahead = float((draws[rival].budget > leading).mean())
    short = [known[name] for name in (best, rival) if known[name].spent < budget]
    run = "evaluate both there again with four samples a problem or more; both have been trained"
    if short:
        run = f"RL on to {budget:g} from {' and from '.join(one.name for one in short)}"
    return [
        MissingEvidence(
            what=f"whether {rival} beats {best} at {budget:g}",
            why=f"it does with {ahead:.0%}; not to know costs {loss[rival]:.2f} points on average",
            run=run,
            cost=round_to_six_digits(sum(budget - one.spent for one in short)),
        )
    ]
