"""Table 4: the fitted law of every RL branch, as CSV and Markdown."""

from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.tables import write_csv
from retu.reporting.result_tables import build_table_4, format_table_4
from retu.reporting.tidy_files import read_curves, read_fits, split_order
from retu.reporting.token_cuts import add_cuts, describe_cut_answers
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read fits.csv and curves.csv, write the table: full digits as CSV, rounded as Markdown."""
    options = parse_arguments(
        __doc__, fits=Path, curves=Path, order=split_order, out_csv=Path, out_md=Path
    )
    curves = read_curves(options.curves)
    table = add_cuts(build_table_4(read_fits(options.fits), options.order), curves)
    notes = "".join(f"\n{line}\n" for line in describe_cut_answers(curves))
    write_csv(table, options.out_csv)
    write_text(options.out_md, format_table_4(table).format_markdown() + notes)


if __name__ == "__main__":
    run_main(main)
