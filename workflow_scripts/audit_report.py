r"""The report of an audit: one self-contained HTML page.

    python -m workflow_scripts.audit_report --study-json study.json --versions versions.json \
        --tables tables/table_4.csv tables/table_5.csv \
        --figures figures/figure_3.svg figures/figure_8.svg --claims claims.csv \
        --data-quality data_quality.csv --labels-check labels_check.csv \
        --forecast-scores forecast_scores.csv --sensitivity sensitivity.csv \
        --sensitivity-summary sensitivity_summary.csv --caches studies/released/caches.csv \
        --curves curves.csv --fits fits/robust.csv --subphases subphases.csv \
        --out report.html

Beside the figures lies figure_8.csv.
"""

from pathlib import Path

from retu.audit.report.audit_page import list_audit_files, read_page_content, render_audit_page
from retu.core.atomic_files import write_text
from retu.reporting.made_by import find_origins, read_versions
from retu.reporting.pages.study_json import STUDY_KEYS, read_json
from retu.runtime.script import parse_arguments, run_main

TABLES = (
    *("claims", "data_quality", "labels_check", "forecast_scores", "sensitivity"),
    *("sensitivity_summary", "caches", "curves", "fits", "subphases"),
)


def main() -> None:
    """Read the finished tables and figures, write the page."""
    paths = dict.fromkeys(("study_json", "versions", *TABLES, "out"), Path)
    options = parse_arguments(__doc__, tables=[Path], figures=[Path], **paths)
    files = {name: getattr(options, name) for name in TABLES}
    folders = options.tables[0].parent, options.figures[0].parent
    shown = read_page_content(*folders, files)
    study = read_json(options.study_json, STUDY_KEYS)
    known = find_origins(study["name"], list_audit_files(*folders, files))
    versions = read_versions(study["name"], read_json(options.versions), options.claims)
    page = render_audit_page(study, shown, versions, known)
    write_text(options.out, page)


if __name__ == "__main__":
    run_main(main)
