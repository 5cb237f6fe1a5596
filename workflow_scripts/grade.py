"""Grade stored generations: one verdict and one reason per sample.

Generation and grading are separate so that a new grader regrades without a GPU.

    python -m workflow_scripts.grade --generations FILE --spec '{}' --out grades.parquet
"""

from pathlib import Path

from retu.core.tables import read_table, write_parquet
from retu.evaluation.scores import check_grades
from retu.grading.grade_tables import grade_table, warn_of_cut_generations
from retu.planning.jobs import GradeJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main

GENERATION_COLUMNS = ("step", "benchmark", "problem_id", "sample", "gold", "generation")


def main() -> None:
    """Grade every stored generation and write one row for each."""
    spec = make_spec_reader(GradeJob)
    args = parse_arguments(__doc__, generations=Path, spec=spec, out=Path)
    job: GradeJob = args.spec
    source = str(args.generations)
    generations = read_table(args.generations, GENERATION_COLUMNS)
    table = grade_table(generations, job.grader, source, job.own)
    check_grades(table, source)
    write_parquet(table, args.out)
    if line := warn_of_cut_generations(table, source):
        print(line)


if __name__ == "__main__":
    run_main(main)
