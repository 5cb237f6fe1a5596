"""Table 3: the data sets of a study, as CSV, Markdown and LaTeX."""

from pathlib import Path

from retu.core.tables import read_table
from retu.reporting.artefact_files import write_text_table
from retu.reporting.result_tables import build_table_3, format_table_3
from retu.reporting.tidy_files import STATS_COLUMNS
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read dataset_stats.csv, write the table."""
    options = parse_arguments(__doc__, stats=Path, out_csv=Path, out_md=Path, out_tex=Path)
    table = build_table_3(read_table(options.stats, STATS_COLUMNS))
    write_text_table(table, format_table_3(table), "The data sets: means over rows.", options)


if __name__ == "__main__":
    run_main(main)
