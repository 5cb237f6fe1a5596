"""An artefact of the paper without released data: its published values and their verdicts."""

from pathlib import Path

from retu.audit.claims.judge_claims import CLAIM_COLUMNS
from retu.audit.report.published_artefact import (
    explain_missing_data,
    name_place,
    read_missing_data,
    select_claims,
    tabulate_claims,
)
from retu.core.tables import read_table
from retu.reporting.artefact_files import write_text_table
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read claims.csv, write the claims of one table or figure."""
    options = parse_arguments(
        __doc__,
        claims=Path,
        unreleased=Path,
        artefact=str,
        out_csv=Path,
        out_md=Path,
        out_tex=Path,
    )
    rows = select_claims(read_table(options.claims, CLAIM_COLUMNS), options.artefact)
    missing = read_missing_data(options.unreleased, options.artefact)
    write_text_table(
        rows,
        tabulate_claims(rows),
        f"{name_place(options.artefact)} of the paper, as published.",
        options,
        [explain_missing_data(options.artefact, missing)],
    )


if __name__ == "__main__":
    run_main(main)
