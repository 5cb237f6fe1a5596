"""A made-up finished study: real files, and records as the smoke study's plan has them now."""

import functools
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retu.config.load import load_training_study
from retu.config.study import Config
from retu.core.hashing import hash_tree
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.queries.verify import VerifyReport, verify_study
from retu.lineage.record import (
    Artefact,
    CodeDigests,
    GitCommit,
    JobRecord,
    LockedEnvironment,
    ResourceUsage,
    find_seeds,
    read_record,
    write_record,
)
from retu.planning import code_identity
from retu.planning.lab_plan import LabPlan
from retu.planning.stages import ROOT, digest_lock

RESULTS, DATA = "results/smoke", "data/smoke"
SFT = f"{RESULTS}/sft/LabQwen/LabFull/seed0"
BASE = f"{RESULTS}/base/LabQwen"
WEIGHTS = f"{SFT}/checkpoints/step-000020/model.safetensors"
TABLE = f"{RESULTS}/tables/table_4.csv"
TOLD_BY_OPTIONS = frozenset({"make_table_4", "make_report", "subphases"})
"""Rules whose scripts have no `--spec`."""


@dataclass(frozen=True)
class MadeJob:
    """A job: its record, rule and wildcards, what it reads and what it writes (path -> content)."""

    record: str
    rule: str
    wildcards: Mapping[str, str]
    inputs: Sequence[str]
    outputs: Mapping[str, str]


RUN = {"model": "LabQwen", "dataset": "LabFull", "seed": "0"}
CHECKPOINTS = {
    f"{SFT}/checkpoints/step-0000{step}/model.safetensors": f"weights {step}" for step in (10, 20)
}
JOBS = (
    MadeJob(
        f"{DATA}.record.json",
        "make_data",
        {},
        [],
        {f"{DATA}/{name}.parquet": name for name in ("pool", "benchmarks")},
    ),
    MadeJob(
        f"{BASE}/train.record.json",
        "pretrain_base",
        {"model": "LabQwen"},
        [f"{DATA}/pool.parquet"],
        {f"{BASE}/checkpoints/step-000080/model.safetensors": "base"},
    ),
    MadeJob(
        f"{SFT}/train.record.json",
        "train_sft",
        RUN,
        [f"{BASE}/checkpoints", f"{DATA}/pool.parquet"],
        {**CHECKPOINTS, f"{SFT}/losses.csv": "step,loss\n20,1.5\n"},
    ),
    MadeJob(
        f"{SFT}/generations.record.json",
        "generate_sft",
        RUN,
        [f"{SFT}/checkpoints", f"{DATA}/benchmarks.parquet"],
        {f"{SFT}/generations.parquet": "answers"},
    ),
    MadeJob(
        f"{SFT}/grades.record.json",
        "grade",
        {"run": "sft/LabQwen/LabFull/seed0"},
        [f"{SFT}/generations.parquet"],
        {f"{SFT}/grades.parquet": "grades"},
    ),
    MadeJob(
        f"{SFT}/subphases.record.json",
        "label_subphases",
        RUN,
        [f"{SFT}/losses.csv"],
        {f"{SFT}/subphases.csv": "step\n20\n"},
    ),
    MadeJob(
        f"{RESULTS}/subphases.record.json",
        "subphases",
        {},
        [f"{SFT}/subphases.csv"],
        {f"{RESULTS}/subphases.csv": "step\n20\n"},
    ),
    MadeJob(
        f"{RESULTS}/curves.record.json",
        "curves",
        {},
        [f"{SFT}/grades.parquet"],
        {f"{RESULTS}/curves.csv": "step,score\n20,0.5\n"},
    ),
    MadeJob(
        f"{RESULTS}/fits/robust.record.json",
        "fit_curves",
        {"protocol": "robust"},
        [f"{RESULTS}/curves.csv", f"{RESULTS}/subphases.csv"],
        {f"{RESULTS}/fits/robust.csv": "a_post\n71.5\n"},
    ),
    MadeJob(
        f"{RESULTS}/tables/table_4.record.json",
        "make_table_4",
        {},
        [f"{RESULTS}/fits/robust.csv"],
        {TABLE: "a_post\n71.5\n", f"{RESULTS}/tables/table_4.md": "| 71.5 |\n"},
    ),
    MadeJob(
        f"{RESULTS}/report.record.json",
        "make_report",
        {},
        [TABLE, f"{RESULTS}/tables/table_4.record.json"],
        {f"{RESULTS}/report.html": "<p>71.5</p>"},
    ),
)
AFTER_SFT = tuple(
    path
    for job in JOBS[3:]
    for path in dict.fromkeys(path.partition("/step-")[0] for path in job.outputs)
    if path != f"{SFT}/subphases.csv"
)


@dataclass(frozen=True)
class MadeStudy:
    """A made-up study below `root`, with the plan that it was made by."""

    root: Path
    plan: LabPlan

    @property
    def lineage(self) -> Lineage:
        """Its records as they are on the disk now."""
        return read_lineage(self.root, "smoke")

    def verify(self, target: str | None = None) -> VerifyReport:
        """What `verify` says of it."""
        return verify_study(self.root, self.lineage, self.plan, target)

    def rewrite_record(self, record: str, **changes: Any) -> None:
        """Change parts of a record and seal it again, as someone who knows how would."""
        path = self.root / record
        write_record(path, read_record(path).model_copy(update=changes))


@functools.cache
def make_smoke_plan() -> LabPlan:
    """The plan of the smoke study."""
    return LabPlan(load_training_study("smoke"), Config(study="smoke", branching=None, mirror=None))


def make_study(root: Path) -> MadeStudy:
    """Write all files and records of the made-up study."""
    for path, content in make_study_files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return MadeStudy(root, make_smoke_plan())


@functools.cache
def make_study_files() -> dict[str, bytes]:
    """Path -> content of all files and records; keys take a while, so they are made once."""
    with tempfile.TemporaryDirectory() as folder:
        made = MadeStudy(Path(folder), make_smoke_plan())
        for job in JOBS:
            for path, content in job.outputs.items():
                (made.root / path).parent.mkdir(parents=True, exist_ok=True)
                (made.root / path).write_text(content)
            write_record(made.root / job.record, make_record(made, job))
        found = (path for path in made.root.rglob("*") if path.is_file())
        return {path.relative_to(made.root).as_posix(): path.read_bytes() for path in found}


def make_record(made: MadeStudy, job: MadeJob) -> JobRecord:
    """The record that a job leaves."""
    stage = made.plan.get_stage(job.rule, **job.wildcards)
    module = f"{code_identity.SCRIPTS}.{stage.module}"
    spec = None if job.rule in TOLD_BY_OPTIONS else json.loads(stage.spec)
    modules = {
        name: code_identity.parse_module(name)[0][:16]
        for name in code_identity.list_used_modules(module)
    }
    # A folder is declared as a whole.
    outputs = dict.fromkeys(path.partition("/step-")[0] for path in job.outputs)
    return JobRecord(
        path=job.record,
        rule=job.rule,
        wildcards=dict(job.wildcards),
        key=stage.key,
        config={"study": "smoke", "branching": None},
        spec=spec,
        command=["--out", next(iter(outputs))],
        seeds=sorted(find_seeds([spec, job.wildcards])),
        code=CodeDigests(
            module=module,
            digest=code_identity.compute_code_digest(module),
            modules=modules,
            options=code_identity.compute_options_digest(stage.module),
        ),
        environment=LockedEnvironment(
            lock=stage.lock,
            packages=list(stage.packages),
            digest=digest_lock(ROOT / stage.lock, stage.packages),
            versions={"python": "3.11.7", "numpy": "2.4.6"},
        ),
        facts={name: code_identity.compute_file_digest(ROOT / name) for name in stage.facts},
        inputs=[hash_artefact(made.root, path, listed=False) for path in job.inputs],
        outputs=[hash_artefact(made.root, path, listed=True) for path in outputs],
        git=GitCommit(commit="f00d" * 10, dirty=[]),
        host={"name": "here", "cores": 2},
        slurm_job=None,
        usage=ResourceUsage(
            started="2026-01-02T03:04:00+00:00",
            ended="2026-01-02T03:04:05+00:00",
            seconds=5.0,
            recording_seconds=0.1,
            cpu_seconds=4.0,
            peak_memory_mb=100.0,
        ),
    )


def hash_artefact(root: Path, path: str, listed: bool) -> Artefact:
    """An input or output as it is now."""
    return Artefact.from_tree(path, hash_tree(root / path), listed)
