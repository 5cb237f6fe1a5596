"""Checks against what was measured: released scores, compute, digitised losses, script flags."""

import numpy as np

from retu.audit.claims.binomial_noise import noise_interval
from retu.audit.claims.check_context import Context, against, branch_of, missing
from retu.audit.claims.claim_verdict import EXACT, OUTSIDE, ROUNDED, Outcome, remeasured
from retu.audit.claims.evidence import as_number
from retu.audit.claims.ledger import Claim

READING_ERROR = 0.001
"""Of a validation loss digitised from Figure 3; the released files have none."""


def measured_score(claim: Claim, context: Context) -> Outcome:
    """P_sft of a checkpoint against the released score."""
    start = context.evidence.starts.get(branch_of(claim))
    return against(claim, start[0], "curves: score at x_rl = 0") if start else missing("no curve")


def measured_compute(claim: Claim, context: Context) -> Outcome:
    """x_sft of a checkpoint against the released compute."""
    start = context.evidence.starts.get(branch_of(claim))
    return against(claim, start[1], "curves: x_sft") if start else missing("no curve")


def last_step(claim: Claim, context: Context) -> Outcome:
    """The last checkpoint of an SFT run."""
    steps = [step for name, step in context.evidence.starts if name == claim.dataset]
    return against(claim, max(steps), "curves: last SFT step") if steps else missing("no curve")


def mean_score(claim: Claim, context: Context) -> Outcome:
    """Average P_sft over the branches of a set."""
    branches = context.averaged(claim.dataset)
    if not branches:
        return missing("no branches")
    ours = float(np.mean([context.evidence.starts[branch][0] for branch in branches]))
    return against(claim, ours, f"curves: mean P_sft of {len(branches)} branches")


def label(claim: Claim, context: Context) -> Outcome:
    """The sub-phase drawn in Figure 3 against Eq. 5-9 on the digitised losses."""
    if claim.sft_step == 0:
        return Outcome(EXACT, claim.value, "definition", note="step 0 precedes every Stable point")
    row = context.evidence.subphases.get(branch_of(claim))
    if row is None:
        return missing("no validation loss")
    ours, minimum = str(row["subphase"]), as_number(row["min_val_loss"])
    nearest = min((as_number(row[f"margin_{edge}"]) for edge in ("stable", "severe")), key=abs)
    # Both losses of the ratio may be misread by READING_ERROR in opposite directions.
    doubt = READING_ERROR * (1 + as_number(row["ratio"])) / minimum
    note = f"{nearest:+.4f} from the nearest threshold of the loss ratio, reading error {doubt:.4f}"
    differs = ROUNDED if abs(nearest) <= doubt else OUTSIDE
    verdict = EXACT if ours == claim.value else differs
    return Outcome(verdict, ours, "subphases: Eq. 5-9 on digitised losses", note=note)


def setting_flag(claim: Claim, context: Context) -> Outcome:
    """tau and LTS share of Table 4 against the flags of the released script."""
    flags = context.evidence.settings.get(branch_of(claim))
    if flags is None:
        return missing("no released script")
    ours = float(flags[claim.quantity])
    difference = ours - float(claim.value)
    if difference == 0:
        return Outcome(EXACT, ours, "released script", difference=difference)
    note = "the released script has another value"
    return Outcome(OUTSIDE, ours, "released script", difference=difference, note=note)


def min_loss(claim: Claim, context: Context) -> Outcome:
    """Minimum validation loss of a set against the digitised losses."""
    losses = [r for b, r in context.evidence.subphases.items() if b[0] == claim.dataset]
    if not losses:
        return missing("no validation loss")
    ours = as_number(losses[0]["min_val_loss"])
    return against(claim, ours, "subphases: minimum of losses digitised from Figure 3")


def sft_by(claim: Claim, context: Context) -> Outcome:
    """An SFT score by some compute, which may be another evaluation than the released one."""
    rows = context.evidence.sft
    rows = rows[(rows["dataset"] == claim.dataset) & (rows["x_sft_eflops"] <= float(claim.of))]
    return (
        other_evaluation(claim, float(rows["score"].iloc[-1])) if len(rows) else missing("no curve")
    )


def sft_peak(claim: Claim, context: Context) -> Outcome:
    """The highest SFT score within a range of compute."""
    low, high = (float(end) for end in claim.of.split())
    rows = context.evidence.sft
    inside = rows[(rows["dataset"] == claim.dataset) & rows["x_sft_eflops"].between(low, high)]
    return (
        other_evaluation(claim, float(inside["score"].max()))
        if len(inside)
        else missing("no curve")
    )


def other_evaluation(claim: Claim, ours: float) -> Outcome:
    """Compare with a score that another evaluation may have given: noise counts."""
    n_problems = claim.counts.n_problems if claim.counts else 1
    ends = noise_interval(ours, n_problems)
    verdict = remeasured(ours, claim.value, *ends)
    difference = ours - float(claim.value)
    return Outcome(verdict, ours, "curves: Pure SFT score", *ends, difference)
