"""Table 4: the fitted law of every RL branch, as CSV and Markdown."""

from pathlib import Path

from workflow_scripts.atomic import write_text
from workflow_scripts.reporting.cuts import add_cuts, describe_cuts
from workflow_scripts.reporting.schema import read_curves, read_fits, split_order
from workflow_scripts.reporting.tables import table_4, table_4_text
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import write_csv


def main() -> None:
    """Read fits.csv and curves.csv, write the table: full digits as CSV, rounded as Markdown."""
    options = arguments(
        __doc__, fits=Path, curves=Path, order=split_order, out_csv=Path, out_md=Path
    )
    curves = read_curves(options.curves)
    table = add_cuts(table_4(read_fits(options.fits), options.order), curves)
    notes = "".join(f"\n{line}\n" for line in describe_cuts(curves))
    write_csv(table, options.out_csv)
    write_text(options.out_md, table_4_text(table).markdown() + notes)


if __name__ == "__main__":
    run(main)
