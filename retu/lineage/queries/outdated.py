"""`retu lineage why --stale`: what is out of date, edited or not explained in a study, and why."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from retu.core.text import format_quantity, join_names, print_lines
from retu.lineage.graph.ancestry_gaps import RecordGap, find_gaps, format_gaps
from retu.lineage.graph.edited_files import EditedFile, find_edits
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.graph.remedies import (
    find_related_paths,
    format_lineage_command,
    format_remake_command,
    format_run_command,
)
from retu.lineage.graph.resolve import load_current_plan, resolve_subject
from retu.lineage.graph.staleness import RootCause, StaleReport, build_stale_report
from retu.lineage.queries.show import format_first_output
from retu.lineage.queries.verify_findings import CheckedStudy
from retu.lineage.storage.stage_keys import refresh_keys
from retu.lineage.storage.stored_outputs import read_data_hashes

EXIT_FINDINGS = 1
MAX_NAMED_OUTPUTS = 4


def explain_stale(options: argparse.Namespace) -> int:
    """Print what is stale or edited in a study and why; 1 when anything is, or cannot be told."""
    _, study = resolve_subject(options.root, options.output, options.study)
    lineage = read_lineage(options.root, study)
    plan = load_current_plan(options.root, lineage)
    found = build_stale_report(lineage, plan)
    refresh_keys(options.root, lineage, plan)
    edits = find_edits(options.root, lineage, lineage.order)
    gaps = find_gaps(lineage, lineage.records, read_data_hashes(options.root))
    if options.json:
        print(json.dumps(serialise_staleness(lineage, found, edits, gaps), indent=1))
    else:
        checked = CheckedStudy(options.root, lineage)
        print_lines(format_gaps(lineage, gaps))
        print_lines(format_stale_causes(found, lineage))
        print_lines(format_edited_files(checked, edits))
    return EXIT_FINDINGS if found.reasons or edits or gaps else 0


def serialise_staleness(
    lineage: Lineage, found: StaleReport, edits: Sequence[EditedFile], gaps: Sequence[RecordGap]
) -> dict[str, Any]:
    """All of it for programs."""
    roots = [
        {"file": r.cause.path, "what": r.cause.what, "jobs": r.jobs, "downstream": r.downstream}
        for r in found.roots
    ]
    return {
        "study": lineage.study,
        "stale": len(found.reasons),
        "causes": roots,
        "edited": [
            {"file": edit.path, "what": edit.problem, "job": edit.job, "source": edit.source}
            for edit in edits
        ],
        "incomplete": [{"file": gap.path, "readers": gap.readers} for gap in gaps],
    }


def format_stale_causes(found: StaleReport, lineage: Lineage) -> Iterator[str]:
    """The first causes with the jobs that they make stale; those of the same jobs together."""
    count = format_quantity(len(lineage.records))
    if not found.reasons:
        damaged = f", {len(lineage.damaged)} damaged" if lineage.damaged else ""
        ask = format_lineage_command(lineage, "verify")
        yield f"study {lineage.study}: {count}, all current{damaged} (every byte: {ask})"
        return
    yield f"study {lineage.study}: {len(found.reasons)} of {count} are stale"
    groups: dict[tuple[str, ...], list[RootCause]] = {}
    for root in found.roots:
        groups.setdefault(root.jobs, []).append(root)
    for jobs, roots in groups.items():
        yield ""
        yield from (str(root.cause) for root in roots)
        yield f"  stale       {name_some_jobs(jobs, lineage)}"
        if roots[0].downstream:
            yield f"  downstream  {name_some_jobs(roots[0].downstream, lineage)}"
    yield f"\nto make them again: {format_run_command(lineage)}"


def format_edited_files(study: CheckedStudy, edits: Sequence[EditedFile]) -> Iterator[str]:
    """What is not as recorded, and what came of it."""
    for edit in edits:
        record = study.graph.records[edit.job]
        readers = [edit.job] if edit.source else study.find_readers([edit.path])
        yield f"\n{edit}"
        if readers:
            yield f"  read by     {name_some_jobs(readers, study.lineage)}"
        if edit.source:
            again = format_remake_command(study.graph, [record.first_output])
            yield f"  put it back, or make again what came of it: {again}"
        else:
            made = next(find_related_paths(edit.path, [output.path for output in record.outputs]))
            yield f"  {study.describe_recovery(made)}"


def name_some_jobs(jobs: Sequence[str], lineage: Lineage) -> str:
    """Jobs by their first outputs, at most a few of them."""
    names = [format_first_output(lineage.records[job], lineage.study) for job in jobs]
    return f"{format_quantity(len(jobs))}: {join_names(names, MAX_NAMED_OUTPUTS)}"
