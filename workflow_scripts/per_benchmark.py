"""Every run's scores benchmark by benchmark, as CSV, Markdown and LaTeX."""

from pathlib import Path

from retu.reporting.artefact_files import write_text_table
from retu.reporting.benchmark_table import build_benchmark_table, format_benchmark_table
from retu.reporting.tidy_files import read_benchmark_curves, split_order
from retu.runtime.script import parse_arguments, run_main

TITLE = "Score at the start of every run and at its best evaluation, percent."


def main() -> None:
    """Read curves.csv, write the table."""
    options = parse_arguments(
        __doc__,
        curves=Path,
        order=split_order,
        benchmarks=split_order,
        out_csv=Path,
        out_md=Path,
        out_tex=Path,
    )
    curves = read_benchmark_curves(options.curves)
    table = build_benchmark_table(curves, options.order, options.benchmarks)
    write_text_table(table, format_benchmark_table(table), TITLE, options)


if __name__ == "__main__":
    run_main(main)
