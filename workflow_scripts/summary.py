"""The summary of a study: a small table of its RL branches and the answer, printed and kept."""

from pathlib import Path

from retu.core.atomic_files import write_text
from retu.reporting.answer_words import read_answer
from retu.reporting.terminal import format_run_summary
from retu.reporting.tidy_files import read_curves, read_fits
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read fits, curves and the answer; print the table, the answer and where the report is."""
    options = parse_arguments(__doc__, fits=Path, curves=Path, answer=Path, report=str, out=Path)
    fits, curves = read_fits(options.fits), read_curves(options.curves)
    text = format_run_summary(fits, options.report, curves, read_answer(options.answer))
    write_text(options.out, text)
    print(text, end="")


if __name__ == "__main__":
    run_main(main)
