r"""Table 4 of an audit: published, kit, paper protocol and robust side by side.

    python -m workflow_scripts.audit_table_4 --published claims/table_4.csv \
        --fits fits/kit.csv fits/paper.csv fits/robust.csv --fixed-points fixed_points.csv \
        --order S1K,Easy102K --out-csv table_4.csv --out-md table_4.md

`--fixed-points none` leaves that column empty.
"""

from pathlib import Path

from retu.audit.report.branch_table import identified_text, parameters_text, table_4
from retu.audit.report.compared_values import read_fixed_points, read_protocols, read_published
from retu.core.atomic_files import write_text
from retu.core.tables import write_csv
from retu.reporting.tidy_files import split_order
from retu.runtime.script import parser, run


def main() -> None:
    """Read published values and fits, write the table with all digits and for people."""
    options = parser(__doc__)
    for name in ("--published", "--fixed-points", "--out-csv", "--out-md"):
        options.add_argument(name, type=Path, required=True)
    options.add_argument("--fits", type=Path, nargs="+", required=True)
    options.add_argument("--order", type=split_order, required=True)
    chosen = options.parse_args()
    table = table_4(
        read_published(chosen.published),
        read_protocols(chosen.fits),
        read_fixed_points(chosen.fixed_points),
        chosen.order,
    )
    write_csv(table, chosen.out_csv)
    parts = [
        "## Published parameters and the protocols\n",
        parameters_text(table).markdown(),
        "## Ceilings, and the scores that the data identify\n",
        identified_text(table).markdown(),
    ]
    write_text(chosen.out_md, "\n".join(parts))


if __name__ == "__main__":
    run(main)
