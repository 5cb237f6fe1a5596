"""Which printed numbers a training study with the paper's model and data sets can be asked."""

from retu.audit.claims.ledger import Claim

STUDIED_PLACES = frozenset(["Table 1", "Table 5", "Table 6", "Figure 4", "Figure 7", "Figure 8"])
"""The artefacts of which every number has its like in a training study."""
TABLE_4_QUANTITIES = frozenset(["P_sft", "PL_rl", "A_post"])
"""Of table 4 (and figure 3, which draws it) those that another fit of other runs has too."""
WHERE_CHECKED = "snakemake claims --config study=paper judges it on that study's own runs"


def is_asked_of_studies(claim: Claim) -> bool:
    """Whether training studies judge a number on their own runs."""
    if claim.quantity == "statement":
        return False
    if claim.table == "table_4":
        return claim.quantity in TABLE_4_QUANTITIES
    return claim.place in STUDIED_PLACES
