"""Rule `subphases`: put the tables of all runs under one another."""

from pathlib import Path

import pandas as pd

from retu.core.tables import read_table, write_csv
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Concatenate `--tables` in the given order; their columns must agree."""
    given = parse_arguments(__doc__, tables=[Path], out=Path)
    first = read_table(given.tables[0])
    rest = [read_table(path, list(first.columns)) for path in given.tables[1:]]
    write_csv(pd.concat([first, *rest], ignore_index=True), given.out)


if __name__ == "__main__":
    run_main(main)
