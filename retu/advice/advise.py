"""From evidence to an advice: where to start RL, what to expect of it, and what to find out."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from retu.advice.advice_record import Advice, BranchAdvice, Interval, Obstacle
from retu.advice.candidates import Candidate
from retu.advice.collapses import describe_collapses
from retu.advice.evidence import Evidence
from retu.advice.further_training import describe_better_data, describe_more_sft
from retu.advice.missing_evidence import list_missing_evidence
from retu.advice.score_draws import (
    UNIT_SHARE,
    Expected,
    ScoreDraws,
    draw_scores,
    find_obstacle,
    summarise_draws,
)
from retu.config.analysis import FitSettings
from retu.config.protocols import load_protocols
from retu.core.errors import InputError
from retu.core.rounding import round_down, round_score
from retu.core.tables import round_to_six_digits
from retu.core.text import format_rest
from retu.labeling.subphases import STABLE
from retu.logs.log_choice import FARTHEST
from retu.scaling.fitting.fit import fit_branch
from retu.scaling.forecasting.forecast_settings import MIN_POINTS

Draws = Mapping[str, ScoreDraws]
LEADER = 0.1
"""Chance of being the best below which the highest score expected is no reason to start there."""
MOST_NAMED = 4
FIT = FitSettings(n_bootstrap=100)


def advise_start(evidence: Evidence, budget: float | None = None, alone: bool = False) -> Advice:
    """The advice on one pool.

    Args:
        evidence: what is known.
        budget: RL compute of one branch, in the unit of the evidence; None: what all have reached.
        alone: whether one checkpoint will do, of which there is a score and a ceiling to tell.

    Raises:
        InputError: one checkpoint that is not enough, nothing to compare by, or an odd budget.
    """
    candidates = evidence.candidates
    usable = [one for one in candidates if not find_obstacle(one)]
    check_question(evidence, usable, budget, alone)
    budget = budget or find_common_budget(usable)
    lacking = {one.name: find_obstacle(one, budget) for one in candidates}
    known = [one for one in usable if not lacking[one.name]]
    step = float(f"{UNIT_SHARE * budget:.1g}") if budget else None
    draws = {one.name: draw_scores(one, budget, step) for one in known if budget and step}
    chances = compute_chances(draws)
    branches = [
        describe_branch(one, evidence, lacking[one.name], draws.get(one.name), chances)
        for one in candidates
    ]
    start, reason = choose_start(branches, budget)
    chosen = next((one for one in branches if one.name == start), None)
    return Advice(
        title=evidence.title,
        start=start,
        data=chosen.dataset if chosen and chosen.sft_step else None,
        reason=reason,
        budget=budget,
        unit=evidence.unit,
        step=step,
        collapses=describe_collapses(usable, lacking, budget),
        branches=branches,
        sft=describe_more_sft(candidates, draws),
        data_size=describe_better_data(branches),
        missing=list_missing_evidence(evidence, branches, draws, budget),
        notes=list(evidence.notes),
    )


def check_question(
    evidence: Evidence, usable: list[Candidate], budget: float | None, alone: bool
) -> None:
    """Refuse what has no answer: see `advise_start`; `usable` are those that can be forecast."""
    candidates = evidence.candidates
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise InputError(f"--budget {budget:g}: use a number above 0, in {evidence.unit}")
    longest = max(one.spent for one in candidates)
    if budget is not None and 0 < FARTHEST * longest < budget:
        raise InputError(
            f"--budget {budget:g}: is in {evidence.unit}, and the longest RL curve has run"
            f" {longest:.3g} of them; use at most {FARTHEST * longest:.3g}"
        )
    if len(candidates) == 1 and not alone:
        raise InputError(
            f"{evidence.title}: one checkpoint only ({candidates[0].name}); an advice compares"
            " checkpoints, so evaluate another one"
        )
    if not usable and all(math.isnan(one.val_loss) for one in candidates):
        found = [find_obstacle(one) for one in candidates]
        is_flat = any(obstacle and obstacle.kind == "constant" for obstacle in found)
        check = "check the evaluation, or " if is_flat else ""
        raise InputError(
            f"{evidence.title}: no validation loss, and no RL curve to compare by"
            f" ({list_reasons(candidates)}); {check}give the validation loss of the checkpoints"
            " (--losses FILE, see docs/advise.md)"
        )


def list_reasons(candidates: Sequence[Candidate]) -> str:
    """Why each checkpoint has no forecast: `a: no RL curve`."""
    found = [(one.name, find_obstacle(one)) for one in candidates]
    reasons = [f"{name}: {obstacle.told}" for name, obstacle in found if obstacle]
    return "; ".join(reasons[:MOST_NAMED]) + format_rest(len(reasons), MOST_NAMED)


def find_common_budget(usable: Sequence[Candidate]) -> float | None:
    """The compute that every branch has reached, collapsed ones apart, down to two digits."""
    going = [one for one in usable if not one.has_collapsed] or usable
    if not going:
        return None
    return round_down(min(one.spent for one in going), 2)


def compute_chances(draws: Draws) -> dict[str, float]:
    """Probability of each branch to have the highest score at the budget."""
    if not draws:
        return {}
    best = np.stack([drawn.budget for drawn in draws.values()]).argmax(axis=0)
    return {name: float(np.mean(best == i)) for i, name in enumerate(draws)}


def describe_branch(
    one: Candidate,
    evidence: Evidence,
    lacking: Obstacle | None,
    drawn: ScoreDraws | None,
    chances: Mapping[str, float],
) -> BranchAdvice:
    """One checkpoint of the advice."""
    stored = evidence.pass_at_k.get(one.name)
    ceiling, why = find_ceiling(one, evidence, lacking.told if lacking else "")
    return BranchAdvice(
        name=one.name,
        dataset=one.dataset,
        sft_step=one.sft_step,
        subphase=one.subphase or None,
        margin_stable=keep_number(one.margin_stable, 6),
        val_loss=keep_number(one.val_loss, 6),
        p_sft=keep_number(one.p_sft),
        pass_at_k=round_score(stored.percent, 2) if stored else None,
        k=stored.k if stored else None,
        spent=round_to_six_digits(one.spent),
        reached=keep_number(one.branch.best_smoothed) if one.branch else None,
        at_budget=make_interval(summarise_draws(drawn.budget)) if drawn else None,
        chance=round_score(chances[one.name], 3) if drawn else None,
        next_unit=make_interval(summarise_draws(drawn.more - drawn.now)) if drawn else None,
        ceiling=ceiling,
        ceiling_reason=why,
        lacking=lacking,
    )


def find_ceiling(one: Candidate, evidence: Evidence, lacking: str) -> tuple[Interval | None, str]:
    """The ceiling where it is identified, else why it is not."""
    if one.branch is None or one.branch.end < MIN_POINTS or np.ptp(one.branch.score) == 0:
        return None, lacking
    row = evidence.fits.get(one.name)
    if row is None:
        found = fit_branch(one.branch, load_protocols()["robust"], FIT).fit
        values = (found.a_post, found.a_post_low, found.a_post_high)
        verdict, reason = str(found.verdict), found.reason
    else:
        a_post, low, high = (float(str(row[f"a_post{end}"])) for end in ("", "_low", "_high"))
        values, verdict, reason = (a_post, low, high), str(row["verdict"]), str(row["reason"])
    if verdict != "identified":
        return None, reason
    return make_interval(Expected(*values)), ""


def choose_start(branches: list[BranchAdvice], budget: float | None) -> tuple[str | None, str]:
    """The checkpoint to start from, and what that rests on."""
    with_rl = [one for one in branches if one.at_budget and one.chance is not None]
    if len(with_rl) > 1:
        best = max(
            with_rl, key=lambda one: (one.at_budget.median if one.at_budget else 0, one.name)
        )
        if (best.chance or 0) < LEADER:
            return None, (
                f"no clear leader of {len(with_rl)} RL curves; {best.name} has the highest score"
                f" expected, and is the best of all with a chance of {best.chance or 0:.0%} only"
            )
        return best.name, f"highest score expected of {len(with_rl)} RL curves"
    stable = [one for one in branches if one.subphase == STABLE]
    if not stable:
        place = f" at {budget:g}" if budget else ""
        return (
            None,
            f"not enough evidence: no two RL curves to compare{place}, no Stable checkpoint",
        )
    # RL from a collapsed one is known to fail at the budget.
    stable = [one for one in stable if not one.has_obstacle("collapsed")] or stable
    ranked = sorted(stable, key=lambda one: (one.val_loss or math.inf, -(one.p_sft or 0), one.name))
    reason = "the least validation loss of the Stable checkpoints; no two RL curves to compare"
    if all(one.pass_at_k is not None for one in stable) and len({one.k for one in stable}) == 1:
        ranked.sort(key=lambda one: -(one.pass_at_k or 0))
        reason = f"the highest pass@{stable[0].k} of the Stable checkpoints; no two RL curves"
    return ranked[0].name, reason


def keep_number(value: float, decimals: int = 2) -> float | None:
    """A rounded number, or None for NaN."""
    return None if math.isnan(value) else round_score(value, decimals)


def make_interval(expected: Expected) -> Interval:
    """An interval rounded to hundredths of a point."""
    median, low, high = (round_score(value, 2) for value in expected)
    return Interval(median=median, low=low, high=high)
