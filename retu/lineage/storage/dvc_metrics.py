"""What DVC shows and compares of a study: tables as metrics, curves and losses as plots.

`dvc metrics diff REV` and `dvc plots diff REV` then answer for two revisions. DVC reads metrics
from JSON and not from CSV, so that the tables are written once more, in lineage/STUDY/metrics.json.
"""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retu.lineage.graph.table_cells import FACT_COLUMNS
from retu.lineage.record import JobRecord

METRICS_FILE = "metrics.json"
PLOT_AXES = {
    "losses.csv": ("sft", "val_loss", "validation loss"),
    "compute.csv": ("rl", "x_rl_eflops", "RL compute, EFLOPs"),
}
"""File of a run -> the kind of runs, the column that is drawn over steps, the name of the plot."""
CURVES_FILE = "curves.csv"


def read_tables(root: Path, records: Iterable[JobRecord]) -> dict[str, dict[str, Any]]:
    """Table -> row -> column -> value, of every CSV table below tables/; empty cells are left out.

    A row is called by what it is about, or by its number where that is not all.
    """
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        for made in record.outputs:
            path = Path(made.path)
            if path.suffix == ".csv" and path.parent.name == "tables":
                with (root / path).open(encoding="utf-8", newline="") as handle:
                    found[path.stem] = name_rows(list(csv.DictReader(handle)))
    return dict(sorted(found.items()))


def name_rows(rows: list[dict[str, str]]) -> dict[str, Any]:
    """The rows of a table by name, numbers as numbers."""
    columns = list(rows[0]) if rows else []
    facts = [name for name in FACT_COLUMNS if name in columns] or columns[:1]
    names = ["/".join(row[fact] or "none" for fact in facts) for row in rows]
    unique = len(set(names)) == len(names)
    return {
        (name if unique else f"{name}/{number}").replace(".", "_"): {
            column: parse_cell_value(cell)
            for column, cell in row.items()
            if cell and column and column not in facts
        }
        for number, (name, row) in enumerate(zip(names, rows, strict=True), 1)
    }


def parse_cell_value(cell: str) -> float | str:
    """A cell as the number that it is, if it is one that JSON has."""
    try:
        number = float(cell)
    except ValueError:
        return cell
    return number if abs(number) < float("inf") else cell


def list_plots(records: Iterable[JobRecord], folder: str, absent: Iterable[str]) -> list[Any]:
    """The plots of a study as dvc.yaml has them; paths are relative to its `folder`.

    `absent` are outputs that are not the stages' own (data.dvc has them).
    """
    drawn: dict[str, list[str]] = {}
    left_out = set(absent)
    for record in records:
        for made in record.outputs:
            if made.path not in left_out:
                drawn.setdefault(made.path.rpartition("/")[2], []).append(made.path)
    plots: list[Any] = []
    for file, (kind, column, title) in PLOT_AXES.items():
        paths = sorted(path for path in drawn.get(file, []) if path.split("/")[2] == kind)
        if paths:
            y = {os.path.relpath(path, folder): column for path in paths}
            plots.append({title: {"x": "step", "y": y, "y_label": column, "title": title}})
    for path in sorted(path for path in drawn.get(CURVES_FILE, []) if path.count("/") == 2):
        y = {os.path.relpath(path, folder): "score"}
        plots.append(
            {"curves": {"x": "x_rl_eflops", "y": y, "template": "scatter", "title": "curves"}}
        )
    return plots
