"""The report of a study: one self-contained HTML page."""

from pathlib import Path

from retu.core.atomic_files import write_text
from retu.reporting.answer_words import arrange_answers, read_answer
from retu.reporting.made_by import find_origins, find_unlocked_versions
from retu.reporting.page import (
    STUDY_KEYS,
    list_report_files,
    read_artefacts,
    read_json,
    render_report_page,
)
from retu.reporting.tidy_files import read_curves, read_fits, read_subphases
from retu.runtime.script import parse_arguments, run_main


def main() -> None:
    """Read the tidy files and the finished tables and figures, write the page."""
    options = parse_arguments(
        __doc__,
        ("further_tables", "further_figures"),
        study_json=Path,
        answer=Path,
        tables=[Path],
        figures=[Path],
        collapses=Path,
        further_tables=[Path],
        further_figures=[Path],
        curves=Path,
        fits=Path,
        subphases=Path,
        versions=Path,
        out=Path,
    )
    study = read_json(options.study_json, STUDY_KEYS)
    folders = options.tables[0].parent, options.figures[0].parent
    further = options.further_tables, options.further_figures
    files = list_report_files(*folders, options.subphases, options.answer, options.collapses)
    files |= {path.stem: path for paths in further for path in paths}
    page = render_report_page(
        study,
        arrange_answers(read_answer(options.answer)),
        read_artefacts(*folders, options.collapses, *further),
        read_curves(options.curves),
        read_fits(options.fits),
        read_subphases(options.subphases),
        read_json(options.versions) | find_unlocked_versions(study["name"]),
        find_origins(study["name"], files),
    )
    write_text(options.out, page)


if __name__ == "__main__":
    run_main(main)
