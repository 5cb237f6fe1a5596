r"""Table 5 of an audit: the indicator over data sets of growing size, as published and refitted.

    python -m workflow_scripts.audit_table_5 --published claims/table_5.csv \
        --fits kit.csv paper.csv robust.csv \
        --draws kit.draws.parquet paper.draws.parquet robust.draws.parquet \
        --subphases subphases.csv --out-csv table_5.csv --out-md table_5.md --out-tex table_5.tex

Data sets are those of the published table, in its order. Those without released curves keep their
published values only; the published column is also correlated without them, to compare like with
like.
"""

from pathlib import Path

from retu.audit.report.compared_values import read_ceilings, read_protocol_fits
from retu.audit.report.loss_and_ceiling import (
    add_released_only,
    build_correlation_table,
    build_value_table,
    tabulate_correlations,
    tabulate_values,
)
from retu.reporting.artefact_files import write_text_tables
from retu.reporting.tidy_files import read_subphases
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read published values, fits and draws, write the table with all digits and for people."""
    files = dict.fromkeys(("published", "subphases", "out_csv", "out_md", "out_tex"), Path)
    chosen = parse_arguments(__doc__, fits=[Path], draws=[Path], **files)
    published = read_ceilings(chosen.published)
    protocols = read_protocol_fits(chosen.fits, chosen.draws)
    # The order is that of the published table: by size of the data set.
    order = [str(name) for name in published["dataset"]]
    table = build_value_table(published, protocols, read_subphases(chosen.subphases), order)
    values = add_released_only(table)
    found = build_correlation_table(values, protocols)
    parts = {
        "Highest ceilings and minimum losses": tabulate_values(values, order),
        "Their correlation": tabulate_correlations(found),
    }
    write_text_tables(values.merge(found, on="column_set"), parts, chosen)


if __name__ == "__main__":
    run_main(main)
