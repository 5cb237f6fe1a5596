"""Table 4: the fitted law of every RL branch, as CSV, Markdown and LaTeX."""

from pathlib import Path

from retu.reporting.artefact_files import write_text_table
from retu.reporting.result_tables import build_table_4, format_table_4
from retu.reporting.tidy_files import read_curves, read_fits, split_order
from retu.reporting.token_cuts import add_cuts, describe_cut_answers
from retu.runtime.script import parse_arguments, run_main

TITLE = "The fitted law of every RL branch, scores in percent."


def main() -> None:
    """Read fits.csv and curves.csv, write the table."""
    options = parse_arguments(
        __doc__,
        fits=Path,
        curves=Path,
        order=split_order,
        out_csv=Path,
        out_md=Path,
        out_tex=Path,
    )
    curves = read_curves(options.curves)
    table = add_cuts(build_table_4(read_fits(options.fits), options.order), curves)
    write_text_table(table, format_table_4(table), TITLE, options, describe_cut_answers(curves))


if __name__ == "__main__":
    run_main(main)
