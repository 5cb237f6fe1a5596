"""Figure 4: scores out of distribution against compute, as SVG, PNG, PDF and CSV."""

from pathlib import Path

from retu.core.tables import write_csv
from retu.reporting import style
from retu.reporting.figure_distribution import build_distribution_table, draw_distribution_figure
from retu.reporting.tidy_files import read_benchmark_curves, split_order
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read curves.csv, write the figure and the numbers in it."""
    options = parse_arguments(
        __doc__,
        ("sft_steps",),
        curves=Path,
        benchmarks=split_order,
        model=str,
        dataset=str,
        sft_steps=split_order,
        out_svg=Path,
        out_png=Path,
        out_pdf=Path,
        out_csv=Path,
    )
    curves, steps = read_benchmark_curves(options.curves), [*map(int, options.sft_steps or [])]
    table = build_distribution_table(
        curves, options.benchmarks, options.model, options.dataset, steps
    )
    write_csv(table, options.out_csv)
    with style.use_style():
        style.save_figure(draw_distribution_figure(table), options)


if __name__ == "__main__":
    run_main(main)
