"""Rule `compare_graders`: which answers another grader judges differently, and what follows.

The tables of the study, and those by the other grader, lie beside their runs; nothing is graded
here.
"""

from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.run_paths import locate_runs
from retu.core.tables import write_csv
from retu.planning.jobs import CompareJob
from retu.reporting.grader_comparison import render_comparison_page
from retu.reporting.grader_effects import find_effects
from retu.reporting.grader_flips import find_study_flips
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Compare the grades of all runs `--before` and `--after`, and the tables made from them."""
    outputs = dict.fromkeys(("out_flips", "out_effects", "out_page"), Path)
    options = parse_arguments(
        __doc__,
        spec=make_spec_reader(CompareJob),
        generations=[Path],
        before=[Path],
        after=[Path],
        **outputs,
    )
    flips, counts = find_study_flips(options.generations, options.before, options.after)
    (results, runs), (regraded, _) = map(locate_runs, (options.before, options.after))
    changed = find_effects(results, regraded)
    write_csv(flips, options.out_flips)
    write_csv(changed, options.out_effects)
    page = render_comparison_page(options.spec, counts, flips, changed, len(runs))
    write_text(options.out_page, page)


if __name__ == "__main__":
    run_main(main)
