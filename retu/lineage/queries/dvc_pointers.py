"""A study's records as DVC's files: lineage/STUDY/dvc.yaml and dvc.lock, and the cache behind them.

Snakemake runs, DVC records: each job that the present plan still has is a stage, its inputs and
outputs with the hashes of its record, as `dvc commit` would write them. What a `data.dvc` in the
project's root describes is left to that file.
"""

import argparse
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.core.hashing import list_files_below
from retu.core.text import join_names, print_lines
from retu.lineage.graph.dvc_lock import (
    DVC_LOCK_FILE,
    PIPELINE,
    POINTERS_FOLDER,
    SIGNATURE_FILE,
    find_data_path,
    get_pointer_folder,
    lock_pointers,
    name_stages,
    to_yaml,
)
from retu.lineage.graph.record_graph import RECORDED_FOLDERS, Lineage, read_lineage
from retu.lineage.graph.remedies import format_lineage_command, list_config_options
from retu.lineage.graph.resolve import load_current_plan, resolve_study
from retu.lineage.graph.stale_causes import find_planned_stage, is_record_current
from retu.lineage.queries.verify_checks import find_unrecorded_paths
from retu.lineage.queries.verify_findings import CheckedStudy
from retu.lineage.record import Artefact, JobRecord
from retu.lineage.storage.dvc_cache import find_local_cache
from retu.lineage.storage.dvc_metrics import METRICS_FILE, list_plots, read_tables
from retu.lineage.storage.stage_keys import add_key
from retu.lineage.storage.stored_outputs import (
    cache_data,
    cache_outputs,
    check_record_links,
    hash_current_path,
    read_data_hashes,
    select_made_data,
)
from retu.planning.analysis_plan import AnalysisPlan

GENERATED_NOTE = (
    "# Written by `snakemake lineage` from the study's records; commit it, do not edit it.\n"
)
MAX_NAMED_LEFTOVERS = 8


@dataclass(frozen=True)
class RecordingResult:
    """What was written: stages, their files and bytes, and what is to be said of the rest.

    `gaps` counts what the plan contains but the pointers omit: jobs after a gap and files without a
    record.
    """

    stages: int
    files: int
    size: int
    notes: tuple[str, ...]
    gaps: int = 0


@dataclass(frozen=True)
class Pointers:
    """The pointers of some records of a study; `data` are the paths that data.dvc describes."""

    root: Path
    lineage: Lineage
    records: Mapping[str, JobRecord]
    data: Mapping[str, str]

    @cached_property
    def stage_names(self) -> dict[str, str]:
        """Job -> name of its stage."""
        return name_stages(self.lineage.study, self.records)

    @cached_property
    def file_counts(self) -> dict[str, int]:
        """Folder -> number of its files, as far as a record lists them."""
        made = [artefact for record in self.records.values() for artefact in record.outputs]
        return {artefact.path: len(artefact.files) for artefact in made if artefact.files}

    def list_entries(self, job: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What a stage reads and what it makes, as dvc.lock has them, sorted by path."""
        record = self.records[job]
        reads = {made.path: made for made in record.inputs}
        makes = {job: hash_current_path(self.root, job)}
        for made in record.outputs:
            if name := find_data_path(made.path, self.data):
                reads[name] = hash_current_path(self.root, name)
            else:
                makes[made.path] = made
        first, second = (
            [self.make_entry(table[path]) for path in sorted(table)] for table in (reads, makes)
        )
        return first, second

    def make_entry(self, artefact: Artefact) -> dict[str, Any]:
        """A file or folder as dvc.lock has it."""
        entry = {"path": artefact.path, "hash": "md5", "md5": artefact.md5, "size": artefact.size}
        if artefact.is_folder:
            listed = len(artefact.files) or self.file_counts.get(artefact.path)
            entry["nfiles"] = listed or len(list_files_below(self.root / artefact.path))
        return entry

    def write_files(self, plan: AnalysisPlan) -> None:
        """Write all files, each in one step; those that the lock tells of come before it."""
        stages, lock = {}, {}
        study = self.lineage.study
        config = list_config_options(plan.config.study, plan.config.branching)
        for job in sorted(self.records, key=self.stage_names.__getitem__):
            record, name = self.records[job], self.stage_names[job]
            reads, makes = self.list_entries(job)
            again = shlex.join(["snakemake", record.path, *config])
            command = add_key(again, find_planned_stage(record, plan))
            found = {"deps": reads} if reads else {}
            lock[name] = {"cmd": command, **found, "outs": makes}
            paths = {kind: [entry["path"] for entry in e] for kind, e in found.items()}
            outs = [entry["path"] for entry in makes]
            # DVC parses every line of this each time; what else is known is in the record.
            stages[name] = {"cmd": command, "wdir": "../..", **paths, "outs": outs}
        folder = get_pointer_folder(self.root, study)
        known = self.records.values()
        made = [artefact.path for record in known for artefact in record.outputs]
        others = [path for path in made if find_data_path(path, self.data)]
        plots = list_plots(known, f"{POINTERS_FOLDER}/{study}", others)
        shown = {"metrics": [METRICS_FILE], **({"plots": plots} if plots else {})}
        # All texts are made before the first is written.
        texts = {
            METRICS_FILE: json.dumps(read_tables(self.root, known), indent=1) + "\n",
            PIPELINE: GENERATED_NOTE + to_yaml({"stages": stages, **shown}),
            DVC_LOCK_FILE: to_yaml({"schema": "2.0", "stages": lock}),
        }
        for name, text in texts.items():
            write_text(folder / name, text)


def record_study(root: Path, study: str, plan: AnalysisPlan | None = None) -> RecordingResult:
    """Read a study's records and write its pointers, one process at a time.

    Without `plan`, that of the project as it is.

    Raises:
        InputError: no records, a damaged one, or a file that has changed since its record.
    """
    with lock_pointers(root, study):
        lineage = read_lineage(root, study)
        return write_pointers(root, lineage, plan or load_current_plan(root, lineage))


def write_pointers(root: Path, lineage: Lineage, plan: AnalysisPlan) -> RecordingResult:
    """Fill DVC's cache with what the records describe and write lineage/STUDY.

    Raises:
        InputError: a damaged record, records that do not fit together, or a file that has changed
            since its record was written.
    """
    if lineage.damaged:
        first, *more = lineage.damaged.values()
        raise InputError(f"{first}{f' (and {len(more)} more like it)' if more else ''}")
    signed = read_signed_lock(root, lineage.study)
    data = read_data_hashes(root)
    planned = select_current_records(lineage, plan)
    current = select_connected_records(Lineage(lineage.study, planned), data)
    check_record_links(lineage, current)
    pointers = Pointers(root, lineage, current, data)
    cache = find_local_cache(root)
    notes, gaps = describe_leftovers(root, lineage, planned, current, data)
    if cache is None:
        notes.append(".dvc: is not here, so no cache was filled; get it from the project's git")
    else:
        for record in current.values():
            cache_outputs(root, cache, record)
        notes += cache_data(root, cache, select_made_data(data, current.values()))
    pointers.write_files(plan)
    if signed not in (b"", read_signed_lock(root, lineage.study)):
        where = f"{POINTERS_FOLDER}/{lineage.study}/{SIGNATURE_FILE}"
        notes.append(f"{where}: is of the lock as it was; sign again (retu lineage sign --help)")
    made = [artefact for record in current.values() for artefact in record.outputs]
    files = sum(len(artefact.files) or 1 for artefact in made)
    return RecordingResult(
        len(current), files, sum(artefact.size for artefact in made), tuple(notes), gaps
    )


def read_signed_lock(root: Path, study: str) -> bytes:
    """The lock of a study if there is a signature of it; empty otherwise."""
    path = get_pointer_folder(root, study) / DVC_LOCK_FILE
    there = path.is_file() and path.with_name(SIGNATURE_FILE).is_file()
    return path.read_bytes() if there else b""


def select_current_records(lineage: Lineage, plan: AnalysisPlan) -> dict[str, JobRecord]:
    """The records that the present plan would make again as they are, one a job: the newest."""
    chosen: dict[tuple[object, ...], str] = {}
    newest = sorted(lineage.records, key=lambda job: lineage.records[job].usage.ended)
    for job in newest:
        record = lineage.records[job]
        if is_record_current(record, plan):
            chosen[record.job_name] = job
    return {job: lineage.records[job] for job in sorted(chosen.values())}


def select_connected_records(lineage: Lineage, data: Mapping[str, str]) -> dict[str, JobRecord]:
    """The records of jobs all of whose ancestors are among the records, or in data.dvc."""
    kept: dict[str, JobRecord] = {}
    for job in lineage.order:
        record = lineage.records[job]
        read = [made.path for made in record.inputs if made.path.split("/")[0] in RECORDED_FOLDERS]
        makers = [lineage.find_producer(path) for path in read if not find_data_path(path, data)]
        if all(maker in kept for maker in makers):
            kept[job] = record
    return kept


def describe_leftovers(
    root: Path,
    lineage: Lineage,
    planned: Mapping[str, JobRecord],
    current: Mapping[str, JobRecord],
    data: Mapping[str, str],
) -> tuple[list[str], int]:
    """A line each on records not of the present plan, on gaps before jobs, on lost records.

    And how many jobs and files of the present plan are left out.
    """
    others = [job for job in lineage.order if job not in planned]
    cut_off = [job for job in lineage.order if job in planned and job not in current]
    stray = find_unrecorded_paths(CheckedStudy(root, lineage))
    lost = [path for path in stray if not find_data_path(path, data)]
    why = format_lineage_command(lineage, "why", "--stale")
    verify = format_lineage_command(lineage, "verify")
    told = (
        ("made by other code or settings than now", others, why),
        ("something that it was made from is left out or has no record", cut_off, verify),
        ("has no record", lost, verify),
    )
    notes = [
        f"left out, {reason}: {join_names(names, MAX_NAMED_LEFTOVERS)} ({remedy})"
        for reason, names, remedy in told
        if names
    ]
    return notes, len(cut_off) + len(lost)


def run_record(options: argparse.Namespace) -> int:
    """`retu lineage record`: write the pointers of a study; 1 when they leave out what it has."""
    study = resolve_study(options.root, options.study)
    done = record_study(options.root, study)
    print_lines([*done.notes, summarise_recording(study, done)])
    return 1 if done.gaps else 0


def summarise_recording(study: str, done: RecordingResult) -> str:
    """What was recorded, in a line."""
    size = f"{done.size / 1e9:.2f} GB" if done.size >= 1e9 else f"{done.size / 1e6:.1f} MB"
    gaps = f"; it is not all of the study: {done.gaps} left out" if done.gaps else ""
    return f"{POINTERS_FOLDER}/{study}: {done.stages} stages, {done.files} files, {size}{gaps}"
