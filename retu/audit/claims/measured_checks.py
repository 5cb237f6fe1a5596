"""Checks against what was measured: released scores, compute, digitised losses, script flags."""

import math

import numpy as np

from retu.audit.claims.check_context import ClaimContext, get_branch, judge_against, make_missing
from retu.audit.claims.claim_verdict import EXACT, OUTSIDE, ROUNDED, Outcome, judge_remeasured
from retu.audit.claims.evidence import parse_float
from retu.audit.claims.ledger import Claim
from retu.scaling.sampling_noise import Z, compute_binomial_error

READING_ERROR = 0.001
"""Of a validation loss digitised from Figure 3; the released files have none."""


def check_score(claim: Claim, context: ClaimContext) -> Outcome:
    """P_sft of a checkpoint against the released score."""
    start = context.evidence.starts.get(get_branch(claim))
    return (
        judge_against(claim, start[0], "curves: score at x_rl = 0")
        if start
        else make_missing("no curve")
    )


def check_compute(claim: Claim, context: ClaimContext) -> Outcome:
    """x_sft of a checkpoint against the released compute."""
    start = context.evidence.starts.get(get_branch(claim))
    return judge_against(claim, start[1], "curves: x_sft") if start else make_missing("no curve")


def check_last_step(claim: Claim, context: ClaimContext) -> Outcome:
    """The last checkpoint of an SFT run."""
    steps = [step for name, step in context.evidence.starts if name == claim.dataset]
    return (
        judge_against(claim, max(steps), "curves: last SFT step")
        if steps
        else make_missing("no curve")
    )


def check_mean_score(claim: Claim, context: ClaimContext) -> Outcome:
    """Average P_sft over the branches of a set."""
    branches = context.list_averaged_branches(claim.dataset)
    if not branches:
        return make_missing("no branches")
    ours = float(np.mean([context.evidence.starts[branch][0] for branch in branches]))
    return judge_against(claim, ours, f"curves: mean P_sft of {len(branches)} branches")


def check_label(claim: Claim, context: ClaimContext) -> Outcome:
    """The sub-phase drawn in Figure 3 against Eq. 5-9 on the digitised losses."""
    if claim.sft_step == 0:
        return Outcome(EXACT, claim.value, "definition", note="step 0 precedes every Stable point")
    row = context.evidence.subphases.get(get_branch(claim))
    if row is None:
        return make_missing("no validation loss")
    ours, minimum = str(row["subphase"]), parse_float(row["min_val_loss"])
    nearest = min((parse_float(row[f"margin_{edge}"]) for edge in ("stable", "severe")), key=abs)
    # Both losses of the ratio may be misread by READING_ERROR in opposite directions.
    doubt = READING_ERROR * (1 + parse_float(row["ratio"])) / minimum
    note = f"{nearest:+.4f} from the nearest threshold of the loss ratio, reading error {doubt:.4f}"
    differs = ROUNDED if abs(nearest) <= doubt else OUTSIDE
    verdict = EXACT if ours == claim.value else differs
    return Outcome(verdict, ours, "subphases: Eq. 5-9 on digitised losses", note=note)


def check_setting_flag(claim: Claim, context: ClaimContext) -> Outcome:
    """tau and LTS share of Table 4 against the flags of the released script."""
    flags = context.evidence.settings.get(get_branch(claim))
    if flags is None:
        return make_missing("no released script")
    ours = float(flags[claim.quantity])
    difference = ours - float(claim.value)
    if difference == 0:
        return Outcome(EXACT, ours, "released script", difference=difference)
    note = "the released script has another value"
    return Outcome(OUTSIDE, ours, "released script", difference=difference, note=note)


def check_min_loss(claim: Claim, context: ClaimContext) -> Outcome:
    """Minimum validation loss of a set against the digitised losses."""
    losses = [r for b, r in context.evidence.subphases.items() if b[0] == claim.dataset]
    if not losses:
        return make_missing("no validation loss")
    ours = parse_float(losses[0]["min_val_loss"])
    return judge_against(claim, ours, "subphases: minimum of losses digitised from Figure 3")


def check_sft_by_compute(claim: Claim, context: ClaimContext) -> Outcome:
    """An SFT score by some compute, which may be another evaluation than the released one."""
    rows = context.evidence.sft
    rows = rows[(rows["dataset"] == claim.dataset) & (rows["x_sft_eflops"] <= float(claim.of))]
    return (
        judge_other_evaluation(claim, float(rows["score"].iloc[-1]))
        if len(rows)
        else make_missing("no curve")
    )


def check_sft_peak(claim: Claim, context: ClaimContext) -> Outcome:
    """The highest SFT score within a range of compute."""
    low, high = (float(end) for end in claim.of.split())
    rows = context.evidence.sft
    inside = rows[(rows["dataset"] == claim.dataset) & rows["x_sft_eflops"].between(low, high)]
    return (
        judge_other_evaluation(claim, float(inside["score"].max()))
        if len(inside)
        else make_missing("no curve")
    )


def compute_noise_interval(score: float, n_problems: int) -> tuple[float, float]:
    """Where a second measurement of a score falls with probability `LEVEL`, percent.

    Both measurements have the binomial error, hence the factor sqrt(2).
    """
    share = min(max(score / 100.0, 0.0), 1.0)
    width = Z * math.sqrt(2.0) * float(compute_binomial_error(share, n_problems))
    return score - width, score + width


def judge_other_evaluation(claim: Claim, ours: float) -> Outcome:
    """Compare with a score that another evaluation may have given: noise counts."""
    n_problems = claim.counts.n_problems if claim.counts else 1
    ends = compute_noise_interval(ours, n_problems)
    verdict = judge_remeasured(ours, claim.value, *ends)
    difference = ours - float(claim.value)
    return Outcome(verdict, ours, "curves: Pure SFT score", *ends, difference)
