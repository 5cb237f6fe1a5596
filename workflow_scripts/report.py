"""The report of a study: one self-contained HTML page."""

from pathlib import Path

from workflow_scripts.reporting.page import STUDY_KEYS, read_artefacts, read_json, render
from workflow_scripts.reporting.schema import read_curves, read_fits, read_subphases
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import write_text


def main() -> None:
    """Read the tidy files and the finished artefacts, write the page."""
    options = arguments(
        __doc__,
        study_json=Path,
        artefacts_dir=Path,
        curves=Path,
        fits=Path,
        subphases=Path,
        versions=Path,
        out=Path,
    )
    page = render(
        read_json(options.study_json, STUDY_KEYS),
        read_artefacts(options.artefacts_dir),
        read_curves(options.curves),
        read_fits(options.fits),
        read_subphases(options.subphases),
        read_json(options.versions),
    )
    write_text(options.out, page)


if __name__ == "__main__":
    run(main)
