"""Two records of the same job: in what they differ, from code to outputs."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retu.core.hashing import list_changed_names
from retu.core.text import join_names
from retu.lineage.graph.config_sources import shorten_value
from retu.lineage.graph.stale_causes import diff_values
from retu.lineage.graph.subgraph import HASH_DIGITS
from retu.lineage.record import Artefact, JobRecord

NONDETERMINISM_NOTE = (
    "same inputs, code and environment, different output: not deterministic, or another machine"
)
DIGEST = re.compile(r"[0-9a-f]{16}")
# What a job reads and writes is no difference of its own.
PROPAGATED_PARTS = ("inputs", "outputs")
MAX_NAMED_FILES = 3


@dataclass(frozen=True)
class RecordDiff:
    """Two records and the parts in which they differ, part -> texts; empty when they do not."""

    a: JobRecord
    b: JobRecord
    parts: Mapping[str, Sequence[str]]

    @property
    def own_parts(self) -> list[str]:
        """The parts in which the jobs differ whatever they read."""
        return [part for part in self.parts if part not in PROPAGATED_PARTS]


def compare_records(a: JobRecord, b: JobRecord, made: Callable[[str], bool]) -> RecordDiff:
    """Compare two records of a job: what decided it, what it read, what it wrote.

    `made` tells whether a job made a path that is read. A changed input that no job made (data, a
    download) counts as a difference of this job, because no earlier job explains it.
    """
    if a.rule != b.rule:
        return RecordDiff(a, b, {"rule": (f"{a.rule} -> {b.rule}",)})
    sources_a, carried_a = split_inputs(a.inputs, made)
    sources_b, carried_b = split_inputs(b.inputs, made)
    found = {
        "code": list(compare_code(a, b)),
        "environment": list(compare_environments(a, b)),
        "specification": list(compare_specs(a, b)),
        "facts": list(describe_changes(a.facts, b.facts)),
        "data": list(compare_files(sources_a, sources_b)),
        "inputs": list(compare_files(carried_a, carried_b)),
    }
    outputs = list(compare_files(a.outputs, b.outputs))
    if outputs and not any(found.values()):
        one, other = a.environment.variables, b.environment.variables
        found["chance"] = [
            NONDETERMINISM_NOTE,
            *describe_changes(a.host, b.host),
            *describe_changes(one, other),
        ]
    found["outputs"] = outputs
    return RecordDiff(a, b, {part: tuple(texts) for part, texts in found.items() if texts})


def split_inputs(
    inputs: Sequence[Artefact], made: Callable[[str], bool]
) -> tuple[list[Artefact], list[Artefact]]:
    """What no job made, and what a job made."""
    return [a for a in inputs if not made(a.path)], [a for a in inputs if made(a.path)]


def describe_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """The names whose values differ, in words; digests are not worth printing."""
    for name in sorted({*a, *b}):
        if name not in b:
            yield f"{name}: only in A"
        elif name not in a:
            yield f"{name}: only in B"
        elif a[name] != b[name]:
            digests = all(DIGEST.fullmatch(str(value)) for value in (a[name], b[name]))
            values = f": {shorten_value(a[name])} -> {shorten_value(b[name])}"
            yield name if digests else f"{name}{values}"


def compare_code(a: JobRecord, b: JobRecord) -> Iterator[str]:
    """Another script, or other modules."""
    one, other = a.code, b.code
    if one.module != other.module:
        yield f"{one.module} -> {other.module}"
        return
    yield from describe_changes(one.modules, other.modules)


def compare_environments(a: JobRecord, b: JobRecord) -> Iterator[str]:
    """Another lock, or other versions."""
    one, other = a.environment, b.environment
    if (one.lock, one.digest) != (other.lock, other.digest):
        first, second = (f"{e.lock} {e.digest[:HASH_DIGITS]}" for e in (one, other))
        yield f"lock {first} -> {second}"
    yield from describe_changes(one.versions, other.versions)


def compare_specs(a: JobRecord, b: JobRecord) -> Iterator[str]:
    """Keys of the specification with other values; other options where the wildcards are equal.

    Differing wildcards are not reported: whoever compares two different runs expects them.
    """
    for key, one, other in diff_values(a.spec, b.spec):
        yield f"{key}: {shorten_value(one)} -> {shorten_value(other)}"
    if a.wildcards == b.wildcards:
        # The study's name is left out of paths.
        first, second = ([strip_study(word) for word in record.command] for record in (a, b))
        yield from (f"option only in A: {word}" for word in first if word not in second)
        yield from (f"option only in B: {word}" for word in second if word not in first)


def strip_study(path: str) -> str:
    """A path without the study's name."""
    return re.sub(r"^(results|data)/[^/]+", r"\1/STUDY", path)


def compare_files(a: Sequence[Artefact], b: Sequence[Artefact]) -> Iterator[str]:
    """Files and folders with other hashes: paired by path, what is left by order if as many."""
    one, other = ({strip_study(x.path): x for x in side} for side in (a, b))
    pairs = [(one[path], other[path]) for path in one if path in other]
    only_a = [path for path in one if path not in other]
    only_b = [path for path in other if path not in one]
    if len(only_a) == len(only_b):
        pairs += [(one[x], other[y]) for x, y in zip(only_a, only_b, strict=True)]
    else:
        yield from (f"{path}: only in A" for path in only_a)
        yield from (f"{path}: only in B" for path in only_b)
    for x, y in pairs:
        if x.md5 != y.md5:
            names = list_changed_names(x.file_hashes, y.file_hashes)
            inside = f" (in it {join_names(names, MAX_NAMED_FILES)})" if names else ""
            yield f"{x.path} {x.md5[:HASH_DIGITS]} -> {y.md5[:HASH_DIGITS]}{inside}"
