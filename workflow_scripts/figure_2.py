"""Figure 2: score against total compute for every paradigm, as SVG, PNG and PDF, with its table."""

from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.tables import write_csv
from retu.reporting import style
from retu.reporting.figure_paradigms import draw_paradigm_figure
from retu.reporting.paradigm_table import build_paradigm_table, tabulate_paradigms
from retu.reporting.tidy_files import read_curves, read_fits, split_order
from retu.runtime.script import make_parser, run_main


def main() -> None:
    """Read curves.csv and fits.csv, draw the figure, write the table: all digits, and rounded."""
    options = make_parser(__doc__)
    for name in ("curves", "fits", "out-svg", "out-png", "out-pdf", "out-csv", "out-md"):
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
    table = build_paradigm_table(curves, fits, given.order, given.highlight)
    with style.use_style():
        figure = draw_paradigm_figure(curves, fits, given.order, given.highlight)
        style.save_figure(figure, given)
    write_csv(table, given.out_csv)
    write_text(given.out_md, tabulate_paradigms(table).format_markdown())


if __name__ == "__main__":
    run_main(main)
