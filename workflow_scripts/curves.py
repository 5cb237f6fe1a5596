"""Rule `curves`: scores and compute of every run, in one tidy table (curves.csv)."""

from pathlib import Path

from retu.core.run_paths import locate_runs
from retu.core.tables import write_csv
from retu.evaluation.curve_table import tabulate_curves
from retu.planning.jobs import CurvesJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Read the compute of runs, and grades of these and of what they start from; write the table.

    Grades may lie in another folder than the study's, below it in the same way.
    """
    options = parse_arguments(
        __doc__, spec=make_spec_reader(CurvesJob), grades=[Path], compute=[Path], out=Path
    )
    job: CurvesJob = options.spec
    results, runs = locate_runs(options.compute)
    graded, _ = locate_runs(options.grades)
    curves = tabulate_curves(job.study, results, runs, job.titles, graded, job.out_of_distribution)
    write_csv(curves, options.out)


if __name__ == "__main__":
    run_main(main)
