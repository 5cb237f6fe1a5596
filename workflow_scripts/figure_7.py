"""Figure 7: RL from SFT sets of growing size, as SVG, PNG, PDF and CSV."""

from pathlib import Path

from retu.core.tables import read_table, write_csv
from retu.reporting import style
from retu.reporting.figure_scale import build_scale_table, draw_scale_figure
from retu.reporting.tidy_files import (
    STATS_COLUMNS,
    read_curves,
    read_fits,
    read_subphases,
    split_order,
)
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read the tidy files and the sizes of the sets, write the figure and the numbers in it."""
    kinds = dict.fromkeys(("curves", "fits", "subphases", "stats"), Path)
    outputs = {f"out_{kind}": Path for kind in ("svg", "png", "pdf", "csv")}
    options = parse_arguments(__doc__, order=split_order, **kinds, **outputs)
    curves, fits = read_curves(options.curves), read_fits(options.fits)
    stats = read_table(options.stats, STATS_COLUMNS)
    write_csv(build_scale_table(fits, stats, options.order), options.out_csv)
    with style.use_style():
        figure = draw_scale_figure(
            curves, fits, read_subphases(options.subphases), stats, options.order
        )
        style.save_figure(figure, options)


if __name__ == "__main__":
    run_main(main)
