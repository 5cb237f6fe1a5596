"""What all checks share: ledger, evidence, and how an outcome is put together."""

import math

from retu.audit.claims.claim_verdict import UNCHECKABLE, Outcome, judge_measured
from retu.audit.claims.evidence import BranchKey, Evidence
from retu.audit.claims.ledger import Claim, Ledger
from retu.audit.claims.recompute import FIGURE_ONLY, RecomputedNumber
from retu.audit.claims.statements import StatementSetting, index_labels

NAN = math.nan
TIER_REASONS = {
    "GPU": "the runs behind it are not released; needs GPU training",
    "lab": "needs a finished lab study",
    "release": "the released files lack it",
    "paper": "a fact of the paper that no other number determines",
}


class ClaimContext:
    """Ledger, evidence and what follows from both, for the check functions."""

    def __init__(self, ledger: Ledger, evidence: Evidence, found: list[RecomputedNumber]) -> None:
        """Index the published branches and the recomputed numbers."""
        self.ledger, self.evidence = ledger, evidence
        self.recomputed = {item.claim: item for item in found}
        self.labels = index_labels(ledger)
        fitted = [
            c
            for c in ledger.select_claims("PL_rl")
            if c.check == "fitted" and c.sft_step is not None
        ]
        self.published: list[BranchKey] = [(c.dataset, c.sft_step or 0) for c in fitted]

    def make_setting(self, *datasets: str) -> StatementSetting:
        """What the tests of sentences need."""
        return StatementSetting(self.evidence, self.labels, datasets)

    def list_averaged_branches(self, dataset: str) -> list[BranchKey]:
        """The branches over which Figure 3 averages."""
        return [
            branch
            for branch in self.evidence.list_branches(dataset)
            if self.labels.get(branch) != FIGURE_ONLY
        ]


def get_branch(claim: Claim) -> BranchKey:
    """The branch that a claim is about."""
    return claim.dataset, claim.sft_step or 0


def make_missing(what: str) -> Outcome:
    """No evidence for this claim."""
    return Outcome(UNCHECKABLE, note=f"{what}; {TIER_REASONS['release']}")


def judge_against(claim: Claim, ours: float, source: str, note: str = "") -> Outcome:
    """Compare with a number of the same measurement."""
    verdict = judge_measured(ours, claim.value)
    return Outcome(verdict, ours, source, difference=ours - float(claim.value), note=note)
