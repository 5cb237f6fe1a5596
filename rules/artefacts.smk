"""The paper's tables and figures as targets: `snakemake table_4` makes that one and what it needs."""

from retu.planning.artefact_choice import ARTEFACT_TITLES

for artefact in ARTEFACT_TITLES:

    rule:
        name:
            artefact
        input:
            getattr(rules, f"make_{artefact}").output,
        localrule: True
