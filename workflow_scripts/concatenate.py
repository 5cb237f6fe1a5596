"""Rule `subphases`: put the tables of all runs under one another."""

from pathlib import Path

import pandas as pd

from workflow_scripts.script import parser, run
from workflow_scripts.tables_io import read_table, write_csv


def main() -> None:
    """Concatenate `--tables` in the given order; their columns must agree."""
    options = parser(__doc__)
    options.add_argument("--tables", type=Path, nargs="+", required=True)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    first = read_table(given.tables[0])
    rest = [read_table(path, list(first.columns)) for path in given.tables[1:]]
    write_csv(pd.concat([first, *rest], ignore_index=True), given.out)


if __name__ == "__main__":
    run(main)
