"""Rule `answer`: where to stop SFT and start RL, what it brings, and the next run (answer.json)."""

from pathlib import Path

from retu.advice.advice_record import StudyAnswer
from retu.advice.evidence import CURVES_NEEDED, SUBPHASE_COLUMNS, gather_study_evidence
from retu.advice.pool_answer import answer_pools
from retu.core.atomic_files import write_text
from retu.core.run_paths import locate_runs
from retu.core.tables import read_table
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read curves, labels and fits of the study and the grades of its SFT runs; write the answer.

    Grades with several samples a problem say pass@k, which counts where there is no RL.
    """
    options = parse_arguments(
        __doc__, curves=Path, subphases=Path, fits=Path, grades=[Path], out=Path
    )
    results, _ = locate_runs(options.grades)
    curves = read_table(options.curves, CURVES_NEEDED)
    labels = read_table(options.subphases, SUBPHASE_COLUMNS)
    pools = gather_study_evidence(results, curves, labels, read_table(options.fits))
    answer = StudyAnswer(study=str(labels["study"].iloc[0]), pools=answer_pools(pools))
    write_text(options.out, answer.model_dump_json(indent=1) + "\n")


if __name__ == "__main__":
    run_main(main)
