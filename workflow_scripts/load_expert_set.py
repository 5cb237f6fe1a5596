"""Rules `load_sft_set` and `load_prompts`: a released set in the columns of the workflow."""

from pathlib import Path

from retu.core.run_paths import FIRST_CHECKPOINT
from retu.core.yaml_files import validate_content
from retu.data.expert_sets import ExpertSource, load_expert_set
from retu.data.hub.hub_files import locate_hub
from retu.data.text_records import LengthLimits, describe_counts, make_token_counter
from retu.planning.jobs import ExpertSetJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Load the set, write it with its manifest, say what became of its rows."""
    options = parse_arguments(
        __doc__, spec=make_spec_reader(ExpertSetJob), tokenizer=Path, threads=int, out=Path
    )
    job: ExpertSetJob = options.spec
    counts = load_expert_set(
        validate_content(ExpertSource, job.source, f"source of {job.name}"),
        locate_hub(job.lock),
        options.out,
        make_token_counter(options.tokenizer / FIRST_CHECKPOINT, options.threads),
        LengthLimits(job.prompt_tokens),
    )
    print(f"{job.name}: {describe_counts(counts)}")


if __name__ == "__main__":
    run_main(main)
