"""Figure 3: SFT curves, RL branches, fitted laws and ceilings, as SVG, PNG, PDF and CSV."""

from pathlib import Path

from retu.core.tables import write_csv
from retu.reporting import style
from retu.reporting.branch_points import list_branch_points
from retu.reporting.figure_branches import draw_branch_figure
from retu.reporting.tidy_files import read_curves, read_fits, read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read the three tidy files, write the figure and the points in it."""
    options = parse_arguments(
        __doc__,
        curves=Path,
        fits=Path,
        subphases=Path,
        order=split_order,
        out_svg=Path,
        out_png=Path,
        out_pdf=Path,
        out_csv=Path,
    )
    curves, fits = read_curves(options.curves), read_fits(options.fits)
    subphases = read_subphases(options.subphases)
    write_csv(list_branch_points(curves, subphases, options.order), options.out_csv)
    with style.use_style():
        figure = draw_branch_figure(curves, fits, subphases, options.order)
        style.save_figure(figure, options)


if __name__ == "__main__":
    run_main(main)
