"""Ways of checking that need the paper alone or draws, and the list of all (`check`)."""

from collections.abc import Callable

from retu.audit.claims.check_context import TIER_REASONS, ClaimContext
from retu.audit.claims.claim_verdict import (
    ROUNDED,
    UNCHECKABLE,
    Outcome,
    judge_rounding,
    judge_sentence,
)
from retu.audit.claims.evidence import DRAW_MEASURES
from retu.audit.claims.fitted_checks import (
    check_fit_share,
    check_fitted,
    check_fitted_mean,
    check_mean_fit,
    check_offset,
    check_refitted_correlation,
    check_set_ceiling,
    check_validation_rmse,
)
from retu.audit.claims.granularity import find_fewest_samples
from retu.audit.claims.ledger import Claim
from retu.audit.claims.measured_checks import (
    check_compute,
    check_label,
    check_last_step,
    check_mean_score,
    check_min_loss,
    check_score,
    check_setting_flag,
    check_sft_by_compute,
    check_sft_peak,
)
from retu.audit.claims.statements import compute_probability, find_deciding_branches
from retu.audit.claims.studied_numbers import WHERE_CHECKED, is_asked_of_studies
from retu.config.protocols import ROBUST


def check_recomputed(claim: Claim, context: ClaimContext) -> Outcome:
    """A number that other printed numbers determine."""
    item = context.recomputed.get(claim.id)
    if item is None:
        return Outcome(UNCHECKABLE, note=TIER_REASONS["paper"])
    # What exceeds rounding becomes a contradiction in `judge`; here it is within the slack.
    verdict = judge_rounding(item.value, claim.value, claim.decimals) or ROUNDED
    difference = item.value - float(claim.value)
    note = f"rounding of what it follows from allows {item.slack:.2g} either way"
    return Outcome(verdict, item.value, f"paper: {item.how}", difference=difference, note=note)


def explain_unchecked(claim: Claim, context: ClaimContext) -> Outcome:
    """Nothing here decides it; says why, and what the paper's other numbers and counts say."""
    item = context.recomputed.get(claim.id)
    if item is not None and claim.tier == "paper":
        return check_recomputed(claim, context)
    notes = [] if claim.note and claim.tier == "paper" else [TIER_REASONS[claim.tier]]
    if claim.tier == "GPU" and is_asked_of_studies(claim):
        notes.append(WHERE_CHECKED)
    if claim.counts and claim.counts.samples_per_problem is None:
        n_problems = claim.counts.n_problems
        fewest = find_fewest_samples(claim.value, n_problems)
        least = f"{fewest} or more" if fewest else "more than any usual number of"
        notes.append(f"needs {least} samples of each of {n_problems} problems (not stated)")
    if item is not None:
        notes.append(f"{item.how} gives {item.value:.2f}")
    return Outcome(UNCHECKABLE, note="; ".join(notes))


def check_statement(claim: Claim, context: ClaimContext) -> Outcome:
    """A headline sentence: its probability by each measure, the verdict by the ceiling."""
    if claim.test == "none":
        return Outcome(UNCHECKABLE)
    setting = context.make_setting(*claim.datasets)
    chances = {name: compute_probability(claim, setting, name) for name in DRAW_MEASURES}
    deciding = find_deciding_branches(claim, setting)
    known = [branch for branch in deciding if context.evidence.is_identified(branch)]
    verdict = judge_sentence(chances["a_post"], len(known) == len(deciding))
    note = f"{len(known)} of the {len(deciding)} deciding ceilings identified"
    common = context.evidence.get_fit(ROBUST, context.evidence.branches[0], "x_common_eflops")
    source = f"robust draws, equal compute at {common:.3g} EFLOPs of RL"
    return Outcome(verdict, source=source, probabilities=chances, note=note)


def check_correlation(claim: Claim, context: ClaimContext) -> Outcome:
    """A correlation: refitted where the curves are released, else from the printed pairs."""
    return (check_recomputed if claim.tier == "paper" else check_refitted_correlation)(
        claim, context
    )


CLAIM_CHECKS: dict[str, Callable[[Claim, ClaimContext], Outcome]] = {
    "count_epsilon": check_recomputed, "difference": check_recomputed, "epochs": check_recomputed,
    "epsilon": check_offset, "validation_rmse": check_validation_rmse,
    "fit_share": check_fit_share, "fitted": check_fitted, "label": check_label,
    "last_step": check_last_step,
    "mean_fit": check_mean_fit, "mean_fitted": check_fitted_mean, "mean_score": check_mean_score,
    "measured_compute": check_compute, "measured_score": check_score,
    "min_loss": check_min_loss, "none": explain_unchecked, "pearson": check_correlation,
    "set_ceiling": check_set_ceiling,
    "setting": check_setting_flag, "sft_by": check_sft_by_compute, "sft_peak": check_sft_peak,
    "spearman": check_correlation,
    "statement": check_statement,
}  # fmt: skip
