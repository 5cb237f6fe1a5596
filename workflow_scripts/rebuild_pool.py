"""Rule `rebuild_pool`: gather the expert trajectories that SFT sets are drawn from."""

from pathlib import Path

from retu.core.run_paths import FIRST_CHECKPOINT
from retu.data.expert_pool import PoolCounts, gather_trajectories, read_pool_sources
from retu.data.hub.hub_files import locate_hub
from retu.data.text_records import (
    LengthLimits,
    describe_counts,
    make_token_counter,
    measure_records,
    store_rows,
)
from retu.planning.jobs import PoolJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Write the pool with its manifest, say what became of the rows of all sources."""
    options = parse_arguments(
        __doc__, spec=make_spec_reader(PoolJob), tokenizer=Path, threads=int, out=Path
    )
    job: PoolJob = options.spec
    count_tokens = make_token_counter(options.tokenizer / FIRST_CHECKPOINT, options.threads)
    left = PoolCounts()
    records = gather_trajectories(
        read_pool_sources(job.sources), job.pool.abilities, locate_hub(job.lock), left
    )
    counts = store_rows(
        measure_records(records, count_tokens),
        options.out,
        LengthLimits(job.pool.prompt_tokens, job.pool.trajectory_tokens),
        # Its counters are filled while the rows are written, before the manifest is.
        **vars(left),
    )
    print(
        f"{left.read.total()} rows read; {left.other_abilities.total()} of other abilities and"
        f" {left.repeated_prompts.total()} repeated prompts left out"
    )
    print(f"pool: {describe_counts(counts)}")


if __name__ == "__main__":
    run_main(main)
