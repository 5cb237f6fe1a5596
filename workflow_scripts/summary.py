"""The summary of a study: a small table of its RL branches, printed and kept."""

from pathlib import Path

from retu.core.atomic_files import write_text
from retu.reporting.terminal import format_run_summary
from retu.reporting.tidy_files import read_curves, read_fits
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read fits.csv and curves.csv, print the table and where the report is."""
    options = parse_arguments(__doc__, fits=Path, curves=Path, report=str, out=Path)
    text = format_run_summary(read_fits(options.fits), options.report, read_curves(options.curves))
    write_text(options.out, text)
    print(text, end="")


if __name__ == "__main__":
    run_main(main)
