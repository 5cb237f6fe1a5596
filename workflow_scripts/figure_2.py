"""Figure 2: score against total compute for every paradigm, as SVG and PNG, with its table."""

from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.tables import write_csv
from retu.reporting import style
from retu.reporting.figure_paradigms import draw
from retu.reporting.paradigm_table import paradigm_table, paradigm_table_text
from retu.reporting.tidy_files import read_curves, read_fits, split_order
from retu.runtime.script import parser, run


def main() -> None:
    """Read curves.csv and fits.csv, draw the figure, write the table: all digits, and rounded."""
    options = parser(__doc__)
    for name in ("curves", "fits", "out-svg", "out-png", "out-csv", "out-md"):
        options.add_argument(f"--{name}", type=Path, required=True)
    options.add_argument(
        "--order", type=split_order, required=True, help="SFT data sets: D1,D2,..."
    )
    options.add_argument(
        "--highlight",
        help="SFT data set in full colour (default: that of the common checkpoint, else the best)",
    )
    given = options.parse_args()
    curves, fits = read_curves(given.curves), read_fits(given.fits)
    table = paradigm_table(curves, fits, given.order, given.highlight)
    with style.context():
        figure = draw(curves, fits, given.order, given.highlight)
        style.save(figure, given.out_svg, given.out_png)
    write_csv(table, given.out_csv)
    write_text(given.out_md, paradigm_table_text(table).markdown())


if __name__ == "__main__":
    run(main)
