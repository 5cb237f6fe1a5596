"""A verdict for every claim, with the numbers behind it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from retu.audit.claims.check_context import Context, missing
from retu.audit.claims.claim_checks import CHECKS
from retu.audit.claims.claim_verdict import IMPOSSIBLE, INCONSISTENT, Outcome
from retu.audit.claims.consistency import CONTRADICTION, Finding, check_consistency
from retu.audit.claims.evidence import Evidence
from retu.audit.claims.granularity import possible
from retu.audit.claims.ledger import Claim, Ledger
from retu.audit.claims.recompute import recompute
from retu.core.tables import six_digits

COLUMNS = (
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


def judge_all(ledger: Ledger, evidence: Evidence) -> pd.DataFrame:
    """The ledger as a table, one row a claim in file order, columns `COLUMNS`."""
    findings = by_claim(check_consistency(ledger))
    context = Context(ledger, evidence, recompute(ledger))
    rows = [
        row_of(claim, judge(claim, context, findings[claim.id]), ledger.version)
        for claim in ledger.claims.values()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def by_claim(findings: Iterable[Finding]) -> defaultdict[str, list[Finding]]:
    """Findings by the claims that they put in doubt."""
    found: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        for name in finding.claims:
            found[name].append(finding)
    return found


def judge(claim: Claim, context: Context, findings: list[Finding]) -> Outcome:
    """Impossible comes before inconsistent, and both before what the data say.

    What the data say is kept beside such a verdict.
    """
    known = claim.model in ("", context.evidence.model) or claim.check in WITHOUT_CURVES
    outcome = (
        CHECKS[claim.check](claim, context) if known else missing(f"no curve of {claim.model}")
    )
    notes = [*(finding.text for finding in findings), outcome.note, claim.note]
    outcome = replace(outcome, note="; ".join(note for note in notes if note))
    counts = claim.counts
    samples = counts.samples_per_problem if counts else None
    if counts and samples and not possible(claim.value, counts.n_problems, samples):
        text = f"no count of right answers on {counts.n_problems} problems gives it"
        return replace(outcome, verdict=IMPOSSIBLE, note=f"{text}; {outcome.note}")
    if any(finding.kind == CONTRADICTION for finding in findings):
        return replace(outcome, verdict=INCONSISTENT)
    return outcome


def row_of(claim: Claim, outcome: Outcome, version: str) -> dict[str, object]:
    """One row of claims.csv."""
    counts = claim.counts
    chances = {name: outcome.probabilities.get(m) for name, m in PROBABILITIES.items()}
    numbers = {
        "ours": outcome.ours if isinstance(outcome.ours, str) else six_digits(outcome.ours),
        "low": six_digits(outcome.low),
        "high": six_digits(outcome.high),
        "difference": six_digits(outcome.difference),
    }
    return {
        **{"id": claim.id, "place": claim.place, "version": version, "quantity": claim.quantity},
        **{"model": claim.model, "dataset": claim.dataset, "sft_step": text_of(claim.sft_step)},
        **{"unit": claim.unit, "published": claim.value},
        "n_problems": text_of(counts.n_problems if counts else None),
        "n_samples": text_of(counts.n_samples if counts else None),
        **{"tier": claim.tier, "check": claim.check, "verdict": outcome.verdict},
        **{"source": outcome.source, "reproduced": outcome.reproduced},
        **{"note": outcome.note, "sentence": claim.sentence},
        **numbers,
        **chances,
    }


def text_of(value: int | None) -> str:
    """A count, or nothing."""
    return "" if value is None else str(value)
