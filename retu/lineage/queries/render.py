"""Lineage as a tree on the terminal, as JSON and as a Mermaid graph."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from retu.core.text import cut_end, cut_middle
from retu.lineage.graph.provenance import describe_provenance
from retu.lineage.graph.resolve import JobStates
from retu.lineage.graph.subgraph import (
    HASH_DIGITS,
    Subgraph,
    describe_settings,
    format_row_ranges,
    shorten_path,
)
from retu.lineage.storage.stored_outputs import DATA_POINTER

MANIFEST = "manifest.json"
MIN_NAME = 24
MAX_LISTED_FACTS = 3


@dataclass(frozen=True)
class TreeLine:
    """A line of the tree: what was read of a job (or of a source), and what made it."""

    branch: str
    name: str
    rule: str
    digest: str
    words: tuple[str, ...]
    job: str = ""
    again: bool = False


@dataclass
class TreeWalker:
    """Walks a view depth first; `seen` are the jobs whose sub-tree is printed already."""

    view: Subgraph
    seen: set[str] = field(default_factory=set)

    def walk_jobs(
        self, job: str, read: Sequence[str], branch: str, below: str
    ) -> Iterator[TreeLine]:
        """The line of a job and of all it depends on.

        Args:
            job: path of its record.
            read: what of its outputs is read.
            branch: box characters before its line.
            below: those before the lines below it.
        """
        again = job in self.seen
        self.seen.add(job)
        yield self.make_job_line(job, read, branch, again)
        if again:
            return
        parents = list(self.view.list_parents(job).items())
        leaves = [line for _, line in list_source_lines(self.view, job)]
        marks = [("├─ ", "│  ")] * (len(parents) + len(leaves) - 1) + [("└─ ", "   ")]
        for (parent, paths), (mark, rest) in zip(parents, marks, strict=False):
            yield from self.walk_jobs(parent, paths, below + mark, below + rest)
        for leaf, (mark, _) in zip(leaves, marks[len(parents) :], strict=False):
            yield replace(leaf, branch=below + mark)

    def make_job_line(self, job: str, read: Sequence[str], branch: str, again: bool) -> TreeLine:
        """The line of a job: the first output that is read, and the names of the others."""
        record, study = self.view.lineage.records[job], self.view.lineage.study
        first, *others = sorted(read, key=lambda path: path.endswith(MANIFEST))
        names = [PurePosixPath(path).name for path in others if not path.endswith(MANIFEST)]
        digest = self.view.shorten_hash(first)
        rows = self.view.rows.get(first)
        words = [
            describe_settings(record),
            format_row_ranges(rows) if rows else "",
            *self.view.list_notes(first),
            f"with {', '.join(names)}" if names else "",
        ]
        kept = tuple(word for word in words if word)
        return TreeLine(branch, shorten_path(first, study), record.rule, digest, kept, job, again)


def list_source_lines(view: Subgraph, job: str) -> list[tuple[str, TreeLine]]:
    """Lines of what no job made: data without a record, facts kept with the code, data.dvc."""
    data = [a for a in view.list_sources(job) if not a.path.endswith(MANIFEST)]
    lines = [
        (a.path, TreeLine("", a.path, "no record", a.md5[:HASH_DIGITS], view.list_notes(a.path)))
        for a in data
    ]
    folders: dict[str, list[str]] = {}
    for name in view.lineage.records[job].facts:
        folders.setdefault(str(PurePosixPath(name).parent), []).append(name)
    for folder, names in folders.items():
        if len(names) > MAX_LISTED_FACTS:
            lines.append((folder, TreeLine("", f"{folder}/", "fact", "", (f"{len(names)} files",))))
        else:
            facts = view.lineage.records[job].facts
            lines += [
                (name, TreeLine("", name, "fact", facts[name][:HASH_DIGITS], ())) for name in names
            ]
    for path, md5 in view.find_pointers(job).items():
        line = TreeLine("", DATA_POINTER, "pointer", md5[:HASH_DIGITS], (path,))
        lines.append((f"{DATA_POINTER} ({path})", line))
    return lines


def format_tree(view: Subgraph, standing: JobStates, width: int = 0) -> str:
    """The tree; `width` is that of the terminal, 0 for lines as long as they come."""
    lines = list(TreeWalker(view).walk_jobs(view.job, [view.target], "", ""))
    repeated = dict.fromkeys(line.job for line in lines if line.again)
    numbers = {job: number for number, job in enumerate(repeated, 1)}
    return "\n".join(align_lines(lines, numbers, standing, width))


def align_lines(
    lines: Sequence[TreeLine], numbers: dict[str, int], standing: JobStates, width: int
) -> Iterator[str]:
    """Align the lines, and cut them to the width."""
    left = max(len(line.branch) + len(line.name) for line in lines)
    rule = max(len(line.rule) for line in lines)
    if width:
        left = min(left, max(MIN_NAME, width - rule - HASH_DIGITS - MIN_NAME))
    for line in lines:
        name = cut_middle(line.name, max(MIN_NAME // 2, left - len(line.branch)))
        number = numbers.get(line.job)
        state = standing.describe_state(line.job) if line.job else ""
        reference = f"see [{number}]" if line.again else f"[{number}]" if number else ""
        tail = [reference, "; ".join(filter(None, [state, *line.words]))]
        digest = line.digest.ljust(HASH_DIGITS)
        start = f"{(line.branch + name).ljust(left)}  {line.rule.ljust(rule)}  {digest}"
        yield cut_end("  ".join([start, *filter(None, tail)]), width)


def serialise_tree(view: Subgraph, standing: JobStates) -> dict[str, Any]:
    """All that the tree shows and more, for programs."""
    jobs = [serialise_job(view, job, standing) for job in reversed(list(view.inputs))]
    return {
        "output": view.target,
        "study": view.lineage.study,
        "lineage": view.lineage.digest_lineage(view.target),
        "stale_unknown": standing.unknown or None,
        "jobs": jobs,
        **describe_provenance(view),
    }


def serialise_job(view: Subgraph, job: str, standing: JobStates) -> dict[str, Any]:
    """A job of the view."""
    record = view.lineage.records[job]
    outputs = [
        {"path": a.path, "md5": a.md5, "size": a.size, "rows": list(view.rows.get(a.path, ()))}
        for a in record.outputs
    ]
    read = [
        {"path": a.path, "md5": a.md5, "made_by": view.lineage.find_producer(a.path)}
        for a in view.inputs[job]
    ]
    return {
        "record": job,
        "rule": record.rule,
        "wildcards": record.wildcards,
        "key": record.key,
        "state": standing.get_state(job),
        "seeds": record.seeds,
        "commit": record.git.commit,
        "code": record.code.digest,
        "environment": record.environment.lock,
        "facts": record.facts,
        "pointers": [
            {"path": DATA_POINTER, "describes": path, "md5": md5}
            for path, md5 in view.find_pointers(job).items()
        ],
        "inputs": read,
        "outputs": outputs,
    }


def format_mermaid(view: Subgraph, standing: JobStates) -> str:
    """The graph in Mermaid's language, from the data down to the target."""
    names = {job: f"j{number}" for number, job in enumerate(view.inputs)}
    read: dict[str, dict[str, None]] = {view.job: {view.target: None}}
    for job in names:
        for parent, paths in view.list_parents(job).items():
            read.setdefault(parent, {}).update(dict.fromkeys(paths))
    found = {path: line for job in names for path, line in list_source_lines(view, job)}
    data = {path: f"s{number}" for number, path in enumerate(found)}
    nodes = [
        f"  {name}[{quote_label(format_job_label(view, job, list(read[job])))}]"
        + (":::stale" if standing.describe_state(job) else "")
        for job, name in names.items()
    ]
    nodes += [
        f"  {data[path]}[({quote_label([path, f'{line.rule} {line.digest}'.strip()])})]"
        for path, line in found.items()
    ]
    edges = [
        f"  {start} --> {name}"
        for job, name in names.items()
        for start in [
            *(data[path] for path, _ in list_source_lines(view, job)),
            *(names[parent] for parent in view.list_parents(job)),
        ]
    ]
    style = ["  classDef stale stroke:#c00,stroke-dasharray:4"]
    styles = style if standing.stale or standing.edits else []
    return "\n".join(["flowchart TD", *nodes, *edges, *styles])


def format_job_label(view: Subgraph, job: str, read: Sequence[str]) -> list[str]:
    """The lines of a job's node: the first output that is read, rule and hash, what it was told."""
    record = view.lineage.records[job]
    others = sum(not path.endswith(MANIFEST) for path in read[1:])
    name = shorten_path(read[0], view.lineage.study) + (f" +{others}" if others else "")
    return [name, f"{record.rule} {view.shorten_hash(read[0])}", describe_settings(record)]


def quote_label(lines: Sequence[str]) -> str:
    """A label of several lines."""
    return '"' + "<br>".join(line.replace('"', "#quot;") for line in lines if line) + '"'
