"""Rule `dataset_stats`: measure sizes, lengths and difficulty of every data set (paper Table 3)."""

from pathlib import Path

import pandas as pd

from retu.core.tables import write_csv
from retu.data.set_selection import selection_rule
from retu.data.set_statistics import described
from retu.planning.jobs import StatsJob
from retu.runtime.script import parser, run, specification

ROLES = {"validation": "validation", "benchmarks": "benchmark"}


def main() -> None:
    """Measure the SFT sets, then the splits that are not trained on by SFT."""
    options = parser(__doc__)
    options.add_argument("--spec", type=specification(StatsJob), required=True)
    options.add_argument("--sets", type=Path, nargs="+", required=True)
    options.add_argument("--splits", type=Path, nargs="+", required=True)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    rows = [
        described(path, "sft", selection_rule(given.spec.datasets[path.stem]))
        for path in given.sets
    ]
    rows += [described(path, ROLES.get(path.stem, "rl"), "") for path in given.splits]
    write_csv(pd.DataFrame(rows), given.out)


if __name__ == "__main__":
    run(main)
