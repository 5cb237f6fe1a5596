r"""The summary of an audit: verdicts, key findings and where the report is, printed and kept.

    python -m workflow_scripts.audit_summary --study released --claims claims.csv \
        --table-4 tables/table_4.csv --figure-8 figures/figure_8.csv --report report.html \
        --out summary.txt
"""

from pathlib import Path

from retu.audit.claims.judge_claims import CLAIM_COLUMNS
from retu.audit.report.branch_table import read_table_4
from retu.audit.report.loss_and_ceiling import CORRELATION_COLUMNS, VALUE_COLUMNS
from retu.audit.report.terminal_text import format_audit_summary
from retu.core.atomic_files import write_text
from retu.core.tables import read_table
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read the finished tables, print the summary."""
    paths = dict.fromkeys(("claims", "table_4", "figure_8", "out"), Path)
    options = parse_arguments(__doc__, study=str, report=str, **paths)
    text = format_audit_summary(
        options.study,
        read_table(options.claims, CLAIM_COLUMNS),
        read_table_4(options.table_4),
        read_table(options.figure_8, (*VALUE_COLUMNS, *CORRELATION_COLUMNS)),
        options.report,
    )
    write_text(options.out, text)
    print(text, end="")


if __name__ == "__main__":
    run_main(main)
