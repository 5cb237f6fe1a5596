"""What all checks share: ledger, evidence, and how an outcome is put together."""

import math

from retu.audit.claims.claim_verdict import UNCHECKABLE, Outcome, measured
from retu.audit.claims.evidence import Branch, Evidence
from retu.audit.claims.ledger import Claim, Ledger
from retu.audit.claims.recompute import FIGURE_ONLY, Recomputed
from retu.audit.claims.statements import Setting, labels_of

NAN = math.nan
TIER_REASONS = {
    "GPU": "the runs behind it are not released; needs GPU training",
    "lab": "needs a finished lab study",
    "release": "the released files lack it",
    "paper": "a fact of the paper that no other number determines",
}


class Context:
    """Ledger, evidence and what follows from both, for the check functions."""

    def __init__(self, ledger: Ledger, evidence: Evidence, found: list[Recomputed]) -> None:
        """Index the published branches and the recomputed numbers."""
        self.ledger, self.evidence = ledger, evidence
        self.recomputed = {item.claim: item for item in found}
        self.labels = labels_of(ledger)
        fitted = [c for c in ledger.of("PL_rl") if c.check == "fitted" and c.sft_step is not None]
        self.published: list[Branch] = [(c.dataset, c.sft_step or 0) for c in fitted]

    def setting(self, *datasets: str) -> Setting:
        """What the tests of sentences need."""
        return Setting(self.evidence, self.labels, datasets)

    def averaged(self, dataset: str) -> list[Branch]:
        """The branches over which Figure 3 averages."""
        return [
            branch
            for branch in self.evidence.of_dataset(dataset)
            if self.labels.get(branch) != FIGURE_ONLY
        ]


def branch_of(claim: Claim) -> Branch:
    """The branch that a claim is about."""
    return claim.dataset, claim.sft_step or 0


def missing(what: str) -> Outcome:
    """No evidence for this claim."""
    return Outcome(UNCHECKABLE, note=f"{what}; {TIER_REASONS['release']}")


def against(claim: Claim, ours: float, source: str, note: str = "") -> Outcome:
    """Compare with a number of the same measurement."""
    verdict = measured(ours, claim.value)
    return Outcome(verdict, ours, source, difference=ours - float(claim.value), note=note)
