"""The part of a lineage that explains an output: its jobs, and what each of them reads."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from retu.core.errors import InputError
from retu.core.run_paths import NO_DATASET, Run, parse_run
from retu.core.text import join_names
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.remedies import find_targets, format_lineage_command, format_remake_command
from retu.lineage.record import Artefact, JobRecord

HASH_DIGITS = 8
RUN_PARTS = {"base": 2, "sft": 4, "rl": 6}
REGRADED_FOLDER = "regraded"
MAX_LISTED_RANGES = 4


@dataclass(frozen=True)
class Subgraph:
    """What stands behind `target`.

    `inputs` has a job for a key when it belongs, in topological order, each after those it depends
    on. `rows` are the rows (from 1) of a table that matter, `notes` what else is to be said of a
    file; both by path. `described` is what data.dvc describes, path -> hash.
    """

    lineage: Lineage
    target: str
    inputs: Mapping[str, Sequence[Artefact]]
    rows: Mapping[str, Sequence[int]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    described: Mapping[str, str] = field(default_factory=dict)

    @property
    def job(self) -> str:
        """The job that made the target."""
        return find_producer(self.lineage, self.target)

    def list_notes(self, path: str) -> tuple[str, ...]:
        """What is to be said of a file, if anything."""
        return (self.notes[path],) if path in self.notes else ()

    def shorten_hash(self, path: str) -> str:
        """The first digits of the hash of the output that a path is, or lies in; empty if none."""
        output = self.lineage.find_output(path)
        return output.md5[:HASH_DIGITS] if output else ""

    def list_parents(self, job: str) -> dict[str, list[str]]:
        """The jobs that a job reads from, each with the paths that it reads."""
        found: dict[str, list[str]] = {}
        for artefact in self.inputs[job]:
            parent = self.lineage.find_producer(artefact.path)
            if parent:
                found.setdefault(parent, []).append(artefact.path)
        return found

    def list_sources(self, job: str) -> list[Artefact]:
        """What a job reads that no job made."""
        return [a for a in self.inputs[job] if self.lineage.find_producer(a.path) is None]

    def find_pointers(self, job: str) -> dict[str, str]:
        """What data.dvc has of a job's outputs and of what no job made: path -> hash there."""
        found = (*self.lineage.records[job].outputs, *self.list_sources(job))
        paths = [PurePosixPath(artefact.path) for artefact in found]
        return {
            path: md5
            for path, md5 in self.described.items()
            if any(inside.is_relative_to(path) for inside in paths)
        }


def trace_output(lineage: Lineage, target: str) -> Subgraph:
    """Everything behind an output; InputError when nothing is recorded of it."""
    jobs = lineage.list_ancestors([find_producer(lineage, target)])
    return Subgraph(lineage, target, {job: lineage.records[job].inputs for job in jobs})


def find_producer(lineage: Lineage, path: str) -> str:
    """The job that made an output.

    Raises:
        InputError: nothing is recorded of it.
    """
    job = lineage.find_producer(path)
    if job is not None:
        return job
    for record, broken in lineage.damaged.items():
        # `table_4.record.json` is that of `table_4.csv`.
        if record.split(".")[0] == path.split(".")[0]:
            raise InputError(broken)
    # If some job has read the path, it is an output whose record is lost.
    known = find_targets(lineage, path)
    again = f", or make it again ({format_remake_command(lineage, known)})" if known else ""
    raise InputError(
        f"{path}: no record knows it; choose an output"
        f" ({format_lineage_command(lineage, 'list')}){again}"
    )


def shorten_path(path: str, study: str) -> str:
    """A path as it is shown: without `results/STUDY/`."""
    return path.removeprefix(f"results/{study}/")


def strip_grader(path: str, study: str) -> str:
    """The path within its study, with a leading `regraded/GRADER/` removed."""
    return re.sub(rf"^{REGRADED_FOLDER}/[^/]+/", "", shorten_path(path, study))


def find_run(path: str, study: str) -> Run | None:
    """The run in whose folder a path below results/STUDY lies, if any."""
    parts = strip_grader(path, study).split("/")
    count = RUN_PARTS.get(parts[0], 0)
    count += parts[count : count + 1] != [] and parts[count].startswith("rung")
    try:
        return parse_run("/".join(parts[:count])) if count else None
    except InputError:
        return None


def describe_settings(record: JobRecord) -> str:
    """What a job was told, in brief: model, data set, step, recipe, protocol, seeds, grader."""
    given = record.wildcards
    run = given.get("run", "")
    by = f"by {given['grader']}" if "grader" in given else ""
    if "/" in run:
        return " ".join(filter(None, [format_run(parse_run(run)), by]))
    words = [given.get("model", ""), given.get("dataset", "").replace(NO_DATASET, "no SFT")]
    if given.get("sft_step", "0") != "0":
        words.append(f"step {given['sft_step']}")
    words += [given.get("recipe", ""), given.get("protocol", ""), run]
    words.append(format_seeds([int(given["seed"])] if "seed" in given else record.seeds))
    return " ".join(word for word in [*words, by] if word)


def format_run(run: Run) -> str:
    """A run in words."""
    words = [run.model]
    if run.kind != "base":
        words.append(run.dataset.replace(NO_DATASET, "no SFT"))
        words += [f"step {run.sft_step}"] if run.sft_step else []
        words += [run.recipe] if run.recipe else []
        words.append(format_seeds([run.seed]))
        words += [f"rung {run.rung}"] if run.rung else []
    return " ".join(words)


def format_seeds(seeds: Sequence[int]) -> str:
    """Seeds in words."""
    words = ", ".join(map(str, seeds))
    return f"seed{'s' if len(seeds) > 1 else ''} {words}" if seeds else ""


def format_row_ranges(numbers: Sequence[int]) -> str:
    """Rows in words: `row 3`, `rows 5-12, 20`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    told = ["-".join(map(str, part)) for part in parts]
    return f"row{'s' if len(numbers) != 1 else ''} {join_names(told, MAX_LISTED_RANGES)}"
