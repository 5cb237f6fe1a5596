"""Table 4: the fitted law of every RL branch, as CSV and Markdown."""

from pathlib import Path

from workflow_scripts.atomic import write_text
from workflow_scripts.reporting.schema import read_fits, split_order
from workflow_scripts.reporting.tables import table_4, table_4_text
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import write_csv


def main() -> None:
    """Read fits.csv, write the table twice: full digits as CSV, rounded as Markdown."""
    options = arguments(__doc__, fits=Path, order=split_order, out_csv=Path, out_md=Path)
    table = table_4(read_fits(options.fits), options.order)
    write_csv(table, options.out_csv)
    write_text(options.out_md, table_4_text(table).markdown())


if __name__ == "__main__":
    run(main)
