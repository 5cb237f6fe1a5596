"""Figure 8: highest ceiling against minimum validation loss, as SVG, PNG, PDF and CSV."""

from pathlib import Path

from retu.core.tables import write_csv
from retu.reporting import style
from retu.reporting.figure_selection import build_selection_table, draw_selection_figure
from retu.reporting.tidy_files import read_fits, read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read fits.csv and subphases.csv, write the figure and the numbers in it."""
    options = parse_arguments(
        __doc__,
        fits=Path,
        subphases=Path,
        order=split_order,
        out_svg=Path,
        out_png=Path,
        out_pdf=Path,
        out_csv=Path,
    )
    fits, subphases = read_fits(options.fits), read_subphases(options.subphases)
    write_csv(build_selection_table(fits, subphases, options.order), options.out_csv)
    with style.use_style():
        style.save_figure(draw_selection_figure(fits, subphases, options.order), options)


if __name__ == "__main__":
    run_main(main)
