"""Rule `decontaminate`: leave out benchmark problems that are too similar to training prompts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from workflow_scripts.data.hub_embed import last_token_embedder
from workflow_scripts.data.rebuild import decontaminated, nearest
from workflow_scripts.data.store import check_stored, read_frame, write_dataset
from workflow_scripts.data.stored_rows import Places, stored_rows
from workflow_scripts.errors import InputError
from workflow_scripts.script import parser, run, specification
from workflow_scripts.study.jobs import DecontaminateJob
from workflow_scripts.tables_io import shorten, write_csv
from workflow_scripts.training.models import configure

SEEN = ["benchmark", "problem_id", "similarity", "set", "row"]


def main() -> None:
    """Write the problems that are kept, and those left out with what they are similar to."""
    options = parser(__doc__)
    options.add_argument("--spec", type=specification(DecontaminateJob), required=True)
    for name in ("embedder", "benchmarks", "out", "left-out"):
        options.add_argument(f"--{name}", type=Path, required=True)
    options.add_argument("--against", type=Path, nargs="+", required=True)
    given = options.parse_args()
    job: DecontaminateJob = given.spec
    problems = read_frame(given.benchmarks, ("benchmark", "problem_id", "prompt"))
    for path in given.against:
        check_stored(path, ("prompt",))
    configure(job.execution, seed=0)
    embed = last_token_embedder(given.embedder, job.execution)
    found = nearest(list(problems["prompt"]), prompts_of(given.against), embed)
    places = located(found["training_row"].to_numpy(), given.against)
    rated = pd.concat([problems, places], axis=1)
    kept, seen = decontaminated(rated, list(found["similarity"]), job.threshold)
    counts = kept_counts(problems, kept)
    write_dataset(
        kept[problems.columns],
        given.out,
        counts=counts,
        threshold=job.threshold,
        left_out=len(seen),
        mean_prompt_tokens=None,
    )
    write_csv(shorten(seen[SEEN], ["similarity"]), given.left_out)
    for name, count in counts.items():
        print(f"{name}: {count} problems kept, {(seen['benchmark'] == name).sum()} left out")


def prompts_of(paths: Sequence[Path]) -> Iterator[str]:
    """The prompts of all training data, one set after the other."""
    for path in paths:
        yield from (str(row["prompt"]) for row in stored_rows(path, ["prompt"]))


def located(rows: Places, paths: Sequence[Path]) -> pd.DataFrame:
    """In which set a row of all training data is, and where in it: `set`, `row`."""
    sizes = [pq.read_metadata(path).num_rows for path in paths]
    ends = np.cumsum(sizes)
    which = np.searchsorted(ends, rows, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    names = [path.stem for path in paths]
    return pd.DataFrame({"set": [names[i] for i in which], "row": rows - starts[which]})


def kept_counts(problems: pd.DataFrame, kept: pd.DataFrame) -> dict[str, int]:
    """Benchmark -> problems that are kept; InputError if a benchmark has none left."""
    counts = {str(name): 0 for name in problems["benchmark"].unique()}
    counts |= {str(name): int(n) for name, n in kept["benchmark"].value_counts().items()}
    empty = [name for name, count in counts.items() if not count]
    if empty:
        raise InputError(
            f"benchmark {empty[0]}: every problem is too similar to a training prompt; leave the"
            " benchmark out of the study, or raise data.decontamination.threshold"
        )
    return counts


if __name__ == "__main__":
    run(main)
