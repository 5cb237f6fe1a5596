"""Rule `compare_graders`: which answers another grader judges differently, and what follows.

Both folders hold the grades of all runs and the tables made from them; nothing is graded here.
"""

from pathlib import Path

import pandas as pd

from retu.core.atomic_files import write_text
from retu.core.run_paths import parse_run
from retu.core.tables import read_table, write_csv
from retu.evaluation.scores import GRADE_COLUMNS
from retu.planning.jobs import CompareJob
from retu.reporting.grader_comparison import render_comparison_page
from retu.reporting.grader_effects import find_effects
from retu.reporting.grader_flips import SAMPLE, count_flips, find_flips
from retu.runtime.script import make_parser, make_spec_reader, run_main

ANSWER_COLUMNS = (*SAMPLE, "gold", "generation")


def main() -> None:
    """Compare `--runs` (paths below `--results`) with the grades and tables in `--regraded`."""
    options = make_parser(__doc__)
    options.add_argument("--spec", type=make_spec_reader(CompareJob), required=True)
    options.add_argument("--results", type=Path, required=True, help="folder of the study")
    options.add_argument("--regraded", type=Path, required=True, help="folder of the other grader")
    options.add_argument("--runs", type=parse_run, nargs="+", required=True)
    for name in ("flips", "effects", "page"):
        options.add_argument(f"--out-{name}", type=Path, required=True)
    given = options.parse_args()
    parts, answers = [], []
    for path in (found.path for found in given.runs):
        generations = read_table(given.results / path / "generations.parquet", ANSWER_COLUMNS)
        before, after = (
            read_table(folder / path / "grades.parquet", GRADE_COLUMNS)
            for folder in (given.results, given.regraded)
        )
        parts.append(find_flips(generations, before, after, path))
        answers.append(generations["benchmark"].value_counts())
    flips = pd.concat(parts, ignore_index=True)
    counted = count_flips(pd.concat(answers).groupby(level=0).sum(), flips)
    changed = find_effects(given.results, given.regraded)
    write_csv(flips, given.out_flips)
    write_csv(changed, given.out_effects)
    write_text(
        given.out_page, render_comparison_page(given.spec, counted, flips, changed, len(given.runs))
    )


if __name__ == "__main__":
    run_main(main)
