r"""Rule `curves` of a released study: the authors' result files as curves.csv.

    python -m workflow_scripts.import_curves --caches-dir data/released/caches \
        --caches studies/released/caches.csv --spec JSON --out results/released/curves.csv

The spec names study, model, recipe and seed, and says how many RL steps lie between two
evaluations and how many problems and samples each benchmark has.
"""

from pathlib import Path

from retu.audit.released.released_curves import build_released_curves
from retu.audit.released.released_files import read_caches
from retu.core.tables import write_csv
from retu.planning.jobs import ImportJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Read every listed file, write the joint table."""
    options = parse_arguments(
        __doc__, caches_dir=Path, caches=Path, spec=make_spec_reader(ImportJob), out=Path
    )
    files = read_caches(options.caches)
    write_csv(build_released_curves(options.caches_dir, files, options.spec), options.out)


if __name__ == "__main__":
    run_main(main)
