"""Rule `load_file_benchmarks`: the benchmarks of a user's files as one table of problems."""

from pathlib import Path

import pandas as pd

from retu.data.file_sets import tabulate_file_benchmark
from retu.data.stored_sets import write_dataset
from retu.grading.extraction import find_last_boxes
from retu.planning.jobs import FileBenchmarksJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Store table and manifest, say how many problems each benchmark has."""
    spec = make_spec_reader(FileBenchmarksJob)
    given = parse_arguments(__doc__, ("rows",), spec=spec, rows=[Path], out=Path)
    job: FileBenchmarksJob = given.spec
    files = dict(zip(job.read, given.rows, strict=True))
    tables: list[pd.DataFrame] = []
    for name, rows in job.benchmarks.items():
        table, counts, layout = tabulate_file_benchmark(
            name, rows, files.get(name), find_last_boxes, job.hold_out.get(name)
        )
        print(f"{name}: {len(table)} problems, {layout.describe()}{counts.describe()}")
        tables.append(table)
    # No tokenizer has read them, so their length is not known.
    counted = {name: len(table) for name, table in zip(job.benchmarks, tables, strict=True)}
    write_dataset(
        pd.concat(tables, ignore_index=True), given.out, counts=counted, mean_prompt_tokens=None
    )


if __name__ == "__main__":
    run_main(main)
