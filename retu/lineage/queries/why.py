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
from retu.core.hashing import compute_md5
from retu.core.text import format_quantity
from retu.lineage.graph.ancestry_gaps import RecordGap, find_gaps, format_gaps
from retu.lineage.graph.cell_lineage import needs_all_rows, trace_cell
from retu.lineage.graph.provenance import format_provenance
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.remedies import format_lineage_command
from retu.lineage.graph.resolve import JobStates, assess_jobs, read_output_lineage
from retu.lineage.graph.subgraph import Subgraph, trace_output
from retu.lineage.graph.table_cells import Cell, find_cell, format_cell, split_cell
from retu.lineage.queries.render import format_mermaid, format_tree, serialise_tree
from retu.lineage.queries.show import format_edit_count
from retu.lineage.storage.stored_outputs import read_data_hashes

LINEAGE_DIGITS = 12
EXIT_FINDINGS = 1


def run_why(options: argparse.Namespace) -> int:
    """Explain an output, a cell, or with `--stale` what is stale in a study."""
    if options.stale:
        # Only this needs to compare every line of code.
        from retu.lineage.queries.outdated import explain_stale

        return explain_stale(options)
    if options.output is None:
        raise InputError("name an OUTPUT, a cell (OUTPUT#ROW/COLUMN), or ask with --stale")
    asked = split_cell(options.output)
    path, lineage = read_output_lineage(options.root, asked[0] if asked else options.output)
    view = trace_output(lineage, path)
    cell = None
    if asked:
        cell = find_cell(options.root, path, *asked[1:])
        view = trace_cell(options.root, lineage, cell)
    view = replace(view, described=read_data_hashes(options.root))
    changed = describe_change(options.root, lineage, path)
    state = assess_jobs(options.root, lineage, view.inputs)
    gaps = find_gaps(lineage, view.inputs, view.described)
    print_subgraph(options, view, cell, LineageWarnings(state, gaps, changed))
    return EXIT_FINDINGS if changed or gaps or state.edits else 0


@dataclass(frozen=True)
class LineageWarnings:
    """What is to be said of a view before it is believed; `changed` is about its target."""

    state: JobStates
    gaps: list[RecordGap]
    changed: str


def print_subgraph(
    options: argparse.Namespace, view: Subgraph, cell: Cell | None, health: LineageWarnings
) -> None:
    """Print a view in the form that was asked for."""
    state, changed = health.state, health.changed
    if options.json:
        told = serialise_tree(view, state)
        about = {"cell": serialise_cell(cell)} if cell else {}
        wrong = {
            "changed": changed or None,
            "edited": [str(edit) for edit in state.edits],
            "incomplete": [gap.path for gap in health.gaps],
        }
        print(json.dumps({**about, **told, **wrong}, indent=1))
    elif options.mermaid:
        print(format_mermaid(view, state))
    else:
        print("\n".join(format_header(view, cell, health)), end="\n\n")
        # Lines are cut for a terminal only.
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        print(format_tree(view, state, width), end="\n\n")
        print(format_provenance(view))


def format_header(view: Subgraph, cell: Cell | None, health: LineageWarnings) -> Iterator[str]:
    """What is missing or edited, what was asked for, and how much stands behind it."""
    state = health.state
    yield from format_gaps(view.lineage, health.gaps)
    yield from format_cell(cell) if cell else [view.target]
    if health.changed:
        yield f"{'changed':<12} {health.changed}"
    yield from format_edit_count(view.lineage, state.edits)
    yield (
        f"{'lineage':<12} {view.lineage.digest_lineage(view.target)[:LINEAGE_DIGITS]}"
        f"{format_table_share(view, cell)}"
    )
    verb = "stands" if len(view.inputs) == 1 else "stand"
    count, study = f"{format_quantity(len(view.inputs))} {verb} behind it", view.lineage.study
    words = state.summarise_states(count, view.inputs, study, known=not health.gaps)
    yield f"{'jobs':<12} {words}"
    if view.lineage.damaged:
        ask = format_lineage_command(view.lineage, "verify")
        yield f"{'damaged':<12} {len(view.lineage.damaged)} records; named by {ask}"


def format_table_share(view: Subgraph, cell: Cell | None) -> str:
    """How the lineage of a cell compares with that of its table."""
    if cell is None:
        return ""
    if needs_all_rows(cell.column):
        why = f"{cell.column} compares rows, so that all of it belongs to the cell"
        return f" (of the table; {why})"
    return f" (of the table, with {len(view.lineage.list_ancestors([view.job]))} jobs)"


def describe_change(root: Path, lineage: Lineage, path: str) -> str:
    """What is wrong when a file is not what its record says; empty when it is, or is not there."""
    recorded, file = lineage.find_recorded_hash(path), root / path
    if recorded is None or not file.is_file() or compute_md5(file) == recorded:
        return ""
    ask = shlex.join(["retu", "lineage", "verify", path])
    return f"since its record was written: what follows made another file ({ask})"


def serialise_cell(cell: Cell) -> dict[str, object]:
    """A cell for programs."""
    return {
        "row": cell.row,
        "column": cell.column,
        "value": cell.value,
        "facts": cell.facts,
        "interval": cell.interval,
        "besides": cell.details,
    }
