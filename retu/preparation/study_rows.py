"""The sets of a study of files as its jobs will store them, read without storing anything."""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from retu.core.errors import InputError
from retu.data.file_records import FileCounts
from retu.data.file_sets import (
    choose_held_out,
    drop_repeated,
    make_record_reader,
    open_rows,
)
from retu.data.set_rules import hash_prompt
from retu.data.text_records import TextRecord
from retu.grading.extraction import find_last_boxes
from retu.planning.files_plan import BENCHMARKS, POOL, REFERENCE, VALIDATION, FilesPlan
from retu.planning.jobs import FileBenchmarksJob, FileSetJob, RowsJob
from retu.planning.stages import Stage


@dataclass(frozen=True)
class StudySet:
    """A set of a study: its role, its records, how its columns were read and what was left out."""

    name: str
    role: str
    file: str
    records: list[TextRecord]
    layout: str
    counts: FileCounts

    @property
    def key(self) -> str:
        """Tells it from a set of the same name in another role."""
        return f"{self.role} {self.name}"

    @property
    def identities(self) -> set[str]:
        """`hash_prompt` of its problems, and of their questions without options."""
        bare = {hash_prompt(r["question"]) for r in self.records if "question" in r}
        return {record["problem_id"] for record in self.records} | bare

    @property
    def has_trajectories(self) -> bool:
        """Whether its rows have worked answers that are trained on."""
        return self.role in ("sft", "pool", "reference", "mixed", "validation")


def find_files(plan: FilesPlan, stage: Stage, made: Collection[str]) -> list[str]:
    """The files that a stage reads; InputError for one that a rule has not made yet."""
    missing = [path for path in made if not Path(path).is_file()]
    if missing:
        command = ["snakemake", missing[0], "--config", f"study={plan.study.name}"]
        raise InputError(
            f"{missing[0]}: is made by a rule and not there yet; make it ({shlex.join(command)})"
        )
    own = [path for source in stage.sources for path in source.paths]
    return [*made, *own]


def read_study_sets(plan: FilesPlan) -> list[StudySet]:
    """All sets of a study, benchmarks first: those that training must not see.

    Raises:
        InputError: a row is not of its form, or a file is not there.
    """
    sets = read_benchmarks(plan)
    benchmarks = {name: BENCHMARKS for made in sets for name in made.identities}
    sets.append(read_set(plan, VALIDATION, "validation", benchmarks))
    judged = benchmarks | dict.fromkeys(sets[-1].identities, VALIDATION)
    own = {name: "sft" for name, made in plan.study.datasets.items() if hasattr(made, "file")}
    stored = {POOL: plan.data.pool, REFERENCE: plan.data.reference}
    for name, role in (own | {name: name for name, rows in stored.items() if rows}).items():
        sets.append(read_set(plan, name, role, judged))
    for name, rows in plan.data.prompts.items():
        sets.append(read_set(plan, name, "mixed" if rows.experts else "prompts", benchmarks))
    return sets


def read_benchmarks(plan: FilesPlan) -> list[StudySet]:
    """The benchmarks."""
    stage = plan.load_file_benchmarks()
    job = FileBenchmarksJob.model_validate_json(stage.spec)
    made = plan.find_made_files(*plan.study.benchmarks.values())
    files = dict(zip(job.read, find_files(plan, stage, made), strict=True))
    return [
        read_rows(name, "benchmark", rows, files.get(name), {}, job.hold_out.get(name))
        for name, rows in job.benchmarks.items()
    ]


def read_set(plan: FilesPlan, name: str, role: str, judged: Mapping[str, str]) -> StudySet:
    """A set that a stage of its own reads, without those `judged` problems that it leaves out."""
    stage = plan.load_file_set(name) if role == "sft" else plan.load_file_split(name)
    rows = plan.study.datasets[name] if role == "sft" else plan.find_rows(name)
    job = FileSetJob.model_validate_json(stage.spec)
    file = next(iter(find_files(plan, stage, plan.find_made_files(rows))), None)
    taken = {
        key: owner
        for key, owner in judged.items()
        if job.overlap == "leave_out" or owner in job.held_out
    }
    return read_rows(name, role, job, file, taken, job.hold_out)


def read_rows(
    name: str,
    role: str,
    job: RowsJob,
    file: str | None,
    taken: Mapping[str, str],
    hold_out: int | None,
) -> StudySet:
    """Read one set; problems that were taken out of its file are counted and left out."""
    where = file or str(job.rows.repository)
    read = open_rows(job, Path(file) if file else None)
    responses = role not in ("benchmark", "prompts")
    reader = make_record_reader(job, read, where, find_last_boxes, responses)
    counts = FileCounts()
    rows = reader.read_records(read(), counts)
    if role != "sft":
        rows = drop_repeated(rows, counts)
    kept = []
    for _, record in rows:
        owner = taken.get(record["problem_id"])
        if owner is None:
            kept.append(record)
        else:
            counts.judged[owner] += 1
    if hold_out is not None:
        kept = choose_held_out(kept, hold_out, where)
    return StudySet(name, role, where, kept, reader.layout.describe(), counts)
