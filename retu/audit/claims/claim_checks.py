"""Ways of checking that need the paper alone or draws, and the list of all (`check`)."""

from collections.abc import Callable

from retu.audit.claims.check_context import TIER_REASONS, Context
from retu.audit.claims.claim_verdict import ROUNDED, UNCHECKABLE, Outcome, agreement, sentence
from retu.audit.claims.evidence import MEASURES
from retu.audit.claims.fitted_checks import (
    correlation,
    fit_share,
    fitted,
    mean_fit,
    mean_fitted,
    offset,
    set_ceiling,
    validation_rmse,
)
from retu.audit.claims.granularity import fewest_samples
from retu.audit.claims.ledger import Claim
from retu.audit.claims.measured_checks import (
    label,
    last_step,
    mean_score,
    measured_compute,
    measured_score,
    min_loss,
    setting_flag,
    sft_by,
    sft_peak,
)
from retu.audit.claims.statements import concerned, probability
from retu.config.protocols import ROBUST


def from_paper(claim: Claim, context: Context) -> Outcome:
    """A number that other printed numbers determine."""
    item = context.recomputed.get(claim.id)
    if item is None:
        return Outcome(UNCHECKABLE, note=TIER_REASONS["paper"])
    # What exceeds rounding becomes a contradiction in `judge`; here it is within the slack.
    verdict = agreement(item.value, claim.value, claim.decimals) or ROUNDED
    difference = item.value - float(claim.value)
    note = f"rounding of what it follows from allows {item.slack:.2g} either way"
    return Outcome(verdict, item.value, f"paper: {item.how}", difference=difference, note=note)


def unchecked(claim: Claim, context: Context) -> Outcome:
    """Nothing here decides it; says why, and what the paper's other numbers and counts say."""
    item = context.recomputed.get(claim.id)
    if item is not None and claim.tier == "paper":
        return from_paper(claim, context)
    notes = [] if claim.note and claim.tier == "paper" else [TIER_REASONS[claim.tier]]
    if claim.counts and claim.counts.samples_per_problem is None:
        n_problems = claim.counts.n_problems
        fewest = fewest_samples(claim.value, n_problems)
        least = f"{fewest} or more" if fewest else "more than any usual number of"
        notes.append(f"needs {least} samples of each of {n_problems} problems (not stated)")
    if item is not None:
        notes.append(f"{item.how} gives {item.value:.2f}")
    return Outcome(UNCHECKABLE, note="; ".join(notes))


def statement(claim: Claim, context: Context) -> Outcome:
    """A headline sentence: its probability by each measure, the verdict by the ceiling."""
    if claim.test == "none":
        return Outcome(UNCHECKABLE)
    setting = context.setting(*claim.datasets)
    chances = {name: probability(claim, setting, name) for name in MEASURES}
    deciding = concerned(claim, setting)
    known = [branch for branch in deciding if context.evidence.identified(branch)]
    verdict = sentence(chances["a_post"], len(known) == len(deciding))
    note = f"{len(known)} of the {len(deciding)} deciding ceilings identified"
    common = context.evidence.fit(ROBUST, context.evidence.branches[0], "x_common_eflops")
    source = f"robust draws, equal compute at {common:.3g} EFLOPs of RL"
    return Outcome(verdict, source=source, probabilities=chances, note=note)


def correlated(claim: Claim, context: Context) -> Outcome:
    """A correlation: refitted where the curves are released, else from the printed pairs."""
    return (from_paper if claim.tier == "paper" else correlation)(claim, context)


CHECKS: dict[str, Callable[[Claim, Context], Outcome]] = {
    "count_epsilon": from_paper, "difference": from_paper, "epochs": from_paper,
    "epsilon": offset, "validation_rmse": validation_rmse,
    "fit_share": fit_share, "fitted": fitted, "label": label, "last_step": last_step,
    "mean_fit": mean_fit, "mean_fitted": mean_fitted, "mean_score": mean_score,
    "measured_compute": measured_compute, "measured_score": measured_score,
    "min_loss": min_loss, "none": unchecked, "pearson": correlated, "set_ceiling": set_ceiling,
    "setting": setting_flag, "sft_by": sft_by, "sft_peak": sft_peak, "spearman": correlated,
    "statement": statement,
}  # fmt: skip
