"""Rule `curves`: scores and compute of every run, in one tidy table (curves.csv)."""

from pathlib import Path

from retu.core.run_paths import parse_run
from retu.core.tables import write_csv
from retu.evaluation.curve_table import tabulate_curves
from retu.planning.jobs import CurvesJob
from retu.runtime.script import make_parser, make_spec_reader, run_main


def main() -> None:
    """Read grades and compute of `--runs` (paths below `--results`) and write the table."""
    options = make_parser(__doc__)
    options.add_argument("--spec", type=make_spec_reader(CurvesJob), required=True)
    options.add_argument("--results", type=Path, required=True, help="folder of the study")
    options.add_argument("--grades", type=Path, help="folder of other grades of the same runs")
    options.add_argument("--runs", type=parse_run, nargs="+", required=True)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    job: CurvesJob = given.spec
    table = tabulate_curves(job.study, given.results, given.runs, job.titles, given.grades)
    write_csv(table, given.out)


if __name__ == "__main__":
    run_main(main)
