r"""Rule `data_quality`: what is wrong or remarkable with the released files and their curves.

    python -m workflow_scripts.data_quality --curves curves.csv --caches-dir data/released/caches \
        --caches studies/released/caches.csv --settings studies/released/kit_settings.csv \
        --table-4 claims/table_4.csv --out data_quality.csv --out-md data_quality.md

One row per finding: kind, data set and SFT step of the curve, where in it, the numbers, and what
follows. The Markdown page counts every kind, those with no finding included.
"""

from pathlib import Path

import pandas as pd

from workflow_scripts.atomic import write_text
from workflow_scripts.evaluation.curves import CURVE_COLUMNS
from workflow_scripts.released.facts import CacheFile, read_caches
from workflow_scripts.released.quality import (
    KINDS,
    Curves,
    Finding,
    benchmark_drops,
    collapses,
    duplicate_points,
    identical_scores,
    missing_evaluations,
    wide,
)
from workflow_scripts.released.quality_facts import (
    benchmark_split,
    flags_differ,
    granularity,
    identical_files,
    no_script,
    sft_density,
    windows_beyond_data,
)
from workflow_scripts.reporting.markdown import make_table
from workflow_scripts.script import arguments, run
from workflow_scripts.tables_io import read_facts, read_table, write_csv

SETTING_COLUMNS = (
    *("dataset", "sft_step", "script", "points", "train_start", "train_end"),
    *("flag_start", "flag_end", "tau", "lts_share", "free_epsilon"),
)
TABLE_4_COLUMNS = ("dataset", "sft_step", "tau", "lts_share")


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


def main() -> None:
    """Read files, curves and settings; write the findings."""
    inputs = ("curves", "caches_dir", "caches", "settings", "table_4")
    options = arguments(__doc__, **dict.fromkeys((*inputs, "out", "out_md"), Path))
    table = find(
        wide(read_table(options.curves, CURVE_COLUMNS)),
        options.caches_dir,
        read_caches(options.caches),
        read_facts(options.settings, SETTING_COLUMNS),
        read_facts(options.table_4, TABLE_4_COLUMNS),
    )
    write_csv(table, options.out)
    write_text(options.out_md, page(table))


if __name__ == "__main__":
    run(main)
