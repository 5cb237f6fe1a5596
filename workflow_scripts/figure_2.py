"""Figure 2: score against total compute for every paradigm, as SVG and PNG."""

from pathlib import Path

from workflow_scripts.reporting import style
from workflow_scripts.reporting.figure_paradigms import draw
from workflow_scripts.reporting.schema import read_curves, read_fits, split_order
from workflow_scripts.script import parser, run


def main() -> None:
    """Read curves.csv and fits.csv, draw the figure."""
    options = parser(__doc__)
    for name in ("curves", "fits", "out-svg", "out-png"):
        options.add_argument(f"--{name}", type=Path, required=True)
    options.add_argument(
        "--order", type=split_order, required=True, help="SFT data sets: D1,D2,..."
    )
    options.add_argument("--highlight", help="data set in full colour (default: the best one)")
    given = options.parse_args()
    curves, fits = read_curves(given.curves), read_fits(given.fits)
    with style.context():
        figure = draw(curves, fits, given.order, given.highlight)
        style.save(figure, given.out_svg, given.out_png)


if __name__ == "__main__":
    run(main)
