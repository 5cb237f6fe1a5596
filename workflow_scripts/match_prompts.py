"""Rule `match_prompts`: RL prompts that have an expert trajectory."""

from pathlib import Path

from retu.data.matched_prompts import match_prompts
from retu.data.text_records import describe_counts
from retu.planning.jobs import MatchJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Write the prompts (without any, those of the experts) with their trajectories."""
    options = parse_arguments(
        __doc__,
        ("prompts",),
        spec=make_spec_reader(MatchJob),
        experts=Path,
        prompts=[Path],
        out=Path,
    )
    job: MatchJob = options.spec
    counts = match_prompts(job, options.experts, options.prompts, options.out)
    print(f"{job.name}: {describe_counts(counts)}")


if __name__ == "__main__":
    run_main(main)
