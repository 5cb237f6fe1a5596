"""Figure 4: scores out of distribution against compute, as SVG, PNG, PDF and CSV."""

from pathlib import Path

from retu.core.tables import write_csv
from retu.reporting import figure_distribution as figure_4
from retu.reporting import published_values as printed_values
from retu.reporting import style
from retu.reporting.tidy_files import read_benchmark_curves, split_order
from retu.runtime.script import parse_arguments, run_main

FILES = ("curves", "out_svg", "out_png", "out_pdf", "out_csv")


def main() -> None:
    """Read curves.csv and what is printed, write the figure and the numbers in it."""
    options = parse_arguments(
        __doc__, ("sft_steps", *printed_values.PUBLISHED_OPTIONS),
        benchmarks=split_order, model=str, dataset=str, sft_steps=split_order,
        **dict.fromkeys(FILES, Path), **printed_values.PUBLISHED_KINDS,
    )  # fmt: skip
    curves, steps = read_benchmark_curves(options.curves), [*map(int, options.sft_steps or [])]
    run = options.model, options.dataset
    table = figure_4.build_distribution_table(curves, options.benchmarks, *run, steps)
    source = printed_values.find_published_source(options)
    printed = printed_values.read_published_scores(source)
    table = figure_4.add_published_scores(table, printed, *run)
    write_csv(table, options.out_csv)
    with style.use_style():
        style.save_figure(figure_4.draw_distribution_figure(table, source.label), options)


if __name__ == "__main__":
    run_main(main)
