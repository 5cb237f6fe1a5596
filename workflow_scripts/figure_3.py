"""Figure 3: SFT curves, RL branches, fitted laws and ceilings, as SVG and PNG."""

from pathlib import Path

from retu.reporting import style
from retu.reporting.figure_branches import draw_branch_figure
from retu.reporting.tidy_files import read_curves, read_fits, read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read the three tidy files, draw the figure."""
    options = parse_arguments(
        __doc__,
        curves=Path,
        fits=Path,
        subphases=Path,
        order=split_order,
        out_svg=Path,
        out_png=Path,
    )
    curves, fits = read_curves(options.curves), read_fits(options.fits)
    with style.use_style():
        figure = draw_branch_figure(curves, fits, read_subphases(options.subphases), options.order)
        style.save_figure(figure, options.out_svg, options.out_png)


if __name__ == "__main__":
    run_main(main)
