"""Table 6: RL of a larger model from step 0 on, as CSV, Markdown and LaTeX."""

from pathlib import Path

from retu.reporting.artefact_files import write_text_table
from retu.reporting.scale_tables import build_table_6, format_table_6
from retu.reporting.tidy_files import read_curves, read_fits, read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read fits.csv, curves.csv and subphases.csv, write the table."""
    options = parse_arguments(
        __doc__,
        fits=Path,
        curves=Path,
        subphases=Path,
        model=str,
        order=split_order,
        out_csv=Path,
        out_md=Path,
        out_tex=Path,
    )
    table = build_table_6(
        read_fits(options.fits),
        read_curves(options.curves),
        read_subphases(options.subphases),
        options.model,
        options.order,
    )
    title = f"RL of {options.model}, from its base model (step 0) and from SFT checkpoints."
    write_text_table(table, format_table_6(table), title, options)


if __name__ == "__main__":
    run_main(main)
