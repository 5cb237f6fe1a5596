"""Rule `select_sft_set`: draw one SFT set from the pool, by measured win rate where asked."""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from workflow_scripts.data.checks import check_disjoint
from workflow_scripts.data.rebuild import prompt_id
from workflow_scripts.data.select import select, win_rates
from workflow_scripts.data.store import check_stored, manifest_path, read_frame
from workflow_scripts.data.stored_rows import draw_rows, mean_lengths, read_columns
from workflow_scripts.manifest import write_manifest
from workflow_scripts.script import parser, run, specification
from workflow_scripts.study.jobs import SelectJob
from workflow_scripts.tables_io import read_table

PLACE = "place"


def main() -> None:
    """Write the set and its manifest; it must not share a prompt with what it is judged on."""
    options = parser(__doc__)
    options.add_argument("--spec", type=specification(SelectJob), required=True)
    for name in ("pool", "benchmarks", "validation", "out"):
        options.add_argument(f"--{name}", type=Path, required=True)
    options.add_argument("--reference-grades", type=Path, nargs="*", help="graded attempts")
    options.add_argument(
        "--overlap",
        choices=("error", "leave_out"),
        default="error",
        help="what to do about a row of the pool that is a validation or benchmark problem",
    )
    given = options.parse_args()
    job: SelectJob = given.spec
    check_stored(given.pool, ("problem_id", "prompt", "gold", "trajectory"))
    grades = [read_table(path, ("problem_id", "correct")) for path in given.reference_grades]
    rates = win_rates(pd.concat(grades)) if grades else None
    pool = read_columns(given.pool, "problem_id")
    pool[PLACE] = range(len(pool))
    outside = pool if given.overlap == "error" else left_out(pool, given)
    chosen = select(outside, rates, job.name, job.dataset)
    if given.overlap == "error":
        check_drawn(chosen, given, job.name)
    added = chosen.drop(columns=["problem_id", PLACE])
    draw_rows(given.pool, chosen[PLACE].to_numpy(), added, given.out)
    write_manifest(
        manifest_path(given.out),
        given.out,
        rows=len(chosen),
        selection=job.dataset.model_dump(),
        seed=job.dataset.seed,
        held_out=len(pool) - len(outside),
        **mean_lengths(given.out),
    )
    rated = f", mean win rate {chosen['win_rate'].mean():.3f}" if "win_rate" in chosen else ""
    print(f"{job.name}: {len(chosen)} rows{rated}")


def left_out(pool: pd.DataFrame, given: Namespace) -> pd.DataFrame:
    """The pool without what the set is judged on; its ids are hashes of prompts."""
    frames = [read_frame(path, ("prompt",)) for path in (given.benchmarks, given.validation)]
    judged = {prompt_id(prompt) for frame in frames for prompt in frame["prompt"]}
    return pool[~pool["problem_id"].isin(judged)].reset_index(drop=True)


def check_drawn(chosen: pd.DataFrame, given: Namespace, name: str) -> None:
    """InputError if the set shares a prompt with what it is judged on."""
    prompts = read_columns(given.pool, "prompt")
    judged = (given.benchmarks, given.validation)
    frames = {str(path): read_frame(path, ("prompt",)) for path in judged}
    check_disjoint({**frames, f"data set {name}": prompts.iloc[chosen[PLACE]]})


if __name__ == "__main__":
    run(main)
