"""Table 1: the highest score of every paradigm and SFT set, as CSV, Markdown and LaTeX."""

from pathlib import Path

from retu.reporting.artefact_files import write_text_table
from retu.reporting.best_scores import build_table_1, format_table_1
from retu.reporting.tidy_files import read_curves, read_subphases, split_order
from retu.runtime.script import parse_arguments, run_main

TITLE = "Highest score of every paradigm and SFT set, percent."


def main() -> None:
    """Read curves.csv and subphases.csv, write the table."""
    options = parse_arguments(
        __doc__,
        ("rl_steps",),
        curves=Path,
        subphases=Path,
        order=split_order,
        models=split_order,
        rl_steps=int,
        out_csv=Path,
        out_md=Path,
        out_tex=Path,
    )
    curves, subphases = read_curves(options.curves), read_subphases(options.subphases)
    table = build_table_1(curves, subphases, options.models, options.order, options.rl_steps)
    write_text_table(table, format_table_1(table), TITLE, options)


if __name__ == "__main__":
    run_main(main)
