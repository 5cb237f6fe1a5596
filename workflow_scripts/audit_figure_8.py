r"""Figure 8 of an audit: highest ceiling against minimum loss, for six column sets.

    python -m workflow_scripts.audit_figure_8 --published claims/figure_8.csv \
        --fits kit.csv paper.csv robust.csv \
        --draws kit.draws.parquet paper.draws.parquet robust.draws.parquet \
        --subphases subphases.csv --sensitivity sensitivity_recipes.csv --order S1K,Easy102K \
        --out-svg figure_8.svg --out-pdf figure_8.pdf --out-png figure_8.png --out-csv figure_8.csv

The CSV has one row a column set and data set, correlations repeated. `--sensitivity none` leaves
out the correlations without single benchmarks.
"""

from pathlib import Path

import numpy as np

from retu.audit.report.compared_values import (
    NOT_GIVEN,
    ROBUST,
    read_ceilings,
    read_protocol_fits,
)
from retu.audit.report.loss_and_ceiling import (
    build_correlation_table,
    build_value_table,
    correlate_without_benchmarks,
)
from retu.audit.report.selection_figure import draw_audit_figure_8
from retu.core.tables import read_table, write_csv
from retu.reporting import style
from retu.reporting.fit_sensitivity import RECIPE_COLUMNS
from retu.reporting.tidy_files import read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read published values, fits and draws, write the figure and the numbers in it."""
    paths = ("published", "subphases", "sensitivity", "out_svg", "out_png", "out_pdf", "out_csv")
    files = dict.fromkeys(paths, Path)
    chosen = parse_arguments(__doc__, fits=[Path], draws=[Path], order=split_order, **files)
    protocols = read_protocol_fits(chosen.fits, chosen.draws)
    published, subphases = read_ceilings(chosen.published), read_subphases(chosen.subphases)
    values = build_value_table(published, protocols, subphases, chosen.order)
    found = build_correlation_table(values, protocols)
    if chosen.sensitivity != NOT_GIVEN:
        without = correlate_without_benchmarks(read_table(chosen.sensitivity, RECIPE_COLUMNS))
        found = found.join(without, on="column_set")
    write_csv(values.merge(found, on="column_set"), chosen.out_csv)
    x_common = float(np.nanmin(protocols[ROBUST].fits["x_common_eflops"]))
    with style.use_style():
        style.save_figure(draw_audit_figure_8(values, found, x_common), chosen)


if __name__ == "__main__":
    run_main(main)
