"""The report of a study: one self-contained HTML page."""

from pathlib import Path
from typing import Any

from retu.core.atomic_files import write_text
from retu.reporting.answer_samples import read_samples
from retu.reporting.answer_words import read_answer
from retu.reporting.collapse_histories import read_histories
from retu.reporting.hypotheses_table import read_hypotheses, tabulate_hypotheses
from retu.reporting.made_by import find_origins, read_versions
from retu.reporting.pages.study_page import (
    STUDY_KEYS,
    list_report_files,
    read_artefacts,
    read_json,
    render_report_page,
)
from retu.reporting.tidy_files import read_curves, read_fits, read_subphases
from retu.runtime.script import parse_arguments, run_main

MANY = ("further_tables", "further_figures", "grades", "generations", "hypotheses", "histories")
FILES = ("study_json", "answer", "collapses", "curves", "fits", "subphases", "versions", "out")


def main() -> None:
    """Read the tidy files and the finished tables and figures, write the page."""
    lists: dict[str, Any] = {name: [Path] for name in ("tables", "figures", *MANY)}
    options = parse_arguments(__doc__, MANY, **lists, **dict.fromkeys(FILES, Path))
    study, answer = read_json(options.study_json, STUDY_KEYS), read_answer(options.answer)
    folders = options.tables[0].parent, options.figures[0].parent
    further = options.further_tables, options.further_figures
    files = list_report_files(*folders, options.subphases, options.answer, options.collapses)
    files |= {path.stem: path for paths in (*further, options.hypotheses) for path in paths}
    samples = read_samples(answer, options.grades, options.generations)
    judged = [tabulate_hypotheses(read_hypotheses(path)) for path in options.hypotheses]
    shown = read_artefacts(
        *folders,
        options.collapses,
        *further,
        samples,
        hypotheses=next(iter(judged), None),
        histories=read_histories(options.histories),
    )
    page = render_report_page(
        study,
        answer,
        shown,
        read_curves(options.curves),
        read_fits(options.fits),
        read_subphases(options.subphases),
        read_versions(study["name"], read_json(options.versions), options.curves),
        find_origins(study["name"], files),
    )
    write_text(options.out, page)


if __name__ == "__main__":
    run_main(main)
