"""Figure 7: RL from SFT sets of growing size, as SVG, PNG, PDF and CSV."""

from pathlib import Path

from retu.core.tables import read_table, write_csv
from retu.reporting import published_values as printed_values
from retu.reporting import style, tidy_files
from retu.reporting.figure_scale import build_scale_table, draw_scale_figure
from retu.runtime.script import parse_arguments, run_main

FILES = ("curves", "fits", "subphases", "stats", "out_svg", "out_png", "out_pdf", "out_csv")


def main() -> None:
    """Read the tidy files, the sizes of the sets and what is printed, write the figure and its
    numbers."""
    options = parse_arguments(
        __doc__, printed_values.PUBLISHED_OPTIONS, order=tidy_files.split_order,
        **dict.fromkeys(FILES, Path), **printed_values.PUBLISHED_KINDS,
    )  # fmt: skip
    fits, order = tidy_files.read_fits(options.fits), options.order
    curves, labels = options.curves, tidy_files.read_subphases(options.subphases)
    shown = tidy_files.read_curves(curves), fits, labels
    stats = read_table(options.stats, tidy_files.STATS_COLUMNS)
    source = printed_values.find_published_source(options)
    printed = printed_values.read_published_branches(source)
    table = build_scale_table(fits, stats, order)
    write_csv(printed_values.add_published_ceilings(table, printed), options.out_csv)
    with style.use_style():
        figure = draw_scale_figure(*shown, stats, order, printed, source.label)
        style.save_figure(figure, options)


if __name__ == "__main__":
    run_main(main)
