"""`retu lineage diff A B`: what differs first, and what everything else that differs comes from."""

import argparse
import json
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from retu.core.text import format_quantity, format_rest, join_names
from retu.lineage.graph.resolve import resolve_study
from retu.lineage.graph.subgraph import describe_settings, shorten_path
from retu.lineage.queries.diff_sides import DiffSide, JobPairing, pair_jobs, resolve_side
from retu.lineage.queries.record_diff import RecordDiff, compare_records
from retu.lineage.record import JobRecord

EXIT_DIFFERENT = 1
MAX_NAMED_JOBS = 6


@dataclass(frozen=True)
class LineageDiff:
    """Two sides, their pairs that differ in topological order, and the jobs of one side only."""

    a: DiffSide
    b: DiffSide
    pairing: JobPairing
    differences: tuple[RecordDiff, ...]

    @property
    def first_difference(self) -> RecordDiff | None:
        """The first pair that differs by itself, not by what it read."""
        return next((found for found in self.differences if found.own_parts), None)

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.differences or self.pairing.only_a or self.pairing.only_b)


def run_diff(options: argparse.Namespace) -> int:
    """Compare two lineages; 1 when anything differs."""
    study = resolve_study(options.root, options.study)
    a, b = (resolve_side(options.root, given, study) for given in (options.a, options.b))
    a, b = a.fill_target_from(b), b.fill_target_from(a)
    found = compare_sides(a, b)
    if options.json:
        print(json.dumps(serialise_diff(found), indent=1))
    else:
        print("\n".join(format_diff(found)))
    return 0 if found.is_equal else EXIT_DIFFERENT


def compare_sides(a: DiffSide, b: DiffSide) -> LineageDiff:
    """Align two sides and compare every pair of jobs."""
    pairing = pair_jobs(a, b)
    pairs = ((a.lineage.records[x], b.lineage.records[y]) for x, y in pairing.pairs)

    def is_made(path: str) -> bool:
        return any(side.lineage.find_producer(path) is not None for side in (a, b))

    found = (compare_records(x, y, is_made) for x, y in pairs)
    return LineageDiff(a, b, pairing, tuple(one for one in found if one.parts))


def format_diff(found: LineageDiff) -> Iterator[str]:
    """The comparison in words."""
    yield f"A  {found.a.label}"
    yield f"B  {found.b.label}"
    count = len(found.pairing.pairs)
    if found.is_equal:
        yield f"\nnothing differs: the records of {format_quantity(count)} tell the same"
        study = shlex.quote(found.a.lineage.study)
        yield f"(files on disk are not hashed here: retu lineage verify --study {study})"
        return
    if found.first_difference:
        yield "\ndiffers first"
        yield from format_first_difference(found, found.first_difference)
    sides = (("A", found.a, found.pairing.only_a), ("B", found.b, found.pairing.only_b))
    for name, side, jobs in sides:
        if jobs:
            named = join_names([name_job(side.lineage.records[j]) for j in jobs], MAX_NAMED_JOBS)
            yield f"\nonly in {name}: {format_quantity(len(jobs))}: {named}"
    yield ""
    yield from summarise_differences(found)
    yield f"{format_quantity(count - len(found.differences))} the same on both sides"


def format_first_difference(found: LineageDiff, first: RecordDiff) -> Iterator[str]:
    """The first difference, part by part."""
    names = dict.fromkeys(name_job(record) for record in (first.a, first.b))
    yield f"  {' / '.join(names)}  ({shorten_path(first.a.path, found.a.lineage.study)})"
    for part, texts in first.parts.items():
        for index, text in enumerate(texts[:MAX_NAMED_JOBS]):
            yield f"  {part if index == 0 else '':<14} {text}"
        if len(texts) > MAX_NAMED_JOBS:
            yield f"  {'':<14}{format_rest(len(texts), MAX_NAMED_JOBS)}"


def summarise_differences(found: LineageDiff) -> Iterator[str]:
    """Which jobs differ besides the first, by what, the most frequent first."""
    others = [one for one in found.differences if one is not found.first_difference]
    causes = Counter(
        (part, text) for one in others for part in one.own_parts for text in one.parts[part]
    )
    if causes:
        yield "differs elsewhere"
        for (part, text), number in causes.most_common(2 * MAX_NAMED_JOBS):
            yield f"  {part:<14} {text}  ({format_quantity(number)})"
        if len(causes) > 2 * MAX_NAMED_JOBS:
            yield f" {format_rest(len(causes), 2 * MAX_NAMED_JOBS)}: --json has all of it"
    inherited = [one for one in others if not one.own_parts]
    if inherited:
        names = [name_job(one.a) for one in inherited]
        count = format_quantity(len(inherited))
        yield f"{count} only by what was read: {join_names(names, MAX_NAMED_JOBS)}"


def name_job(record: JobRecord) -> str:
    """A job by its rule and what it was told."""
    return " ".join(filter(None, [record.rule, describe_settings(record)]))


def serialise_diff(found: LineageDiff) -> dict[str, Any]:
    """The comparison for programs."""
    return {
        "a": found.a.label,
        "b": found.b.label,
        "equal": found.is_equal,
        "same": len(found.pairing.pairs) - len(found.differences),
        "first": serialise_record_diff(found.first_difference) if found.first_difference else None,
        "differences": [serialise_record_diff(one) for one in found.differences],
        "only_a": list(found.pairing.only_a),
        "only_b": list(found.pairing.only_b),
    }


def serialise_record_diff(one: RecordDiff) -> dict[str, Any]:
    """A pair of jobs that differ."""
    return {
        "rule": one.a.rule,
        "a": one.a.path,
        "b": one.b.path,
        "inherited": not one.own_parts,
        "parts": {part: list(texts) for part, texts in one.parts.items()},
    }
