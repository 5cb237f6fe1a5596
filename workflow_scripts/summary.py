"""The summary of a study: a small table of its RL branches, printed and kept."""

from pathlib import Path

from retu.core.atomic_files import write_text
from retu.reporting.terminal import summary
from retu.reporting.tidy_files import read_curves, read_fits
from retu.runtime.script import arguments, run


def main() -> None:
    """Read fits.csv and curves.csv, print the table and where the report is."""
    options = arguments(__doc__, fits=Path, curves=Path, report=str, out=Path)
    text = summary(read_fits(options.fits), options.report, read_curves(options.curves))
    write_text(options.out, text)
    print(text, end="")


if __name__ == "__main__":
    run(main)
