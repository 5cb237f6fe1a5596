"""Rule `subphases`: put the tables of all runs under one another."""

from pathlib import Path

import pandas as pd

from retu.core.tables import read_table, write_csv
from retu.runtime.script import make_parser, run_main


def main() -> None:
    """Concatenate `--tables` in the given order; their columns must agree."""
    options = make_parser(__doc__)
    options.add_argument("--tables", type=Path, nargs="+", required=True)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    first = read_table(given.tables[0])
    rest = [read_table(path, list(first.columns)) for path in given.tables[1:]]
    write_csv(pd.concat([first, *rest], ignore_index=True), given.out)


if __name__ == "__main__":
    run_main(main)
