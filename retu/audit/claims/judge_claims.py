"""A verdict for every claim, with the numbers behind it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from retu.audit.claims.check_context import ClaimContext, make_missing
from retu.audit.claims.claim_checks import CLAIM_CHECKS
from retu.audit.claims.claim_verdict import IMPOSSIBLE, INCONSISTENT, Outcome
from retu.audit.claims.consistency import CONTRADICTION, PaperFinding, check_consistency
from retu.audit.claims.evidence import Evidence
from retu.audit.claims.granularity import is_possible_score
from retu.audit.claims.ledger import Claim, Ledger
from retu.audit.claims.recompute import recompute_claims
from retu.core.tables import round_to_six_digits

CLAIM_COLUMNS = (
    *("id", "place", "version", "quantity", "model", "dataset", "sft_step", "unit", "published"),
    *("n_problems", "n_samples", "tier", "check", "verdict", "ours", "source", "low", "high"),
    *("difference", "reproduced", "probability_ceiling", "probability_common"),
    *("probability_best", "note", "sentence"),
)
PROBABILITIES = {
    "probability_ceiling": "a_post",
    "probability_common": "common_score",
    "probability_best": "best_smoothed",
}
WITHOUT_CURVES = (
    "none",
    "difference",
    "epochs",
    "count_epsilon",
    "pearson",
    "spearman",
    "statement",
)


def judge_claims(ledger: Ledger, evidence: Evidence) -> pd.DataFrame:
    """The ledger as a table, one row a claim in file order, columns `COLUMNS`."""
    findings = group_by_claim(check_consistency(ledger))
    context = ClaimContext(ledger, evidence, recompute_claims(ledger))
    rows = [
        make_claim_row(claim, judge_claim(claim, context, findings[claim.id]), ledger.version)
        for claim in ledger.claims.values()
    ]
    return pd.DataFrame(rows, columns=list(CLAIM_COLUMNS))


def group_by_claim(findings: Iterable[PaperFinding]) -> defaultdict[str, list[PaperFinding]]:
    """Findings by the claims that they put in doubt."""
    found: defaultdict[str, list[PaperFinding]] = defaultdict(list)
    for finding in findings:
        for name in finding.claims:
            found[name].append(finding)
    return found


def judge_claim(claim: Claim, context: ClaimContext, findings: list[PaperFinding]) -> Outcome:
    """Impossible comes before inconsistent, and both before what the data say.

    What the data say is kept beside such a verdict.
    """
    known = claim.model in ("", context.evidence.model) or claim.check in WITHOUT_CURVES
    outcome = (
        CLAIM_CHECKS[claim.check](claim, context)
        if known
        else make_missing(f"no curve of {claim.model}")
    )
    notes = [*(finding.text for finding in findings), outcome.note, claim.note]
    outcome = replace(outcome, note="; ".join(note for note in notes if note))
    counts = claim.counts
    samples = counts.samples_per_problem if counts else None
    if counts and samples and not is_possible_score(claim.value, counts.n_problems, samples):
        text = f"no count of right answers on {counts.n_problems} problems gives it"
        return replace(outcome, verdict=IMPOSSIBLE, note=f"{text}; {outcome.note}")
    if any(finding.kind == CONTRADICTION for finding in findings):
        return replace(outcome, verdict=INCONSISTENT)
    return outcome


def make_claim_row(claim: Claim, outcome: Outcome, version: str) -> dict[str, object]:
    """One row of claims.csv."""
    counts = claim.counts
    chances = {name: outcome.probabilities.get(m) for name, m in PROBABILITIES.items()}
    numbers = {
        "ours": outcome.ours
        if isinstance(outcome.ours, str)
        else round_to_six_digits(outcome.ours),
        "low": round_to_six_digits(outcome.low),
        "high": round_to_six_digits(outcome.high),
        "difference": round_to_six_digits(outcome.difference),
    }
    return {
        **{"id": claim.id, "place": claim.place, "version": version, "quantity": claim.quantity},
        **{
            "model": claim.model,
            "dataset": claim.dataset,
            "sft_step": format_optional(claim.sft_step),
        },
        **{"unit": claim.unit, "published": claim.value},
        "n_problems": format_optional(counts.n_problems if counts else None),
        "n_samples": format_optional(counts.n_samples if counts else None),
        **{"tier": claim.tier, "check": claim.check, "verdict": outcome.verdict},
        **{"source": outcome.source, "reproduced": outcome.reproduced},
        **{"note": outcome.note, "sentence": claim.sentence},
        **numbers,
        **chances,
    }


def format_optional(value: int | None) -> str:
    """A count, or nothing."""
    return "" if value is None else str(value)
