"""Two records of the same job: in what they differ, from code to outputs."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retu.core.text import listed
from retu.lineage.graph.config_sources import shown
from retu.lineage.graph.stale_causes import differences
from retu.lineage.graph.subgraph import DIGITS
from retu.lineage.record import Artefact, Record

CHANCE = (
    "same inputs, code and environment, different output: not deterministic, or another machine"
)
# What a job reads and writes is no difference of its own.
CARRIED = ("inputs", "outputs")


@dataclass(frozen=True)
class Difference:
    """Two records and the parts in which they differ, part -> texts; empty when they do not."""

    a: Record
    b: Record
    parts: Mapping[str, Sequence[str]]

    @property
    def own(self) -> list[str]:
        """The parts in which the jobs differ whatever they read."""
        return [part for part in self.parts if part not in CARRIED]


def compare(a: Record, b: Record, made: Callable[[str], bool]) -> Difference:
    """Compare two records of a job: what decided it, what it read, what it wrote.

    `made` tells whether a job made a path that is read. What no job made (data, downloads) is a
    difference of the reader's own: nothing before it explains it.
    """
    if a.rule != b.rule:
        return Difference(a, b, {"rule": (f"{a.rule} -> {b.rule}",)})
    sources_a, carried_a = split(a.inputs, made)
    sources_b, carried_b = split(b.inputs, made)
    found = {
        "code": list(code(a, b)),
        "environment": list(environment(a, b)),
        "specification": list(told_otherwise(a, b)),
        "facts": list(changed(a.facts, b.facts)),
        "data": list(files(sources_a, sources_b)),
        "inputs": list(files(carried_a, carried_b)),
    }
    outputs = list(files(a.outputs, b.outputs))
    if outputs and not any(found.values()):
        one, other = a.environment.variables, b.environment.variables
        found["chance"] = [CHANCE, *changed(a.host, b.host), *changed(one, other)]
    found["outputs"] = outputs
    return Difference(a, b, {part: tuple(texts) for part, texts in found.items() if texts})


def split(
    inputs: Sequence[Artefact], made: Callable[[str], bool]
) -> tuple[list[Artefact], list[Artefact]]:
    """What no job made, and what a job made."""
    return [a for a in inputs if not made(a.path)], [a for a in inputs if made(a.path)]


def changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """The names whose values differ, in words; digests are not worth printing."""
    for name in sorted({*a, *b}):
        if name not in b:
            yield f"{name}: only in A"
        elif name not in a:
            yield f"{name}: only in B"
        elif a[name] != b[name]:
            digests = all(is_digest(value) for value in (a[name], b[name]))
            yield name if digests else f"{name}: {shown(a[name])} -> {shown(b[name])}"


def is_digest(value: Any) -> bool:
    """Whether a value is 16 hexadecimal digits."""
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{16}", value) is not None


def code(a: Record, b: Record) -> Iterator[str]:
    """Another script, other modules, or other options in its rules."""
    one, other = a.code, b.code
    if one.module != other.module:
        yield f"{one.module} -> {other.module}"
        return
    yield from changed(one.modules, other.modules)
    # Records from before the options were kept have none.
    if one.options and other.options and one.options != other.options:
        yield f"the options that rules give {one.module}"


def environment(a: Record, b: Record) -> Iterator[str]:
    """Another lock, or other versions."""
    one, other = a.environment, b.environment
    if (one.lock, one.digest) != (other.lock, other.digest):
        yield f"lock {one.lock} {one.digest[:DIGITS]} -> {other.lock} {other.digest[:DIGITS]}"
    yield from changed(one.versions, other.versions)


def told_otherwise(a: Record, b: Record) -> Iterator[str]:
    """Keys of the specification with other values; other options where the wildcards are equal.

    Wildcards themselves do not count: where they differ, one asked to compare two runs.
    """
    for key, one, other in differences(a.spec, b.spec):
        yield f"{key}: {shown(one)} -> {shown(other)}"
    if a.wildcards == b.wildcards:
        first, second = options(a), options(b)
        yield from (f"option only in A: {word}" for word in first if word not in second)
        yield from (f"option only in B: {word}" for word in second if word not in first)


def options(record: Record) -> list[str]:
    """The options of the script, with the study's name left out of paths."""
    return [general(word) for word in record.command]


def general(path: str) -> str:
    """A path without the study's name."""
    return re.sub(r"^(results|data)/[^/]+", r"\1/STUDY", path)


def files(a: Sequence[Artefact], b: Sequence[Artefact]) -> Iterator[str]:
    """Files and folders with other hashes: paired by path, what is left by order if as many."""
    one, other = ({general(x.path): x for x in side} for side in (a, b))
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
            yield f"{x.path} {x.md5[:DIGITS]} -> {y.md5[:DIGITS]}{inside(x, y)}"


def inside(a: Artefact, b: Artefact) -> str:
    """Which files of a folder differ."""
    one, other = ({file.path: file.md5 for file in side.files} for side in (a, b))
    names = [path for path in {**one, **other} if one.get(path) != other.get(path)]
    return f" (in it {listed(names, 3)})" if names else ""
