"""Rule `rebuild_pool`: gather the expert trajectories that SFT sets are drawn from."""

from pathlib import Path

from retu.data.expert_pool import Gathered, gathered, pool_sources
from retu.data.hub.hub_files import places
from retu.data.text_records import Limits, measured, store, summary, token_counts
from retu.planning.jobs import PoolJob
from retu.runtime.script import arguments, run, specification


def main() -> None:
    """Write the pool with its manifest, say what became of the rows of all sources."""
    options = arguments(__doc__, spec=specification(PoolJob), tokenizer=Path, threads=int, out=Path)
    job: PoolJob = options.spec
    left = Gathered()
    records = gathered(pool_sources(job.sources), job.pool.abilities, places(job.lock), left)
    counts = store(
        measured(records, token_counts(options.tokenizer, options.threads)),
        options.out,
        Limits(job.pool.prompt_tokens, job.pool.trajectory_tokens),
        # Its counters are filled while the rows are written, before the manifest is.
        **vars(left),
    )
    print(
        f"{left.read.total()} rows read; {left.other_abilities.total()} of other abilities and"
        f" {left.repeated_prompts.total()} repeated prompts left out"
    )
    print(f"pool: {summary(counts)}")


if __name__ == "__main__":
    run(main)
