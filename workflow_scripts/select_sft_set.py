"""Rule `select_sft_set`: draw one SFT set from the pool, by measured win rate where asked."""

from pathlib import Path

import pandas as pd

from retu.core.manifest import write_manifest
from retu.core.tables import read_table
from retu.data.drawn_sets import PLACE, check_drawn, left_out
from retu.data.set_selection import select, win_rates
from retu.data.stored_rows import draw_rows, mean_lengths, read_columns
from retu.data.stored_sets import check_stored, manifest_path
from retu.planning.jobs import SelectJob
from retu.runtime.script import parser, run, specification


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


if __name__ == "__main__":
    run(main)
