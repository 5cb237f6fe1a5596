"""`retu lineage diff A B`: what differs first, and what everything else that differs comes from."""

import argparse
import json
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from retu.core.text import and_more, counted, listed
from retu.lineage.graph.resolve import chosen_study
from retu.lineage.graph.subgraph import short, told
from retu.lineage.queries.diff_sides import Pairing, Side, align, read_side
from retu.lineage.queries.record_diff import Difference, compare
from retu.lineage.record import Record

DIFFERENT = 1
NAMED = 6


@dataclass(frozen=True)
class Comparison:
    """Two sides, their pairs that differ in topological order, and the jobs of one side only."""

    a: Side
    b: Side
    pairing: Pairing
    differences: tuple[Difference, ...]

    @property
    def first(self) -> Difference | None:
        """The first pair that differs by itself, not by what it read."""
        return next((found for found in self.differences if found.own), None)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.differences or self.pairing.only_a or self.pairing.only_b)


def run_diff(options: argparse.Namespace) -> int:
    """Compare two lineages; 1 when anything differs."""
    study = chosen_study(options.root, options.study)
    a, b = (read_side(options.root, given, study) for given in (options.a, options.b))
    a, b = a.towards(b), b.towards(a)
    found = compared(a, b)
    if options.json:
        print(json.dumps(comparison_json(found), indent=1))
    else:
        print("\n".join(lines(found)))
    return 0 if found.equal else DIFFERENT


def compared(a: Side, b: Side) -> Comparison:
    """Align two sides and compare every pair of jobs."""
    pairing = align(a, b)
    pairs = ((a.lineage.records[x], b.lineage.records[y]) for x, y in pairing.pairs)
    found = (compare(x, y, lambda path: made(a, b, path)) for x, y in pairs)
    return Comparison(a, b, pairing, tuple(one for one in found if one.parts))


def made(a: Side, b: Side, path: str) -> bool:
    """Whether a job of either side made a path."""
    return any(side.lineage.producer(path) is not None for side in (a, b))


def lines(found: Comparison) -> Iterator[str]:
    """The comparison in words."""
    yield f"A  {found.a.label}"
    yield f"B  {found.b.label}"
    count = len(found.pairing.pairs)
    if found.equal:
        yield f"\nnothing differs: the records of {counted(count)} tell the same"
        study = shlex.quote(found.a.lineage.study)
        yield f"(files on disk are not hashed here: retu lineage verify --study {study})"
        return
    if found.first:
        yield "\ndiffers first"
        yield from first_lines(found, found.first)
    for side, jobs in (("A", found.pairing.only_a), ("B", found.pairing.only_b)):
        if jobs:
            records = found.a.lineage.records if side == "A" else found.b.lineage.records
            names = [name_of(records[job]) for job in jobs]
            yield f"\nonly in {side}: {counted(len(jobs))}: {listed(names, NAMED)}"
    yield ""
    yield from summary(found)
    yield f"{counted(count - len(found.differences))} the same on both sides"


def first_lines(found: Comparison, first: Difference) -> Iterator[str]:
    """The first difference, part by part."""
    names = dict.fromkeys(name_of(record) for record in (first.a, first.b))
    yield f"  {' / '.join(names)}  ({short(first.a.path, found.a.lineage.study)})"
    for part, texts in first.parts.items():
        for index, text in enumerate(texts[:NAMED]):
            yield f"  {part if index == 0 else '':<14} {text}"
        if len(texts) > NAMED:
            yield f"  {'':<14}{and_more(len(texts), NAMED)}"


def summary(found: Comparison) -> Iterator[str]:
    """Which jobs differ besides the first, by what, the most frequent first."""
    others = [one for one in found.differences if one is not found.first]
    causes = Counter((part, text) for one in others for part in one.own for text in one.parts[part])
    if causes:
        yield "differs elsewhere"
        for (part, text), number in causes.most_common(2 * NAMED):
            yield f"  {part:<14} {text}  ({counted(number)})"
        if len(causes) > 2 * NAMED:
            yield f" {and_more(len(causes), 2 * NAMED)}: --json has all of it"
    inherited = [one for one in others if not one.own]
    if inherited:
        names = [name_of(one.a) for one in inherited]
        count = counted(len(inherited))
        yield f"{count} only by what was read: {listed(names, NAMED)}"


def name_of(record: Record) -> str:
    """A job by its rule and what it was told."""
    return " ".join(filter(None, [record.rule, told(record)]))


def comparison_json(found: Comparison) -> dict[str, Any]:
    """The comparison for programs."""
    return {
        "a": found.a.label,
        "b": found.b.label,
        "equal": found.equal,
        "same": len(found.pairing.pairs) - len(found.differences),
        "first": difference_json(found.first) if found.first else None,
        "differences": [difference_json(one) for one in found.differences],
        "only_a": list(found.pairing.only_a),
        "only_b": list(found.pairing.only_b),
    }


def difference_json(one: Difference) -> dict[str, Any]:
    """A pair of jobs that differ."""
    return {
        "rule": one.a.rule,
        "a": one.a.path,
        "b": one.b.path,
        "inherited": not one.own,
        "parts": {part: list(texts) for part, texts in one.parts.items()},
    }
