"""Figure 8: highest ceiling against minimum validation loss, as SVG, PNG, PDF and CSV."""

from pathlib import Path

from retu.core.tables import write_csv
from retu.reporting import published_values as printed_values
from retu.reporting import style
from retu.reporting.figure_selection import build_selection_table, draw_selection_figure
from retu.reporting.tidy_files import read_fits, read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main

FILES = ("fits", "subphases", "out_svg", "out_png", "out_pdf", "out_csv")


def main() -> None:
    """Read fits.csv, subphases.csv and what is printed, write the figure and the numbers in it."""
    options = parse_arguments(
        __doc__, printed_values.PUBLISHED_OPTIONS, order=split_order,
        **dict.fromkeys(FILES, Path), **printed_values.PUBLISHED_KINDS,
    )  # fmt: skip
    fits, subphases = read_fits(options.fits), read_subphases(options.subphases)
    source = printed_values.find_published_source(options)
    printed = printed_values.read_published_sets(source)
    table = build_selection_table(fits, subphases, options.order)
    write_csv(printed_values.add_published_sets(table, printed), options.out_csv)
    with style.use_style():
        figure = draw_selection_figure(fits, subphases, options.order, printed, source.label)
        style.save_figure(figure, options)


if __name__ == "__main__":
    run_main(main)
