"""Findings about the released files as a table and as a page."""

from pathlib import Path

import pandas as pd

from retu.audit.released.curve_quality import (
    KINDS,
    Curves,
    Finding,
    benchmark_drops,
    collapses,
    duplicate_points,
    identical_scores,
    missing_evaluations,
)
from retu.audit.released.file_quality import (
    benchmark_split,
    flags_differ,
    granularity,
    identical_files,
    no_script,
    sft_density,
    windows_beyond_data,
)
from retu.audit.released.released_files import CacheFile
from retu.core.markdown import make_table


def find(
    curves: Curves,
    folder: Path,
    files: list[CacheFile],
    settings: pd.DataFrame,
    table_4: pd.DataFrame,
) -> pd.DataFrame:
    """Every finding as a row, in the order of kinds, data sets and SFT steps."""
    findings: list[Finding] = [
        *identical_scores(curves),
        *duplicate_points(curves),
        *missing_evaluations(curves),
        *collapses(curves),
        *benchmark_drops(curves),
        *identical_files(folder, files),
        *no_script(files, settings),
        *windows_beyond_data(settings),
        *flags_differ(settings, table_4),
        *granularity(curves),
        *sft_density(curves),
        *benchmark_split(curves),
    ]
    kinds, datasets = [*KINDS], [file.dataset for file in files]

    def place(finding: Finding) -> tuple[int, int, int]:
        known = finding.dataset in datasets
        dataset = datasets.index(finding.dataset) if known else -1
        return kinds.index(finding.kind), dataset, finding.sft_step or 0

    table = pd.DataFrame([vars(finding) for finding in sorted(findings, key=place)])
    return table.astype({"sft_step": "Int64"})


def page(table: pd.DataFrame) -> str:
    """The findings as a Markdown page."""
    counts = [str(int((table["kind"] == kind).sum())) for kind in KINDS]
    summary = make_table(
        [("kind", False, [*KINDS]), ("means", False, [*KINDS.values()]), ("found", True, counts)]
    )
    text = table.astype({"sft_step": "string"}).fillna("")
    cells = [(name.replace("_", " "), name == "sft_step", [*text[name]]) for name in text.columns]
    parts = ["# Data quality of the released curves", summary.markdown()]
    parts += ["Rows are counted from the start of a run, x = 0 being row 0."]
    return "\n\n".join([*parts, make_table(cells).markdown()])
