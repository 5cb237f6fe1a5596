"""Figure 8: highest ceiling against minimum validation loss, as SVG, PNG and CSV."""

from pathlib import Path

from retu.core.tables import write_csv
from retu.reporting import style
from retu.reporting.figure_selection import draw, selection_table
from retu.reporting.tidy_files import read_fits, read_subphases, split_order
from retu.runtime.script import arguments, run


def main() -> None:
    """Read fits.csv and subphases.csv, write the figure and the numbers in it."""
    options = arguments(
        __doc__,
        fits=Path,
        subphases=Path,
        order=split_order,
        out_svg=Path,
        out_png=Path,
        out_csv=Path,
    )
    fits, subphases = read_fits(options.fits), read_subphases(options.subphases)
    write_csv(selection_table(fits, subphases, options.order), options.out_csv)
    with style.context():
        style.save(draw(fits, subphases, options.order), options.out_svg, options.out_png)


if __name__ == "__main__":
    run(main)
