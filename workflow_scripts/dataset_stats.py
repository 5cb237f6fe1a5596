"""Rule `dataset_stats`: measure sizes, lengths and difficulty of every data set (paper Table 3)."""

from pathlib import Path

import pandas as pd

from retu.core.tables import write_csv
from retu.data.set_selection import describe_selection
from retu.data.set_statistics import describe_dataset
from retu.planning.jobs import StatsJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main

ROLE_BY_SPLIT = {"validation": "validation", "benchmarks": "benchmark"}


def main() -> None:
    """Measure the SFT sets, then the splits that are not trained on by SFT."""
    spec = make_spec_reader(StatsJob)
    given = parse_arguments(__doc__, spec=spec, sets=[Path], splits=[Path], out=Path)
    rows = [
        describe_dataset(path, "sft", describe_selection(given.spec.datasets[path.stem]))
        for path in given.sets
    ]
    rows += [
        describe_dataset(path, ROLE_BY_SPLIT.get(path.stem, "rl"), "") for path in given.splits
    ]
    write_csv(pd.DataFrame(rows), given.out)


if __name__ == "__main__":
    run_main(main)
