"""`retu lineage why`: what stands behind an output or a cell of a table, and what made it stale."""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from retu.core.errors import InputError
from retu.core.hashing import md5
from retu.core.text import counted
from retu.lineage.graph.ancestry_gaps import Gap, find_gaps, gap_lines
from retu.lineage.graph.cell_lineage import behind, is_of_all_rows
from retu.lineage.graph.provenance import provenance_text
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.remedies import ask_command
from retu.lineage.graph.resolve import (
    Standing,
    lineage_of,
    output_path,
    standing,
)
from retu.lineage.graph.subgraph import View, whole
from retu.lineage.graph.table_cells import Cell, cell_lines, find_cell, split_cell
from retu.lineage.queries.render import mermaid, tree_json, tree_text
from retu.lineage.queries.show import edit_lines
from retu.lineage.storage.stored_outputs import data_hashes

SHORT = 12
FINDINGS = 1


def run_why(options: argparse.Namespace) -> int:
    """Explain an output, a cell, or with `--stale` what is stale in a study."""
    if options.stale:
        # Only this needs to compare every line of code.
        from retu.lineage.queries.outdated import explain_stale

        return explain_stale(options)
    if options.output is None:
        raise InputError("name an OUTPUT, a cell (OUTPUT#ROW/COLUMN), or ask with --stale")
    asked = split_cell(options.output)
    path = output_path(options.root, asked[0] if asked else options.output)
    lineage = lineage_of(options.root, path)
    view = whole(lineage, path)
    cell = None
    if asked:
        cell = find_cell(options.root, path, *asked[1:])
        view = behind(options.root, lineage, cell)
    view = replace(view, described=data_hashes(options.root))
    changed = has_changed(options.root, lineage, path)
    state = standing(options.root, lineage, view.inputs)
    gaps = find_gaps(lineage, view.inputs, view.described)
    report(options, view, cell, Health(state, gaps, changed))
    return FINDINGS if changed or gaps or state.edits else 0


@dataclass(frozen=True)
class Health:
    """What is to be said of a view before it is believed; `changed` is about its target."""

    state: Standing
    gaps: list[Gap]
    changed: str


def report(options: argparse.Namespace, view: View, cell: Cell | None, health: Health) -> None:
    """Print a view in the form that was asked for."""
    state, changed = health.state, health.changed
    if options.json:
        told = tree_json(view, state)
        about = {"cell": cell_json(cell)} if cell else {}
        wrong = {
            "changed": changed or None,
            "edited": [str(edit) for edit in state.edits],
            "incomplete": [gap.path for gap in health.gaps],
        }
        print(json.dumps({**about, **told, **wrong}, indent=1))
    elif options.mermaid:
        print(mermaid(view, state))
    else:
        print("\n".join(header(view, cell, health)), end="\n\n")
        print(tree_text(view, state, terminal_width()), end="\n\n")
        print(provenance_text(view))


def header(view: View, cell: Cell | None, health: Health) -> Iterator[str]:
    """What is missing or edited, what was asked for, and how much stands behind it."""
    state = health.state
    yield from gap_lines(view.lineage, health.gaps)
    yield from cell_lines(cell) if cell else [view.target]
    if health.changed:
        yield f"{'changed':<12} {health.changed}"
    yield from edit_lines(view.lineage, state.edits)
    yield f"{'lineage':<12} {view.lineage.digest(view.target)[:SHORT]}{whole_words(view, cell)}"
    stale = [job for job in view.inputs if job in state.stale]
    verb = "stands" if len(view.inputs) == 1 else "stand"
    jobs = f"{counted(len(view.inputs))} {verb} behind it"
    if state.unknown:
        yield f"{'jobs':<12} {jobs}; current or stale cannot be told: {state.unknown}"
    elif stale:
        ask = f"retu lineage why --stale --study {view.lineage.study}"
        yield f"{'jobs':<12} {jobs}, {len(stale)} of them stale; what made them so: {ask}"
    else:
        known = "all that are known current" if health.gaps else "all current"
        yield f"{'jobs':<12} {jobs}, {'none of them stale' if state.edits else known}"
    if view.lineage.damaged:
        ask = ask_command(view.lineage, "verify")
        yield f"{'damaged':<12} {len(view.lineage.damaged)} records; named by {ask}"


def whole_words(view: View, cell: Cell | None) -> str:
    """How the lineage of a cell compares with that of its table."""
    if cell is None:
        return ""
    if is_of_all_rows(cell.column):
        return (
            f" (of the table; {cell.column} compares rows, so that all of it belongs to the cell)"
        )
    count = len(view.lineage.ancestors([view.job]))
    return f" (of the table, with {count} jobs)"


def has_changed(root: Path, lineage: Lineage, path: str) -> str:
    """What is wrong when a file is not what its record says; empty when it is, or is not there."""
    output = lineage.output(path)
    file = root / path
    if output is None or output.path != path or not file.is_file() or md5(file) == output.md5:
        return ""
    ask = shlex.join(["retu", "lineage", "verify", path])
    return f"since its record was written: what follows made another file ({ask})"


def cell_json(cell: Cell) -> dict[str, object]:
    """A cell for programs."""
    return {
        "row": cell.row,
        "column": cell.column,
        "value": cell.value,
        "facts": cell.facts,
        "interval": cell.interval,
        "besides": cell.besides,
    }


def terminal_width() -> int:
    """Columns of the terminal; 0, no limit, when the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
