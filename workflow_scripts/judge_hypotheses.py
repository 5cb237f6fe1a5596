"""Rule `judge_hypotheses`: what was registered before the runs, judged over replicates."""

from pathlib import Path

from retu.audit.hypotheses.graded_runs import read_graded_runs
from retu.audit.hypotheses.hypotheses_page import format_hypotheses
from retu.audit.hypotheses.judge_hypotheses import SCORE, describe_sets, judge_hypotheses
from retu.audit.hypotheses.problem_draws import draw_problems
from retu.audit.hypotheses.registered import read_hypotheses
from retu.audit.hypotheses.replicates import gather_replicates, replace_by_ceilings
from retu.core.atomic_files import write_text
from retu.core.tables import read_table, write_csv
from retu.planning.hypotheses_job import HypothesesJob
from retu.reporting import style
from retu.reporting.figure_hypotheses import draw_hypotheses_figure
from retu.reporting.tidy_files import read_fits, read_subphases
from retu.runtime.script import make_spec_reader, parse_arguments, run_main

FILES = ("subphases", "fits", "stats", "registered", "out", "out_replicates", "out_md")
FIGURES = ("out_svg", "out_png", "out_pdf")


def main() -> None:
    """Read what was registered and measured, write the verdicts, the page and the figure."""
    options = parse_arguments(
        __doc__, spec=make_spec_reader(HypothesesJob), grades=[Path],
        **dict.fromkeys((*FILES, *FIGURES), Path),
    )  # fmt: skip
    job, settings = options.spec, options.spec.settings
    graded = read_graded_runs(options.grades, job.out_of_distribution)
    draws = draw_problems(graded[0].problems, settings.average_over)
    subphases = read_subphases(options.subphases)
    replicates = gather_replicates(graded, subphases, draws, settings)
    ceilings = replace_by_ceilings(replicates, read_fits(options.fits))
    notes = describe_sets(read_table(options.stats, ("dataset", "rows", "win_rate")), settings)
    hypotheses = read_hypotheses(options.registered)
    table, detail = judge_hypotheses(hypotheses, replicates, ceilings, settings, notes)
    write_csv(table, options.out)
    write_csv(detail, options.out_replicates)
    write_text(options.out_md, format_hypotheses(table, detail, job.study, settings))
    with style.use_style():
        figure = draw_hypotheses_figure(table, detail[detail["measure"] == SCORE])
        style.save_figure(figure, options)


if __name__ == "__main__":
    run_main(main)
