r"""Rule `data_quality`: what is wrong or remarkable with the released files and their curves.

    python -m workflow_scripts.data_quality --curves curves.csv --caches-dir data/released/caches \
        --caches studies/released/caches.csv --settings studies/released/kit_settings.csv \
        --table-4 claims/table_4.csv --out data_quality.csv --out-md data_quality.md

One row per finding: kind, data set and SFT step of the curve, where in it, the numbers, and what
follows. The Markdown page counts every kind, those with no finding included.
"""

from pathlib import Path

from retu.audit.released.curve_quality import (
    pivot_curves,
)
from retu.audit.released.quality_page import list_findings, render_quality_page
from retu.audit.released.released_files import read_caches
from retu.core.atomic_files import write_text
from retu.core.tables import read_facts, read_table, write_csv
from retu.evaluation.curve_table import CURVE_COLUMNS
from retu.runtime.script import parse_arguments, run_main

SCRIPT_SETTING_COLUMNS = (
    *("dataset", "sft_step", "script", "points", "train_start", "train_end"),
    *("flag_start", "flag_end", "tau", "lts_share", "free_epsilon"),
)


TRIMMING_COLUMNS = ("dataset", "sft_step", "tau", "lts_share")


def main() -> None:
    """Read files, curves and settings; write the findings."""
    inputs = ("curves", "caches_dir", "caches", "settings", "table_4")
    options = parse_arguments(__doc__, **dict.fromkeys((*inputs, "out", "out_md"), Path))
    table = list_findings(
        pivot_curves(read_table(options.curves, CURVE_COLUMNS)),
        options.caches_dir,
        read_caches(options.caches),
        read_facts(options.settings, SCRIPT_SETTING_COLUMNS),
        read_facts(options.table_4, TRIMMING_COLUMNS),
    )
    write_csv(table, options.out)
    write_text(options.out_md, render_quality_page(table))


if __name__ == "__main__":
    run_main(main)
