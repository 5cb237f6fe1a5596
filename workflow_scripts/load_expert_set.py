"""Rules `load_sft_set` and `load_prompts`: a released set in the columns of the workflow."""

from pathlib import Path

from retu.core.yaml_files import validate
from retu.data.expert_sets import ExpertSource, load_expert_set
from retu.data.hub.hub_files import places
from retu.data.text_records import Limits, summary, token_counts
from retu.planning.jobs import ExpertSetJob
from retu.runtime.script import arguments, run, specification


def main() -> None:
    """Load the set, write it with its manifest, say what became of its rows."""
    options = arguments(
        __doc__, spec=specification(ExpertSetJob), tokenizer=Path, threads=int, out=Path
    )
    job: ExpertSetJob = options.spec
    counts = load_expert_set(
        validate(ExpertSource, job.source, f"source of {job.name}"),
        places(job.lock),
        options.out,
        token_counts(options.tokenizer, options.threads),
        Limits(job.prompt_tokens),
    )
    print(f"{job.name}: {summary(counts)}")


if __name__ == "__main__":
    run(main)
