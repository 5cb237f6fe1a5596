r"""Fit the RL law to every branch of a joint curve file by one protocol.

    python -m workflow_scripts.fit_curves --curves curves.csv --subphases subphases.csv \
        --spec '{"name": "robust", "protocol": {}, "fit": {}}' --listed none \
        --out robust.csv --out-draws robust.draws.parquet

One row a branch (study, model, dataset, sft_step, paradigm, recipe, seed); `--listed` is a table of
per-branch settings or `none`. Fitted numbers keep six significant digits, far below evaluation
noise, so that equal inputs give equal bytes. The draws are those of the bootstrap, independent
between branches.
"""

from pathlib import Path

from retu.config.analysis import FitJob
from retu.core.errors import InputError
from retu.core.tables import read_table, write_csv, write_parquet
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.scaling.branch import read_listed_settings
from retu.scaling.fitting.fit_tables import CHECKPOINT, fit_branches, tabulate_draws, tabulate_fits
from retu.scaling.measured_branches import FITTED_CURVE_COLUMNS, extract_branches


def main() -> None:
    """Read curves.csv and subphases.csv, write the fits and the draws of one protocol."""
    options = parse_arguments(
        __doc__,
        curves=Path,
        subphases=Path,
        spec=make_spec_reader(FitJob),
        listed=Path,
        out=Path,
        out_draws=Path,
    )
    curves = read_table(options.curves, FITTED_CURVE_COLUMNS)
    subphases = read_table(options.subphases, [*CHECKPOINT, "subphase"])
    listed = None if options.listed == Path("none") else read_listed_settings(options.listed)
    try:
        branches = extract_branches(curves)
        fitted = fit_branches(branches, options.spec, listed)
        table = tabulate_fits(branches, fitted, subphases, options.spec)
    except InputError as error:
        raise InputError(f"{options.curves}: {error}") from error
    write_parquet(tabulate_draws(branches, fitted), options.out_draws)
    write_csv(table, options.out)


if __name__ == "__main__":
    run_main(main)
