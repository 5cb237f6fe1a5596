"""Rule `dataset_stats`: measure sizes, lengths and difficulty of every data set (paper Table 3)."""

from pathlib import Path

import pandas as pd

from retu.core.tables import write_csv
from retu.data.set_selection import describe_selection
from retu.data.set_statistics import describe_dataset
from retu.planning.jobs import StatsJob
from retu.runtime.script import make_parser, make_spec_reader, run_main

ROLE_BY_SPLIT = {"validation": "validation", "benchmarks": "benchmark"}


def main() -> None:
    """Measure the SFT sets, then the splits that are not trained on by SFT."""
    options = make_parser(__doc__)
    options.add_argument("--spec", type=make_spec_reader(StatsJob), required=True)
    options.add_argument("--sets", type=Path, nargs="+", required=True)
    options.add_argument("--splits", type=Path, nargs="+", required=True)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
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
