"""`retu lineage why`: what stands behind an output or a cell of a table, and what made it stale."""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.errors import InputError
from workflow_scripts.hashing import md5
from workflow_scripts.lineage.cells import Cell, cell_lines, find_cell, split_cell
from workflow_scripts.lineage.graph import Lineage, read_lineage, study_of
from workflow_scripts.lineage.provenance import provenance_text
from workflow_scripts.lineage.show import first_output
from workflow_scripts.lineage.store import data_hashes
from workflow_scripts.lineage.trace import behind, is_of_all_rows
from workflow_scripts.lineage.tree import mermaid, tree_json, tree_text
from workflow_scripts.lineage.view import View, whole
from workflow_scripts.lineage.where import (
    Standing,
    chosen_study,
    lineage_of,
    output_path,
    present_plan,
    standing,
)
from workflow_scripts.lineage.words import counted, listed

if TYPE_CHECKING:
    from workflow_scripts.lineage.staleness import Root, StaleReport

SHORT = 12
FINDINGS = 1
NAMED = 4


def run_why(options: argparse.Namespace) -> int:
    """Explain an output, a cell, or with `--stale` what is stale in a study."""
    if options.stale:
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
    report(options, view, cell, changed)
    return FINDINGS if changed else 0


def report(options: argparse.Namespace, view: View, cell: Cell | None, changed: str) -> None:
    """Print a view in the form that was asked for."""
    state = standing(options.root, view.lineage, view.inputs)
    if options.json:
        told = tree_json(view, state)
        about = {"cell": cell_json(cell)} if cell else {}
        print(json.dumps({**about, **told, "changed": changed or None}, indent=1))
    elif options.mermaid:
        print(mermaid(view, state))
    else:
        print("\n".join(header(view, cell, state, changed)), end="\n\n")
        print(tree_text(view, state, terminal_width()), end="\n\n")
        print(provenance_text(view))


def header(view: View, cell: Cell | None, state: Standing, changed: str) -> Iterator[str]:
    """What was asked for, and how much stands behind it."""
    yield from cell_lines(cell) if cell else [view.target]
    if changed:
        yield f"{'changed':<12} {changed}"
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
        yield f"{'jobs':<12} {jobs}, all current"
    if view.lineage.damaged:
        yield f"{'damaged':<12} {len(view.lineage.damaged)} records: retu lineage verify names them"


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
    return "since its record was written: what follows made another file (retu lineage verify)"


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


def explain_stale(options: argparse.Namespace) -> int:
    """Print what is stale in a study and why; 1 when anything is."""
    # Only this needs to compare every line of code.
    from workflow_scripts.lineage.staleness import stale_report

    given = options.output
    asked = study_of(output_path(options.root, given)) if given else None
    study = asked or chosen_study(options.root, options.study)
    lineage = read_lineage(options.root, study)
    found = stale_report(lineage, present_plan(options.root, lineage))
    if options.json:
        roots = [
            {"file": r.cause.path, "what": r.cause.what, "jobs": r.jobs, "downstream": r.downstream}
            for r in found.roots
        ]
        print(json.dumps({"study": study, "stale": len(found.reasons), "causes": roots}, indent=1))
    elif not found.reasons:
        jobs = f"{counted(len(lineage.records))}, all current"
        print(f"study {study}: {jobs} (whether files are as recorded: retu lineage verify)")
    else:
        print("\n".join(stale_lines(found, lineage)))
    return FINDINGS if found.reasons else 0


def stale_lines(found: "StaleReport", lineage: Lineage) -> Iterator[str]:
    """The first causes with the jobs that they make stale; those of the same jobs together."""
    yield f"study {lineage.study}: {len(found.reasons)} of {len(lineage.records)} jobs are stale"
    groups: dict[tuple[str, ...], list[Root]] = {}
    for root in found.roots:
        groups.setdefault(root.jobs, []).append(root)
    for jobs, roots in groups.items():
        yield ""
        yield from (str(root.cause) for root in roots)
        yield f"  stale       {some(jobs, lineage)}"
        if roots[0].downstream:
            yield f"  downstream  {some(roots[0].downstream, lineage)}"
    yield f"\nto make them again: snakemake --config study={lineage.study}"


def some(jobs: Sequence[str], lineage: Lineage) -> str:
    """Jobs by their first outputs, at most a few of them."""
    names = [first_output(lineage.records[job], lineage.study) for job in jobs]
    return f"{counted(len(jobs))}: {listed(names, NAMED)}"
