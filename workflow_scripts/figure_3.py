"""Figure 3: SFT curves, RL branches, fitted laws and ceilings, as SVG, PNG, PDF and CSV."""

from pathlib import Path

from retu.core.tables import write_csv
from retu.reporting import published_values as printed_values
from retu.reporting import style
from retu.reporting.branch_points import list_branch_points
from retu.reporting.figure_branches import draw_branch_figure
from retu.reporting.tidy_files import read_curves, read_fits, read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main

FILES = ("curves", "fits", "subphases", "out_svg", "out_png", "out_pdf", "out_csv")


def main() -> None:
    """Read the three tidy files and what is printed, write the figure and the points in it."""
    options = parse_arguments(
        __doc__, printed_values.PUBLISHED_OPTIONS, order=split_order,
        **dict.fromkeys(FILES, Path), **printed_values.PUBLISHED_KINDS,
    )  # fmt: skip
    curves, fits = read_curves(options.curves), read_fits(options.fits)
    subphases, order = read_subphases(options.subphases), options.order
    source = printed_values.find_published_source(options)
    printed = printed_values.read_published_branches(source)
    points = list_branch_points(curves, subphases, order)
    write_csv(printed_values.add_published_ceilings(points, printed), options.out_csv)
    with style.use_style():
        figure = draw_branch_figure(curves, fits, subphases, order, printed, source.label)
        style.save_figure(figure, options)


if __name__ == "__main__":
    run_main(main)
