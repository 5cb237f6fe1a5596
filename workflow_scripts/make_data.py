"""Rule `make_data`: draw the lab's data from one seed and store every split."""

from pathlib import Path

from retu.data.lab_splits import EXPERT_SPLITS, SPLITS, make_splits
from retu.data.split_checks import check_chains, check_disjoint
from retu.data.stored_sets import write_dataset
from retu.planning.jobs import DataJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Write every split (`--pool pool.parquet`), its manifest beside it."""
    outputs = dict.fromkeys(SPLITS, Path)
    options = parse_arguments(__doc__, spec=make_spec_reader(DataJob), **outputs)
    job: DataJob = options.spec
    splits = make_splits(job.data, job.benchmarks)
    check_disjoint({name: splits[name] for name in EXPERT_SPLITS})
    check_chains({name: splits[name] for name in EXPERT_SPLITS})
    for name in SPLITS:
        write_dataset(splits[name], getattr(options, name), seed=job.data.seed)
        print(f"{name}: {len(splits[name])} rows")


if __name__ == "__main__":
    run_main(main)
