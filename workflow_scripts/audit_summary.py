r"""The summary of an audit: verdicts, key findings and where the report is, printed and kept.

    python -m workflow_scripts.audit_summary --study released --claims claims.csv \
        --table-4 tables/table_4.csv --figure-8 figures/figure_8.csv --report report.html \
        --out summary.txt
"""

from pathlib import Path

from workflow_scripts.atomic import write_text
from workflow_scripts.claims.judge import COLUMNS
from workflow_scripts.reporting.audit_selection import CORRELATION_COLUMNS, VALUE_COLUMNS
from workflow_scripts.reporting.audit_table_4 import read_table_4
from workflow_scripts.reporting.audit_terminal import summary
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import read_table


def main() -> None:
    """Read the finished tables, print the summary."""
    paths = dict.fromkeys(("claims", "table_4", "figure_8", "out"), Path)
    options = arguments(__doc__, study=str, report=str, **paths)
    text = summary(
        options.study,
        read_table(options.claims, COLUMNS),
        read_table_4(options.table_4),
        read_table(options.figure_8, (*VALUE_COLUMNS, *CORRELATION_COLUMNS)),
        options.report,
    )
    write_text(options.out, text)
    print(text, end="")


if __name__ == "__main__":
    run(main)
