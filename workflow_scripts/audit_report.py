r"""The report of an audit: one self-contained HTML page.

    python -m workflow_scripts.audit_report --study-json study.json --versions versions.json \
        --artefacts-dir artefacts --claims claims.csv --data-quality data_quality.csv \
        --labels-check labels_check.csv --forecast-scores forecast_scores.csv \
        --sensitivity sensitivity.csv --sensitivity-summary sensitivity_summary.csv \
        --caches studies/released/caches.csv --out report.html

The artefact folder holds table_4.csv, table_5.csv, figure_8.csv, figure_3.svg and figure_8.svg.
"""

from pathlib import Path

from workflow_scripts.reporting.audit_page import read_shown, render
from workflow_scripts.reporting.page import STUDY_KEYS, read_json
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import write_text

TABLES = (
    *("claims", "data_quality", "labels_check", "forecast_scores", "sensitivity"),
    *("sensitivity_summary", "caches"),
)


def main() -> None:
    """Read the finished tables and artefacts, write the page."""
    paths = ("study_json", "versions", "artefacts_dir", *TABLES, "out")
    options = arguments(__doc__, **dict.fromkeys(paths, Path))
    shown = read_shown(options.artefacts_dir, {name: getattr(options, name) for name in TABLES})
    page = render(read_json(options.study_json, STUDY_KEYS), shown, read_json(options.versions))
    write_text(options.out, page)


if __name__ == "__main__":
    run(main)
