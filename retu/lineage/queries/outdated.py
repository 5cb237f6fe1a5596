"""`retu lineage why --stale`: what is out of date, edited or not explained in a study, and why."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from retu.core.text import counted, listed
from retu.lineage.graph.ancestry_gaps import Gap, find_gaps, gap_lines
from retu.lineage.graph.edited_files import Edit, find_edits
from retu.lineage.graph.record_graph import Lineage, read_lineage, study_of
from retu.lineage.graph.remedies import ask_command, run_command
from retu.lineage.graph.resolve import chosen_study, output_path, present_plan
from retu.lineage.graph.staleness import Root, StaleReport, stale_report
from retu.lineage.queries.show import first_output
from retu.lineage.queries.verify_findings import Checked
from retu.lineage.storage.stage_keys import refresh_keys
from retu.lineage.storage.stored_outputs import data_hashes

FINDINGS = 1
NAMED = 4


def explain_stale(options: argparse.Namespace) -> int:
    """Print what is stale or edited in a study and why; 1 when anything is, or cannot be told."""
    given = options.output
    asked = study_of(output_path(options.root, given)) if given else None
    study = asked or chosen_study(options.root, options.study)
    lineage = read_lineage(options.root, study)
    plan = present_plan(options.root, lineage)
    found = stale_report(lineage, plan)
    refresh_keys(options.root, lineage, plan)
    edits = find_edits(options.root, lineage, lineage.order)
    gaps = find_gaps(lineage, lineage.records, data_hashes(options.root))
    if options.json:
        print(json.dumps(as_json(lineage, found, edits, gaps), indent=1))
    else:
        checked = Checked(options.root, lineage)
        print(*gap_lines(lineage, gaps), sep="\n", end="\n" if gaps else "")
        print("\n".join([*stale_lines(found, lineage), *edited_lines(checked, edits)]))
    return FINDINGS if found.reasons or edits or gaps else 0


def as_json(
    lineage: Lineage, found: StaleReport, edits: Sequence[Edit], gaps: Sequence[Gap]
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


def stale_lines(found: StaleReport, lineage: Lineage) -> Iterator[str]:
    """The first causes with the jobs that they make stale; those of the same jobs together."""
    count = counted(len(lineage.records))
    if not found.reasons:
        damaged = f", {len(lineage.damaged)} damaged" if lineage.damaged else ""
        ask = ask_command(lineage, "verify")
        yield f"study {lineage.study}: {count}, all current{damaged} (every byte: {ask})"
        return
    yield f"study {lineage.study}: {len(found.reasons)} of {count} are stale"
    groups: dict[tuple[str, ...], list[Root]] = {}
    for root in found.roots:
        groups.setdefault(root.jobs, []).append(root)
    for jobs, roots in groups.items():
        yield ""
        yield from (str(root.cause) for root in roots)
        yield f"  stale       {some(jobs, lineage)}"
        if roots[0].downstream:
            yield f"  downstream  {some(roots[0].downstream, lineage)}"
    yield f"\nto make them again: {run_command(lineage)}"


def edited_lines(study: Checked, edits: Sequence[Edit]) -> Iterator[str]:
    """What is not as recorded, and what came of it."""
    for edit in edits:
        record = study.graph.records[edit.job]
        readers = study.readers([edit.path]) or [] if not edit.source else [edit.job]
        yield f"\n{edit}"
        if readers:
            yield f"  read by     {some(readers, study.lineage)}"
        if edit.source:
            yield f"  put it back, or make again what came of it: {study.remake_job(record)}"
        else:
            made = next(
                a.path for a in record.outputs if (edit.path + "/").startswith(a.path + "/")
            )
            yield f"  {study.bring_back(made)}"


def some(jobs: Sequence[str], lineage: Lineage) -> str:
    """Jobs by their first outputs, at most a few of them."""
    names = [first_output(lineage.records[job], lineage.study) for job in jobs]
    return f"{counted(len(jobs))}: {listed(names, NAMED)}"
