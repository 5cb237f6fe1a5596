"""Findings about the released files as a table and as a page."""

from pathlib import Path

import pandas as pd

from retu.audit.released.curve_quality import (
    FINDING_KINDS,
    QualityFinding,
    ReleasedCurves,
    find_benchmark_drops,
    find_collapses,
    find_duplicate_points,
    find_identical_scores,
    find_missing_evaluations,
)
from retu.audit.released.file_quality import (
    find_benchmark_split,
    find_differing_flags,
    find_granularity,
    find_identical_files,
    find_missing_scripts,
    find_sft_density,
    find_wide_windows,
)
from retu.audit.released.released_files import CacheFile
from retu.core.markdown import make_table


def list_findings(
    curves: ReleasedCurves,
    folder: Path,
    files: list[CacheFile],
    settings: pd.DataFrame,
    table_4: pd.DataFrame,
) -> pd.DataFrame:
    """Every finding as a row, in the order of kinds, data sets and SFT steps."""
    findings: list[QualityFinding] = [
        *find_identical_scores(curves),
        *find_duplicate_points(curves),
        *find_missing_evaluations(curves),
        *find_collapses(curves),
        *find_benchmark_drops(curves),
        *find_identical_files(folder, files),
        *find_missing_scripts(files, settings),
        *find_wide_windows(settings),
        *find_differing_flags(settings, table_4),
        *find_granularity(curves),
        *find_sft_density(curves),
        *find_benchmark_split(curves),
    ]
    kinds, datasets = [*FINDING_KINDS], [file.dataset for file in files]

    def place(finding: QualityFinding) -> tuple[int, int, int]:
        known = finding.dataset in datasets
        dataset = datasets.index(finding.dataset) if known else -1
        return kinds.index(finding.kind), dataset, finding.sft_step or 0

    table = pd.DataFrame([vars(finding) for finding in sorted(findings, key=place)])
    return table.astype({"sft_step": "Int64"})


def render_quality_page(table: pd.DataFrame) -> str:
    """The findings as a Markdown page."""
    counts = [str(int((table["kind"] == kind).sum())) for kind in FINDING_KINDS]
    summary = make_table(
        [
            ("kind", False, [*FINDING_KINDS]),
            ("means", False, [*FINDING_KINDS.values()]),
            ("found", True, counts),
        ]
    )
    text = table.astype({"sft_step": "string"}).fillna("")
    cells = [(name.replace("_", " "), name == "sft_step", [*text[name]]) for name in text.columns]
    parts = ["# Data quality of the released curves", summary.format_markdown()]
    parts += ["Rows are counted from the start of a run, x = 0 being row 0."]
    return "\n\n".join([*parts, make_table(cells).format_markdown()])
