"""`retu lineage list` and `retu lineage show`: the jobs of a study, and all of one record."""

import argparse
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retu.core.markdown import align_columns
from retu.core.text import format_quantity, format_rest, print_lines
from retu.lineage.graph.ancestry_gaps import find_gaps, format_gaps
from retu.lineage.graph.edited_files import EditedFile, find_edits
from retu.lineage.graph.provenance import format_commit
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.graph.remedies import format_lineage_command
from retu.lineage.graph.resolve import (
    JobStates,
    assess_jobs,
    read_output_lineage,
    resolve_study,
)
from retu.lineage.graph.subgraph import HASH_DIGITS, find_producer, shorten_path
from retu.lineage.record import Artefact, JobRecord, LockedEnvironment
from retu.lineage.storage.stored_outputs import read_data_hashes

KILO = 1024
HEADERS = ("rule", "output", "ended (UTC)", "seconds", "key", "state")
NUMERIC_HEADERS = frozenset({"seconds"})


def run_list(options: argparse.Namespace) -> int:
    """Print the jobs of a study, each after those it depends on."""
    study = resolve_study(options.root, options.study)
    lineage = read_lineage(options.root, study)
    state = assess_jobs(options.root, lineage)
    jobs = [describe_job(lineage, job, state) for job in lineage.order]
    if options.json:
        told = {"study": study, "jobs": jobs, "damaged": dict(lineage.damaged)}
        print(json.dumps(told, indent=1))
        return 0
    right = [name in NUMERIC_HEADERS for name in HEADERS]
    print_lines(align_columns([HEADERS, *map(format_job_row, jobs)], right))
    print_lines(["", *format_totals(lineage, state, read_data_hashes(options.root))])
    return 0


def describe_job(lineage: Lineage, job: str, state: JobStates) -> dict[str, Any]:
    """A job in the list."""
    record = lineage.records[job]
    return {
        "record": job,
        "rule": record.rule,
        "output": format_first_output(record, lineage.study),
        "outputs": [artefact.path for artefact in record.outputs],
        "ended": record.usage.ended,
        "seconds": record.usage.seconds,
        "key": record.key,
        "state": state.get_state(job),
    }


def format_job_row(job: dict[str, Any]) -> tuple[str, ...]:
    """A job's line in the list, in the order of `HEADERS`."""
    ended = job["ended"][:19].replace("T", " ")
    digits = job["key"][:HASH_DIGITS]
    return job["rule"], job["output"], ended, f"{job['seconds']:.1f}", digits, job["state"]


def format_first_output(record: JobRecord, study: str) -> str:
    """The first output, and how many there are besides."""
    more = f" +{len(record.outputs) - 1}" if len(record.outputs) > 1 else ""
    return shorten_path(record.outputs[0].path, study) + more


def format_totals(
    lineage: Lineage, state: JobStates, described: Mapping[str, str]
) -> Iterator[str]:
    """How many jobs there are, and what is wrong with how many of them."""
    count = format_quantity(len(lineage.records))
    yield state.summarise_states(count, lineage.records, lineage.study, known=True)
    yield from format_edit_count(lineage, state.edits)
    yield from format_gaps(lineage, find_gaps(lineage, lineage.records, described))
    yield from (f"damaged: {text}" for text in lineage.damaged.values())


def format_edit_count(lineage: Lineage, edits: Sequence[EditedFile]) -> Iterator[str]:
    """What is not as recorded, in a line."""
    if edits:
        ask = format_lineage_command(lineage, "verify")
        yield f"{'edited':<12} {edits[0]}{format_rest(len(edits), 1)}; what to do: {ask}"


def run_show(options: argparse.Namespace) -> int:
    """Print the record of the job that made an output; 1 when its files are not as recorded."""
    path, lineage = read_output_lineage(options.root, options.output)
    record = lineage.records[find_producer(lineage, path)]
    if options.json:
        print(json.dumps(record.model_dump(), indent=1))
        return 1 if find_edits(options.root, lineage, [record.path]) else 0
    state = assess_jobs(options.root, lineage, [record.path])
    print_lines(format_edit_count(lineage, state.edits))
    for name, lines in format_record(record, state.get_state(record.path)):
        for index, line in enumerate(lines):
            print(f"{name if index == 0 else '':<12} {line}".rstrip())
    return 1 if state.edits else 0


def format_record(record: JobRecord, state: str) -> Iterator[tuple[str, list[str]]]:
    """Everything in a record: name and lines of each part."""
    given = [f"{name} {value}" for name, value in record.wildcards.items()]
    yield "job", [" ".join([record.rule, *(f"({text})" for text in given)])]
    yield "state", [state]
    yield "key", [record.key]
    yield "outputs", [format_artefact(artefact) for artefact in record.outputs]
    yield "inputs", [format_artefact(artefact) for artefact in record.inputs] or ["none"]
    yield (
        "local",
        [f"{s.md5}  {s.folder}/{s.path}  {format_byte_count(s.size)}" for s in record.sources]
        or ["none"],
    )
    yield "facts", [f"{digest}  {name}" for name, digest in record.facts.items()] or ["none"]
    yield "told", list(format_spec(record.spec)) or ["nothing"]
    yield "options", [shlex.join(record.command)]
    yield "config", [f"{name}: {value}" for name, value in record.config.items()]
    yield "seeds", [", ".join(map(str, record.seeds)) or "none"]
    yield "code", [f"{record.code.module}, digest {record.code.digest}", format_commit(record.git)]
    yield "modules", [f"{digest}  {name}" for name, digest in record.code.modules.items()]
    used = record.environment
    only = f" (packages: {' '.join(used.packages)})" if used.packages else ""
    yield "environment", [f"{used.lock}, digest {used.digest}{only}"]
    yield "versions", [format_version(used, name) for name in used.versions]
    yield "variables", [f"{name}={value}" for name, value in used.variables.items()] or ["none"]
    yield "host", [f"{name}: {value}" for name, value in record.host.items()]
    yield "SLURM job", [record.slurm_job or "none"]
    yield "cost", list(format_usage(record))
    yield "record", [f"{record.path}, digest {record.digest}, version {record.version}"]


def format_version(used: LockedEnvironment, name: str) -> str:
    """A library that was loaded; where the lock has another version, which."""
    unlike = f" (not as locked: {used.differs[name]})" if name in used.differs else ""
    return f"{name} {used.versions[name]}{unlike}"


def format_artefact(artefact: Artefact) -> str:
    """A file or folder with its hash and size."""
    inside = f" in {len(artefact.files)} files" if artefact.files else ""
    return f"{artefact.md5}  {artefact.path}  {format_byte_count(artefact.size)}{inside}"


def format_byte_count(count: int) -> str:
    """Bytes in words."""
    if count < KILO:
        return f"{count} B"
    value, unit = count / KILO, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if value < KILO:
            break
        value, unit = value / KILO, larger
    return f"{value:.1f} {unit}"


def format_spec(spec: Any, name: str = "") -> Iterator[str]:
    """A specification with one line a value: `recipe.steps: 6`."""
    if isinstance(spec, dict) and spec:
        for key, value in spec.items():
            yield from format_spec(value, f"{name}.{key}" if name else str(key))
    elif spec is not None or name:
        text = json.dumps(spec, ensure_ascii=False)
        yield f"{name}: {text}" if name else text


def format_usage(record: JobRecord) -> Iterator[str]:
    """Times, memory and compute."""
    used = record.usage
    yield f"{used.started} to {used.ended}"
    yield (
        f"{used.seconds:.1f} s, of which {used.recording_seconds:.2f} s for this record;"
        f" {used.cpu_seconds:.1f} s of CPU"
    )
    gpu = used.peak_gpu_memory_mb
    if used.resumed:
        yield "resumed: times and memory are those of the last attempt"
    yield f"{used.peak_memory_mb:.0f} MB of memory" + (f", {gpu:.0f} MB on GPUs" if gpu else "")
    if used.eflops is not None:
        yield f"{used.eflops:.6g} EFLOPs ({used.eflops * 1e18:.3g} FLOPs) of training"
