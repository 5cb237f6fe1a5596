r"""Benchmarks from the hub as one table of problems.

    python -m workflow_scripts.load_benchmarks --benchmarks gsm8k,math --lock hub.lock.yaml \
        --mirror "" --out benchmarks.parquet

`--benchmarks cleaned` is the authors' set of six. With `--mirror FOLDER` the files are read from
FOLDER/OWNER/NAME and the network is not used. Columns: benchmark, problem_id, prompt, gold,
options; the manifest beside the table says how often each problem is to be answered.
"""

from pathlib import Path

import pandas as pd

from workflow_scripts.data.benchmark_sets import load_benchmark, load_cleaned
from workflow_scripts.data.benchmark_sources import LISTED, read_sources
from workflow_scripts.data.hub import HubPlaces
from workflow_scripts.data.store import write_dataset
from workflow_scripts.script import parser, run

CLEANED = "cleaned"


def main() -> None:
    """Load the benchmarks, write table and manifest, say what is in them."""
    options = parser(__doc__)
    options.add_argument("--benchmarks", required=True, help="names, with commas between them")
    options.add_argument("--sources", type=Path, default=LISTED, help="where benchmarks are")
    options.add_argument("--lock", type=Path, required=True)
    options.add_argument("--mirror", default="", help="folder to read from; empty: the hub")
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    sources = read_sources(given.sources)
    places = HubPlaces(given.lock, Path(given.mirror).expanduser() if given.mirror else None)
    tables: list[pd.DataFrame] = []
    samples: dict[str, int] = {}
    for name in given.benchmarks.split(","):
        if name == CLEANED:
            cleaned = load_cleaned(places, sources)
            tables.append(cleaned.problems)
            samples |= cleaned.samples
        else:
            tables.append(load_benchmark(name, places, sources))
            samples[name] = sources.of(name).samples
    table = pd.concat(tables, ignore_index=True)
    write_dataset(table, given.out, samples=samples)
    for name, count in table["benchmark"].value_counts(sort=False).items():
        print(f"{name}: {count} problems, {samples[str(name)]} answers each")


if __name__ == "__main__":
    run(main)
