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
from retu.runtime.script import arguments, run, specification
from retu.scaling.branch import read_listed
from retu.scaling.fit_tables import CHECKPOINT, draw_table, fit_all, fit_table
from retu.scaling.measured_branches import CURVE_COLUMNS, measured_branches


def main() -> None:
    """Read curves.csv and subphases.csv, write the fits and the draws of one protocol."""
    options = arguments(
        __doc__,
        curves=Path,
        subphases=Path,
        spec=specification(FitJob),
        listed=Path,
        out=Path,
        out_draws=Path,
    )
    curves = read_table(options.curves, CURVE_COLUMNS)
    subphases = read_table(options.subphases, [*CHECKPOINT, "subphase"])
    listed = None if options.listed == Path("none") else read_listed(options.listed)
    try:
        branches = measured_branches(curves)
        fitted = fit_all(branches, options.spec, listed)
        table = fit_table(branches, fitted, subphases, options.spec)
    except InputError as error:
        raise InputError(f"{options.curves}: {error}") from error
    write_parquet(draw_table(branches, fitted), options.out_draws)
    write_csv(table, options.out)


if __name__ == "__main__":
    run(main)
