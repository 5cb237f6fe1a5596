r"""Look for the published trimmed fits among the fixed points of their own procedure.

    python -m workflow_scripts.fixed_points --curves curves.csv --spec JSON \
        --listed studies/released/paper_settings.csv --table-4 claims/table_4.csv \
        --out fixed_points.csv

One row for each branch that the paper fits by least trimmed squares: how many distinct ends random
starts reach, the one nearest to the published PL_rl, and the best one.
"""

from pathlib import Path

from retu.config.analysis import FitJob
from retu.core.tables import read_facts, read_table, write_csv
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.scaling.branch import read_listed_settings
from retu.scaling.fixed_point_search import search_branches
from retu.scaling.measured_branches import FITTED_CURVE_COLUMNS, extract_branches


def main() -> None:
    """Read the curves and the published values, write fixed_points.csv."""
    options = parse_arguments(
        __doc__, curves=Path, spec=make_spec_reader(FitJob), listed=Path, table_4=Path, out=Path
    )
    branches = extract_branches(read_table(options.curves, FITTED_CURVE_COLUMNS))
    published = read_facts(options.table_4, ["dataset", "sft_step", "pl_rl"])
    table = search_branches(branches, read_listed_settings(options.listed), published, options.spec)
    write_csv(table, options.out)


if __name__ == "__main__":
    run_main(main)
