"""The report of a study: one self-contained HTML page."""

from pathlib import Path
from typing import Any

from retu.core.atomic_files import write_text
from retu.reporting.pages.study_content import StudyFiles, read_study_content
from retu.reporting.pages.study_page import render_report_page
from retu.runtime.script import parse_arguments, run_main

MANY = ("further_tables", "further_figures", "grades", "generations", "hypotheses", "histories")
FILES = ("study_json", "answer", "collapses", "curves", "fits", "subphases", "versions", "out")


def main() -> None:
    """Read the tidy files and the finished tables and figures, write the page."""
    lists: dict[str, Any] = {name: [Path] for name in ("tables", "figures", *MANY)}
    options = vars(parse_arguments(__doc__, MANY, **lists, **dict.fromkeys(FILES, Path)))
    out = options.pop("out")
    write_text(out, render_report_page(read_study_content(StudyFiles(**options))))


if __name__ == "__main__":
    run_main(main)
