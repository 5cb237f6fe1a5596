"""Rule `decontaminate`: leave out benchmark problems that are too similar to training prompts."""

from pathlib import Path

import pandas as pd

from retu.core.tables import shorten_floats, write_csv
from retu.data.decontamination import count_kept_problems, locate_rows, read_prompts
from retu.data.prompt_embedding import make_embedder
from retu.data.set_rules import find_nearest_prompts, split_by_similarity
from retu.data.stored_sets import check_stored, read_frame, write_dataset
from retu.models.loading import configure_torch
from retu.planning.jobs import DecontaminateJob
from retu.runtime.script import make_parser, make_spec_reader, run_main

SEEN = ["benchmark", "problem_id", "similarity", "set", "row"]


def main() -> None:
    """Write the problems that are kept, and those left out with what they are similar to."""
    options = make_parser(__doc__)
    options.add_argument("--spec", type=make_spec_reader(DecontaminateJob), required=True)
    for name in ("embedder", "benchmarks", "out", "left-out"):
        options.add_argument(f"--{name}", type=Path, required=True)
    options.add_argument("--against", type=Path, nargs="+", required=True)
    given = options.parse_args()
    job: DecontaminateJob = given.spec
    problems = read_frame(given.benchmarks, ("benchmark", "problem_id", "prompt"))
    for path in given.against:
        check_stored(path, ("prompt",))
    configure_torch(job.execution, seed=0)
    embed = make_embedder(given.embedder, job.execution)
    found = find_nearest_prompts(list(problems["prompt"]), read_prompts(given.against), embed)
    places = locate_rows(found["training_row"].to_numpy(), given.against)
    rated = pd.concat([problems, places], axis=1)
    kept, seen = split_by_similarity(rated, list(found["similarity"]), job.threshold)
    counts = count_kept_problems(problems, kept)
    write_dataset(
        kept[problems.columns],
        given.out,
        counts=counts,
        threshold=job.threshold,
        left_out=len(seen),
        mean_prompt_tokens=None,
    )
    write_csv(shorten_floats(seen[SEEN], ["similarity"]), given.left_out)
    for name, count in counts.items():
        print(f"{name}: {count} problems kept, {(seen['benchmark'] == name).sum()} left out")


if __name__ == "__main__":
    run_main(main)
