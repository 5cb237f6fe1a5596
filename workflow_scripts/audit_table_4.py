r"""Table 4 of an audit: published, kit, paper protocol and robust side by side.

    python -m workflow_scripts.audit_table_4 --published claims/table_4.csv \
        --fits fits/kit.csv fits/paper.csv fits/robust.csv --fixed-points fixed_points.csv \
        --order S1K,Easy102K --out-csv table_4.csv --out-md table_4.md --out-tex table_4.tex

`--fixed-points none` leaves that column empty.
"""

from pathlib import Path

from retu.audit.report.branch_table import (
    build_audit_table_4,
    tabulate_ceilings,
    tabulate_parameters,
)
from retu.audit.report.compared_values import read_fixed_points, read_protocol_fits, read_published
from retu.reporting.artefact_files import write_text_tables
from retu.reporting.tidy_files import split_order
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read published values and fits, write the table with all digits and for people."""
    files = dict.fromkeys(("published", "fixed_points", "out_csv", "out_md", "out_tex"), Path)
    chosen = parse_arguments(__doc__, fits=[Path], order=split_order, **files)
    table = build_audit_table_4(
        read_published(chosen.published),
        read_protocol_fits(chosen.fits),
        read_fixed_points(chosen.fixed_points),
        chosen.order,
    )
    parts = {
        "Published parameters and the protocols": tabulate_parameters(table),
        "Ceilings, and the scores that the data identify": tabulate_ceilings(table),
    }
    write_text_tables(table, parts, chosen)


if __name__ == "__main__":
    run_main(main)
