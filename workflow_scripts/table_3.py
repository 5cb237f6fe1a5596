"""Table 3: the data sets of a study, as CSV and Markdown."""

from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.tables import read_table, write_csv
from retu.reporting.result_tables import build_table_3, format_table_3
from retu.reporting.tidy_files import STATS_COLUMNS
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read dataset_stats.csv, write the table twice."""
    options = parse_arguments(__doc__, stats=Path, out_csv=Path, out_md=Path)
    table = build_table_3(read_table(options.stats, STATS_COLUMNS))
    write_csv(table, options.out_csv)
    write_text(options.out_md, format_table_3(table).format_markdown())


if __name__ == "__main__":
    run_main(main)
