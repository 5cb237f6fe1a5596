"""What a study's data allow to say: where SFT stops, where RL starts, what it brings, what is next.

There is an answer for each pool of branches. Every finding says what it rests on, and whether that
is weak.
"""

from collections import Counter
from collections.abc import Sequence

from retu.advice.advice_record import Advice, BranchAdvice, Finding, PoolAnswer
from retu.advice.advice_text import (
    capitalise,
    describe_label,
    describe_rl_loss,
    format_interval,
    list_rivals,
)
from retu.advice.advise import advise_start, make_interval
from retu.advice.evidence import Evidence
from retu.advice.further_training import LossCourse, describe_loss, group_runs, judge_loss
from retu.advice.missing_evidence import find_falling_losses
from retu.advice.score_draws import Expected
from retu.core.errors import InputError
from retu.labeling.subphases import MILD, STABLE

SURE = 0.9
"""Chance of being the best of all from which a start is no weak finding."""
UNKNOWN = "not enough evidence"
RULE = "Stable or early Mild Overfitting"
"""Where RL should start by the paper."""


def answer_pools(pools: Sequence[Evidence]) -> list[PoolAnswer]:
    """The answers, of each model and seed the pool of the most RL curves first.

    The model and seed with the most curves of all opens: a study's main one. The first pool of each
    alone says where SFT stops. Of a pool on which nothing can be said, that is the only finding.
    """
    curves: Counter[str] = Counter()
    for one in pools:
        curves[one.sft_of] += count_branches(one)
    ranked = sorted(
        pools,
        key=lambda one: (-curves[one.sft_of], one.sft_of, -count_branches(one), one.title),
    )
    told: set[str] = set()
    answers = []
    for evidence in ranked:
        answers.append(answer_pool(evidence, evidence.sft_of not in told))
        told.add(evidence.sft_of)
    return answers


def count_branches(evidence: Evidence) -> int:
    """Number of RL curves."""
    return sum(one.branch is not None for one in evidence.candidates)


def answer_pool(evidence: Evidence, with_sft: bool = True) -> PoolAnswer:
    """The answer on one pool.

    Args:
        evidence: what is known of it.
        with_sft: whether to say where to stop SFT; without, it is about RL of one recipe alone.
    """
    facts = {"title": evidence.title, "sft_of": evidence.sft_of, "is_first": with_sft}
    try:
        advice = advise_start(evidence, alone=True)
    except InputError as error:
        finding = Finding(question="Answer", answer=UNKNOWN, evidence=f"{error}.", weak=False)
        return PoolAnswer(**facts, findings=[finding], advice=None)
    chosen = choose_branch(advice)
    # A recipe beside the main one may have a single branch, which compares no starts.
    has_starts = with_sft or sum(one.at_budget is not None for one in advice.branches) > 1
    findings = [
        *(answer_stops(evidence, advice) if with_sft else []),
        *([answer_start(evidence, advice)] if has_starts else []),
        answer_gain(chosen, advice),
        answer_ceiling(chosen),
        *([answer_next_run(evidence, advice, chosen)] if with_sft else []),
    ]
    return PoolAnswer(**facts, findings=findings, advice=advice)


def choose_branch(advice: Advice) -> BranchAdvice:
    """The branch that gain and ceiling are told of: the start, else that of the highest score.

    A start by its label alone has no curve, and another checkpoint may have one.
    """
    measured = [one for one in advice.branches if one.reached is not None]
    named = [one for one in advice.branches if one.name == advice.start]
    if named and (named[0] in measured or not measured):
        return named[0]
    return max(measured or advice.branches, key=lambda one: (rank_score(one), one.reached or 0.0))


def rank_score(one: BranchAdvice) -> float:
    """Median of the score to expect; below any score where there is none."""
    return one.at_budget.median if one.at_budget else -1.0


def answer_stops(evidence: Evidence, advice: Advice) -> list[Finding]:
    """Where to stop SFT of each data set."""
    known = {one.name: one for one in advice.branches}
    runs = group_runs(evidence.candidates)
    return [
        answer_stop(
            "Stop SFT" if len(runs) == 1 else f"Stop SFT on {dataset}",
            judge_loss(run),
            capitalise(f"{describe_loss(run)}."),
            [known[one.name] for one in run],
        )
        for dataset, run in runs.items()
    ]


def answer_stop(
    question: str, course: LossCourse, told: str, branches: Sequence[BranchAdvice]
) -> Finding:
    """Where to stop SFT of one data set: by RL from two of its checkpoints or more, else by loss.

    Args:
        question: what is asked.
        course: where its loss stands.
        told: that in words.
        branches: its checkpoints.
    """
    measured = [one for one in branches if one.at_budget]
    best = max(measured, key=rank_score) if len(measured) > 1 else None
    by_loss = None if course.kind == "unknown" else course.best
    chosen = best or by_loss
    if chosen is None:
        return Finding(question=question, answer=UNKNOWN, evidence=told, weak=False)
    weak, reasons = best is None and course.kind in ("single", "flat"), [told]
    if best and best.at_budget:
        others = [one.at_budget.high for one in measured if one is not best and one.at_budget]
        overlaps = best.at_budget.low <= max(others)
        weak = overlaps
        reasons.append(
            f"RL from {best.name} has the highest score expected of {len(measured)} checkpoints,"
            f" {format_interval(best.at_budget)}{'; intervals overlap' if overlaps else ''}."
        )
        if by_loss and by_loss.name != best.name:
            reasons.append(f"The least validation loss is that of {by_loss.name}.")
    else:
        reasons.append(f"By the loss alone it is {chosen.name}; no two RL curves to compare.")
    answer = f"at step {chosen.sft_step}"
    if course.kind == "falling":
        more = course.next_length - course.last.sft_step
        answer = f"{told[:1].lower()}{told[1:-1]}; next run: {more} more steps"
        weak, reasons = False, reasons[1:]
    return Finding(question=question, answer=answer, evidence=" ".join(reasons), weak=weak)


def answer_start(evidence: Evidence, advice: Advice) -> Finding:
    """Where RL should start, by measured curves where there are two, and what the rule says."""
    question = "Start RL"
    if advice.start is None:
        evidence_told = f"{capitalise(advice.reason)}. {describe_rule(advice)}"
        return Finding(question=question, answer=UNKNOWN, evidence=evidence_told, weak=False)
    best = next(one for one in advice.branches if one.name == advice.start)
    reason = advice.reason
    if len(advice.branches) == 1:
        reason = "the only checkpoint, so nothing is compared"
    reasons = [capitalise(f"{reason}.")]
    if best.chance is not None and best.chance < 1:
        reasons.append(f"It is the best of all with a chance of {best.chance:.0%}.")
    reasons += list_rivals(best, advice.branches)
    if find_falling_losses(evidence):
        reasons.append("Labels are provisional where the loss is still falling.")
    reasons.append(describe_rule(advice))
    weak = best.chance is None or best.chance < SURE or len(advice.branches) == 1
    answer = f"from {best.name}{describe_label(best, advice.branches)}"
    return Finding(question=question, answer=answer, evidence=" ".join(reasons), weak=weak)


def describe_rule(advice: Advice) -> str:
    """Whether the paper's rule names the start, too, or what it names instead."""
    named = list_rule_starts(advice.branches)
    if not named:
        return f"The paper's rule ({RULE}) names none of them."
    if advice.start in named:
        return f"The paper's rule ({RULE}) names it, too."
    return f"The paper's rule ({RULE}) names {', '.join(named)}."


def list_rule_starts(branches: Sequence[BranchAdvice]) -> list[str]:
    """Stable checkpoints, and the first Mild Overfitting one of each data set."""
    named, mild = [], set[str]()
    for one in sorted(branches, key=lambda one: (one.dataset, one.sft_step)):
        first_mild = one.subphase == MILD and one.dataset not in mild
        mild |= {one.dataset} if first_mild else set()
        if one.subphase == STABLE or first_mild:
            named.append(one.name)
    return named


def answer_gain(one: BranchAdvice, advice: Advice) -> Finding:
    """What RL adds to the score of the checkpoint that it starts from."""
    question = "Gain of RL"
    if one.at_budget is None or one.p_sft is None:
        reached = ""
        if one.reached is not None and one.p_sft is not None:
            reached = f" Measured so far: {one.p_sft:.1f} before RL, {one.reached:.1f} at best."
        told = f"RL from {one.name}: {one.lacking_reason or 'no score before RL'}.{reached}"
        return Finding(question=question, answer=UNKNOWN, evidence=told, weak=False)
    ends = (one.at_budget.median, one.at_budget.low, one.at_budget.high)
    gain = make_interval(Expected(*(score - one.p_sft for score in ends)))
    told = (
        f"RL from {one.name}: {one.p_sft:.1f} before it, {format_interval(one.at_budget)} expected"
        f" at {advice.budget:g} {advice.unit} of RL."
    )
    if one.next_unit:
        told += f" The next {advice.step:g} bring {format_interval(one.next_unit, '+')} points."
    loss = describe_rl_loss(one, advice.branches)
    parts = [f"{format_interval(gain, '+')} points at {advice.budget:g} {advice.unit}", loss]
    answer = "; ".join(part for part in parts if part)
    weak = gain.low <= 0 <= gain.high
    return Finding(question=question, answer=answer, evidence=told, weak=weak)


def answer_ceiling(one: BranchAdvice) -> Finding:
    """The score that RL approaches, where the curve identifies it."""
    question, told = "Ceiling", f"RL from {one.name}."
    if one.ceiling:
        answer = f"{format_interval(one.ceiling)} percent, identified"
        return Finding(question=question, answer=answer, evidence=told, weak=False)
    reason = one.ceiling_reason or one.lacking_reason
    return Finding(question=question, answer=f"not identified: {reason}", evidence=told, weak=False)


def answer_next_run(evidence: Evidence, advice: Advice, chosen: BranchAdvice) -> Finding:
    """The next run that is worth making: first what moves labels, then RL; checks go with it."""
    falling = find_falling_losses(evidence)
    own = [falling[chosen.dataset]] if chosen.dataset in falling else []
    runs = [*own, *(one for one in advice.missing if one.cost != 0 and one not in own)]
    checks = [one for one in advice.missing if one.cost == 0]
    told = [f"Without training, to learn {one.what}: {one.run}." for one in checks[:1]]
    if runs:
        cost = "" if runs[0].cost is None else f", {runs[0].cost:.3g} {advice.unit} of RL"
        told = [capitalise(f"{runs[0].why}."), *told]
        answer = f"{runs[0].run}{cost}, to learn {runs[0].what}"
    elif chosen.ceiling is None and chosen.spent and not chosen.has_obstacle("collapsed"):
        more = f"{chosen.spent:.3g} {advice.unit} more"
        answer = f"RL on from {chosen.name}, {more}, to learn its ceiling"
        told = [capitalise(f"{chosen.ceiling_reason or chosen.lacking_reason}."), *told]
    elif checks:
        answer = f"{checks[0].run}, to learn {checks[0].what}"
        told = [capitalise(f"{checks[0].why}.")]
    else:
        answer, told = "none is needed for this choice", ["Nothing is missing."]
    return Finding(question="Next run", answer=answer, evidence=" ".join(told), weak=False)
