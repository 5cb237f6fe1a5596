"""Rule `select_sft_set`: draw one SFT set from the pool, by measured win rate where asked."""

from pathlib import Path

import pandas as pd

from retu.core.manifest import write_manifest
from retu.core.tables import read_table
from retu.data.drawn_sets import ROW_INDEX, check_selected_set, exclude_judged_prompts
from retu.data.set_selection import compute_win_rates, select_sft_rows
from retu.data.stored_rows import compute_mean_lengths, read_columns, write_selected_rows
from retu.data.stored_sets import check_stored, get_manifest_path
from retu.planning.jobs import SelectJob
from retu.runtime.script import make_parser, make_spec_reader, run_main


def main() -> None:
    """Write the set and its manifest; it must not share a prompt with what it is judged on."""
    options = make_parser(__doc__)
    options.add_argument("--spec", type=make_spec_reader(SelectJob), required=True)
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
    rates = compute_win_rates(pd.concat(grades)) if grades else None
    pool = read_columns(given.pool, "problem_id")
    pool[ROW_INDEX] = range(len(pool))
    outside = pool if given.overlap == "error" else exclude_judged_prompts(pool, given)
    chosen = select_sft_rows(outside, rates, job.name, job.dataset)
    if given.overlap == "error":
        check_selected_set(chosen, given, job.name)
    added = chosen.drop(columns=["problem_id", ROW_INDEX])
    write_selected_rows(given.pool, chosen[ROW_INDEX].to_numpy(), added, given.out)
    write_manifest(
        get_manifest_path(given.out),
        given.out,
        rows=len(chosen),
        selection=job.dataset.model_dump(),
        seed=job.dataset.seed,
        held_out=len(pool) - len(outside),
        **compute_mean_lengths(given.out),
    )
    rated = f", mean win rate {chosen['win_rate'].mean():.3f}" if "win_rate" in chosen else ""
    print(f"{job.name}: {len(chosen)} rows{rated}")


if __name__ == "__main__":
    run_main(main)
