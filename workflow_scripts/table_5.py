"""Table 5: ceilings and minimum losses over sets of growing size, as CSV, Markdown and LaTeX."""

from pathlib import Path

from retu.core.tables import read_table
from retu.reporting.artefact_files import write_text_table
from retu.reporting.scale_tables import build_table_5, describe_scale_correlations, format_table_5
from retu.reporting.tidy_files import STATS_COLUMNS, read_fits, read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main

TITLE = "Highest ceiling and minimum validation loss over SFT sets of growing size."


def main() -> None:
    """Read fits.csv, subphases.csv and dataset_stats.csv, write the table."""
    options = parse_arguments(
        __doc__,
        fits=Path,
        subphases=Path,
        stats=Path,
        order=split_order,
        out_csv=Path,
        out_md=Path,
        out_tex=Path,
    )
    stats = read_table(options.stats, STATS_COLUMNS)
    table = build_table_5(
        read_fits(options.fits), read_subphases(options.subphases), stats, options.order
    )
    notes = describe_scale_correlations(table)
    write_text_table(table, format_table_5(table), TITLE, options, notes)


if __name__ == "__main__":
    run_main(main)
