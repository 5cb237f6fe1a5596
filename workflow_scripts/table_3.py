"""Table 3: the data sets of a study, as CSV and Markdown."""

from pathlib import Path

from workflow_scripts.atomic import write_text
from workflow_scripts.reporting.schema import STATS_COLUMNS
from workflow_scripts.reporting.tables import table_3, table_3_text
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import read_table, write_csv


def main() -> None:
    """Read dataset_stats.csv, write the table twice."""
    options = arguments(__doc__, stats=Path, out_csv=Path, out_md=Path)
    table = table_3(read_table(options.stats, STATS_COLUMNS))
    write_csv(table, options.out_csv)
    write_text(options.out_md, table_3_text(table).markdown())


if __name__ == "__main__":
    run(main)
