"""The policy of `branching: adaptive`: which branches go on, which are dropped, when to stop.

A pool is all branches of one model, seed and RL recipe, over all its data sets: what is wanted in
the end is one model, so a branch is worth its compute only if it can beat the best of any data set.
Other models, recipes and seeds answer other questions. To find the best checkpoint of every data
set, give the data sets one by one.

The policy is a pure function of the curves, the labels, the settings and the decision before; all
draws come from seeds that depend on the checkpoint alone, and the order of rows plays no part.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retu.advice.candidates import Candidate, read_candidates
from retu.advice.decision import Action, CandidateVerdict, Decision
from retu.advice.outlook import Outlook, foresee_candidate
from retu.config.adaptive import AdaptiveSettings
from retu.core.errors import InputError
from retu.core.rounding import round_score
from retu.core.run_paths import name_checkpoint
from retu.core.tables import round_to_six_digits
from retu.labeling.subphases import MILD, STABLE

Branches = Mapping[str, Candidate]


@dataclass(frozen=True)
class Contest:
    """A pool after a rung.

    Attributes:
        staying: names of the branches that stay, best first.
        dropped: why the others go.
        leader: the branch of the best forecast.
        loss: points that stopping here is expected to forgo.
        end: why the search ends here, or nothing.
    """

    staying: list[str]
    dropped: dict[str, str]
    leader: str
    loss: float
    end: str


def decide_rung(
    curves: pd.DataFrame,
    subphases: pd.DataFrame,
    settings: AdaptiveSettings,
    last_step: int,
    before: Decision | None = None,
    step_multiple: int = 1,
) -> Decision:
    """Decide about one pool, before any RL or after a rung of it.

    Args:
        curves: rows of curves.csv of the pool (`read_candidates`); points beyond the step that
            `before` asked for are not looked at.
        subphases: rows of subphases.csv of its SFT runs.
        settings: of the policy.
        last_step: RL steps of a whole branch.
        before: the last decision; None decides where to start.
        step_multiple: RL steps between two evaluations; rungs are rounded up to it.

    Raises:
        InputError: what `read_candidates` refuses, a finished search, or a branch that was to run
            and has no later evaluation.
    """
    candidates = {one.name: one for one in read_candidates(curves, subphases)}
    targets = settings.list_rung_steps(last_step, step_multiple)
    if before is None:
        return choose_starts(candidates, settings, last_step, targets)
    if before.finished or before.target_step is None:
        raise InputError(f"the search is finished ({before.reason}); nothing is left to decide")
    seen = {name: one.take_steps(before.target_step) for name, one in candidates.items()}
    outlooks = {}
    for dataset, sft_step in before.list_running():
        name = name_checkpoint(dataset, sft_step)
        if name not in seen or seen[name].branch is None:
            raise InputError(f"{name}: was to run to RL step {before.target_step}: no evaluation")
        outlooks[name] = foresee_candidate(seen[name], last_step, before.target_step, settings)
    return decide_from_outlooks(seen, outlooks, settings, targets, before)


def choose_starts(
    candidates: Branches, settings: AdaptiveSettings, last_step: int, targets: Sequence[int]
) -> Decision:
    """The decision before any RL, by the sub-phases."""
    verdicts = []
    for one in candidates.values():
        starts, why = explain_start(one, list(candidates.values()), settings)
        verdicts.append(describe_verdict(one, "run" if starts else "skip", why))
    running = sum(verdict.action == "run" for verdict in verdicts)
    reason = f"RL starts from {running} of {len(verdicts)} checkpoints"
    if not running:
        reason = "no checkpoint is Stable or Mild Overfitting: SFT only raised the loss"
    return Decision(
        rung=0,
        last_step=last_step,
        target_step=targets[0] if running else None,
        leader=None,
        expected_loss=None,
        finished=not running,
        reason=reason,
        candidates=verdicts,
        settings=settings,
    )


def explain_start(
    one: Candidate, pool: Sequence[Candidate], settings: AdaptiveSettings
) -> tuple[bool, str]:
    """Whether RL starts from a checkpoint, and why."""
    told = f"{one.subphase}, L / L_min {one.margin_stable:+.4f} from the Stable line"
    if one.subphase == STABLE:
        return True, told
    if settings.start == "all":
        return True, f"{told}; every checkpoint starts"
    if 0 < one.margin_stable <= settings.undecided:
        return True, f"{told}: too close to call"
    mild = [c.sft_step for c in pool if c.dataset == one.dataset and c.subphase == MILD]
    if settings.start == "rule" and one.subphase == MILD and one.sft_step == min(mild):
        return True, f"{told}; the first Mild Overfitting checkpoint of its run"
    return False, told


def decide_from_outlooks(
    candidates: Branches,
    outlooks: Mapping[str, Outlook],
    settings: AdaptiveSettings,
    targets: Sequence[int],
    before: Decision,
) -> Decision:
    """The decision after a rung, from what every branch that ran reached and may reach."""
    done = before.target_step or 0
    later = [step for step in targets if step > done]
    contest = hold_contest(outlooks, settings, done / before.last_step, not later)
    reason = contest.end
    verdicts = [
        describe_after_rung(candidates[old.name], old, contest, outlooks, settings, not reason)
        for old in before.candidates
        if old.name in candidates
    ]
    running = sum(verdict.action == "run" for verdict in verdicts)
    going = f"{running} of {len(outlooks)} branches go on; stopping would forgo"
    return Decision(
        rung=before.rung + 1,
        last_step=before.last_step,
        target_step=None if reason else later[0],
        leader=contest.leader,
        expected_loss=round_score(contest.loss, 3),
        finished=bool(reason),
        reason=reason or f"{going} {contest.loss:.2f} points",
        candidates=verdicts,
        settings=settings,
    )


def hold_contest(
    outlooks: Mapping[str, Outlook], settings: AdaptiveSettings, share: float, last_rung: bool
) -> Contest:
    """Drop by the upper quantile of forecasts, down to the finalists, and see whether to stop.

    Args:
        outlooks: of the branches that ran.
        settings: of the policy.
        share: of the recipe's RL steps that they have run.
        last_rung: whether that was the last rung.
    """
    upper = {name: outlook.find_quantile(settings.quantile) for name, outlook in outlooks.items()}
    middle = {name: outlook.find_quantile(0.5) for name, outlook in outlooks.items()}
    # Ties go to the first name, so that the order of rows plays no part.
    leader = min(outlooks, key=lambda name: (-middle[name], name))
    ranked = sorted(outlooks, key=lambda name: (name != leader, -upper[name], name))
    least = settings.finalists if last_rung or share < settings.decided_by else 1
    places = max(least, math.ceil(round(len(ranked) * settings.keep, 9)))
    staying, dropped = [name for name in ranked if not outlooks[name].is_known], dict[str, str]()
    for name in (name for name in ranked if outlooks[name].is_known):
        bound = f"its forecast reaches {upper[name]:.1f} at the {settings.quantile:.0%} quantile"
        if len(staying) >= least and upper[name] < middle[leader]:
            dropped[name] = f"{bound}, below the {middle[leader]:.1f} expected of {leader}"
        elif len(staying) >= places:
            dropped[name] = f"{bound}; {places} of higher ones take the places"
        else:
            staying.append(name)
    loss = compute_expected_loss(outlooks, staying)
    left = [outlooks[name] for name in staying]
    end = "the last rung is done" if last_rung else explain_end(left, loss, settings)
    return Contest(staying, dropped, leader, loss, end)


def explain_end(left: Sequence[Outlook], loss: float, settings: AdaptiveSettings) -> str:
    """Why no more RL is worth its compute, or nothing."""
    if not any(outlook.is_open for outlook in left):
        return "every branch that is left has ended"
    if loss <= settings.tolerance and all(outlook.is_known for outlook in left):
        return (
            f"stopping here is expected to forgo {loss:.2f} points, at most the tolerance of"
            f" {settings.tolerance:g}"
        )
    return ""


def compute_expected_loss(outlooks: Mapping[str, Outlook], staying: Sequence[str]) -> float:
    """Points by which the best of the staying is expected to beat the best reached so far."""
    delivered = max(outlooks.values(), key=lambda outlook: outlook.reached).reached_draws
    best = np.max([outlooks[name].best_draws for name in staying], axis=0)
    return float(np.mean(np.maximum(best - delivered, 0.0)))


def describe_after_rung(
    one: Candidate,
    old: CandidateVerdict,
    contest: Contest,
    outlooks: Mapping[str, Outlook],
    settings: AdaptiveSettings,
    goes_on: bool,
) -> CandidateVerdict:
    """What becomes of one checkpoint; those that were out before stay out, for the same reason."""
    if old.name not in outlooks:
        return old
    outlook = outlooks[old.name]
    if old.name in contest.dropped:
        return describe_verdict(one, "drop", contest.dropped[old.name], outlook, settings)
    if goes_on and outlook.is_open:
        reason = outlook.reason or "its forecast keeps it in the race"
        return describe_verdict(one, "run", reason, outlook, settings)
    return describe_verdict(one, "keep", outlook.reason or "finalist", outlook, settings)


def describe_verdict(
    one: Candidate,
    action: Action,
    reason: str,
    outlook: Outlook | None = None,
    settings: AdaptiveSettings | None = None,
) -> CandidateVerdict:
    """The row of one checkpoint in a decision."""
    figures: dict[str, float] = {}
    if outlook and settings:
        figures = {
            "reached": round_score(outlook.reached, 3),
            "forecast": round_score(outlook.find_quantile(0.5), 3),
            "upper": round_score(outlook.find_quantile(settings.quantile), 3),
        }
    return CandidateVerdict(
        dataset=one.dataset,
        sft_step=one.sft_step,
        subphase=one.subphase,
        action=action,
        reason=reason,
        p_sft=None if math.isnan(one.p_sft) else round_score(one.p_sft, 3),
        done=one.last_step,
        spent=round_to_six_digits(one.spent),
        **figures,
    )
