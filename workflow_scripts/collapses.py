"""Rule `make_collapses`: what was logged of RL branches that collapsed, as a table and a figure."""

from pathlib import Path

from retu.core.atomic_files import replace_atomically
from retu.core.tables import write_csv
from retu.reporting import style
from retu.reporting.collapse_histories import gather_collapses, read_histories, tabulate_collapses
from retu.reporting.figure_collapses import draw_collapse_figure
from retu.reporting.tidy_files import read_curves, read_fits
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read scores, fits and what training logged; write the table and the figure.

    Only SFT runs may be there: then there is no history.
    """
    options = parse_arguments(
        __doc__, ("histories",), curves=Path, fits=Path, histories=[Path], out=Path, out_svg=Path
    )
    branches = gather_collapses(
        read_curves(options.curves), read_fits(options.fits), read_histories(options.histories)
    )
    write_csv(tabulate_collapses(branches), options.out)
    with style.use_style():
        svg = style.make_svg(draw_collapse_figure(branches))
    replace_atomically(options.out_svg, lambda path: path.write_bytes(svg))


if __name__ == "__main__":
    run_main(main)
