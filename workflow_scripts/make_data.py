"""Rule `make_data`: draw the lab's data from one seed and store every split."""

from pathlib import Path

from retu.data.lab_splits import make_splits
from retu.data.split_checks import check_disjoint
from retu.data.stored_sets import write_dataset
from retu.planning.jobs import DataJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main

EXPERT_SPLITS = ("benchmarks", "validation", "rl_prompts", "pool", "reference")


def main() -> None:
    """Write SPLIT.parquet and SPLIT.manifest.json for every split into `--out`."""
    options = parse_arguments(__doc__, spec=make_spec_reader(DataJob), out=Path)
    job: DataJob = options.spec
    splits = make_splits(job.data, job.benchmarks)
    check_disjoint({name: splits[name] for name in EXPERT_SPLITS})
    for name, frame in splits.items():
        write_dataset(frame, options.out / f"{name}.parquet", seed=job.data.seed)
        print(f"{name}: {len(frame)} rows")


if __name__ == "__main__":
    run_main(main)
