"""Rule `import_scores`: outcomes of lm-eval or LightEval as the grades of an imported run."""

from pathlib import Path

from retu.core.tables import write_parquet
from retu.data.stored_sets import read_frame
from retu.evaluation.imported_grades import tabulate_imported_grades
from retu.planning.imported_jobs import ImportScoresJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Read the outcomes of every checkpoint and benchmark, write one row for each."""
    spec = make_spec_reader(ImportScoresJob)
    given = parse_arguments(__doc__, spec=spec, scores=[Path], problems=Path, out=Path)
    problems = read_frame(given.problems, ("benchmark",))
    write_parquet(tabulate_imported_grades(given.scores, given.spec, problems), given.out)


if __name__ == "__main__":
    run_main(main)
