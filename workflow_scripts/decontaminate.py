"""Rule `decontaminate`: leave out benchmark problems that are too similar to training prompts."""

from pathlib import Path

from retu.core.run_paths import FIRST_CHECKPOINT
from retu.core.tables import shorten_floats, write_csv
from retu.data.decontamination import count_kept_problems, split_problems
from retu.data.prompt_embedding import make_embedder
from retu.data.stored_sets import read_frame, write_dataset
from retu.models.loading import configure_torch
from retu.planning.jobs import DecontaminateJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main

SEEN = ["benchmark", "problem_id", "similarity", "set", "row"]


def main() -> None:
    """Write the problems that are kept, and those left out with what they are similar to."""
    files = dict.fromkeys(("embedder", "benchmarks", "out", "left_out"), Path)
    spec = make_spec_reader(DecontaminateJob)
    options = parse_arguments(__doc__, spec=spec, against=[Path], **files)
    job: DecontaminateJob = options.spec
    problems = read_frame(options.benchmarks, ("benchmark", "problem_id", "prompt"))
    configure_torch(job.execution, seed=0)
    embed = make_embedder(options.embedder / FIRST_CHECKPOINT, job.execution)
    kept, seen = split_problems(problems, options.against, embed, job.threshold)
    counts = count_kept_problems(problems, kept)
    facts = {"threshold": job.threshold, "left_out": len(seen), "mean_prompt_tokens": None}
    write_dataset(kept[problems.columns], options.out, counts=counts, **facts)
    write_csv(shorten_floats(seen[SEEN], ["similarity"]), options.left_out)
    for name, count in counts.items():
        print(f"{name}: {count} problems kept, {(seen['benchmark'] == name).sum()} left out")


if __name__ == "__main__":
    run_main(main)
