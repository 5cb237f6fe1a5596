r"""Give every number and headline sentence of the paper a verdict.

    python -m workflow_scripts.claims_ledger --claims-dir claims --curves curves.csv \
        --subphases subphases.csv --fits fits/kit.csv fits/paper.csv fits/robust.csv \
        --draws fits/robust.draws.parquet --settings studies/released/kit_settings.csv \
        --out claims.csv --out-md claims.md

`--settings` may be left out: then tau and LTS share of Table 4 cannot be checked.
"""

from pathlib import Path

from retu.audit.claims.evidence import read_evidence
from retu.audit.claims.judge_claims import judge_claims
from retu.audit.claims.ledger import read_ledger
from retu.audit.claims.ledger_summary import format_claims_summary
from retu.core.atomic_files import write_text
from retu.core.tables import write_csv
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read the ledger and the evidence, write claims.csv and claims.md."""
    paths = ("claims_dir", "curves", "subphases", "draws", "out", "out_md", "settings")
    chosen = parse_arguments(__doc__, ("settings",), fits=[Path], **dict.fromkeys(paths, Path))
    ledger = read_ledger(chosen.claims_dir)
    evidence = read_evidence(
        chosen.curves, chosen.subphases, chosen.fits, chosen.draws, chosen.settings
    )
    table = judge_claims(ledger, evidence)
    write_csv(table, chosen.out)
    write_text(chosen.out_md, format_claims_summary(table))


if __name__ == "__main__":
    run_main(main)
