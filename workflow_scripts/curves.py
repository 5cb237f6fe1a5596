"""Join the graded evaluations of a study into curves.csv: score against compute.

python -m workflow_scripts.curves --study lab --points points.json --out curves.csv
"""

from pathlib import Path

from workflow_scripts.evaluation.curves import curve_table, read_runs
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import write_csv


def main() -> None:
    args = arguments(__doc__, study=str, points=Path, out=Path)
    write_csv(curve_table(args.study, read_runs(args.points)), args.out)


if __name__ == "__main__":
    run(main)
