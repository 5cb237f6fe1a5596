r"""Figure 3 of an audit: measured points, published and robust curves, ceilings side by side.

    python -m workflow_scripts.audit_figure_3 --curves curves.csv --fits fits/robust.csv \
        --subphases subphases.csv --table-4 tables/table_4.csv --order S1K,Easy102K \
        --out-svg figure_3.svg --out-pdf figure_3.pdf --out-csv figure_3.csv --out-png figure_3.png

`--fits` are those of the robust protocol; `--table-4` is the audit's own.
"""

from pathlib import Path

from retu.audit.report.branch_table import read_table_4
from retu.audit.report.branches_figure import draw_audit_figure_3
from retu.core.tables import write_csv
from retu.reporting import style
from retu.reporting.branch_points import list_branch_points
from retu.reporting.tidy_files import read_curves, read_fits, read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read curves, fits and the table, write the figure and the points in it."""
    paths = ("curves", "fits", "subphases", "table_4", "out_svg", "out_png", "out_pdf", "out_csv")
    options = parse_arguments(__doc__, **dict.fromkeys(paths, Path), order=split_order)
    curves, fits = read_curves(options.curves), read_fits(options.fits)
    subphases, table = read_subphases(options.subphases), read_table_4(options.table_4)
    write_csv(list_branch_points(curves, subphases, options.order), options.out_csv)
    with style.use_style():
        figure = draw_audit_figure_3(curves, fits, subphases, table, options.order)
        style.save_figure(figure, options)


if __name__ == "__main__":
    run_main(main)
