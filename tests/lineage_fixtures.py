"""A made-up finished study: real files, and records as the smoke study's plan has them now."""

import functools
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from retu.cli import command_line, lineage_command
from retu.config.load import load_training_study
from retu.config.study import Config, Study
from retu.core.hashing import hash_tree
from retu.lineage.graph.config_sources import ConfigSources
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.graph.stale_causes import find_own_causes, find_planned_stage
from retu.lineage.graph.staleness import build_stale_report
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
DATA_RECORD = f"{DATA}.record.json"
TRAIN = f"{SFT}/train.record.json"
GRADES = f"{SFT}/grades.record.json"
CURVES = f"{RESULTS}/curves.record.json"
FITS = f"{RESULTS}/fits/robust.record.json"
TABLE_4 = f"{RESULTS}/tables/table_4.record.json"
REPORT = f"{RESULTS}/report.record.json"


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


def list_outputs(jobs: Sequence[MadeJob]) -> tuple[str, ...]:
    """What jobs made; a folder is one output."""
    made = (path.partition("/step-")[0] for job in jobs for path in job.outputs)
    return tuple(dict.fromkeys(made))


EVERYTHING = list_outputs(JOBS)
AFTER_SFT = tuple(path for path in list_outputs(JOBS[3:]) if path != f"{SFT}/subphases.csv")


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

    def list_reasons(self, job: str) -> list[str]:
        """Why a job is stale, in itself and by what was before it."""
        return [str(cause) for cause in build_stale_report(self.lineage, self.plan).reasons[job]]

    def list_own_reasons(self, record: JobRecord) -> list[str]:
        """Why a job with a record is stale in itself."""
        stage, origins = find_planned_stage(record, self.plan), ConfigSources(self.plan.config)
        return [str(cause) for cause in find_own_causes(record, stage, origins)]

    def change_study(self, change: Callable[[dict[str, Any]], object]) -> "MadeStudy":
        """The same files with the plan of another study."""
        content = self.plan.study.model_dump()
        change(content)
        return replace(self, plan=replace(self.plan, study=Study.model_validate(content)))

    def change_learning_rate(self) -> "MadeStudy":
        """The same files with the plan of a study whose SFT has another learning rate."""

        def change(study: dict[str, Any]) -> None:
            study["recipes"]["sft"]["standard"]["learning_rate"] = 0.125

        return self.change_study(change)

    def describe_data(self, path: str = DATA, md5: str = "") -> None:
        """Have a data.dvc describe the study's data, as data.dvc does those of the lab."""
        tree = hash_tree(self.root / DATA)
        entry = {"path": path, "md5": md5 or tree.md5, "size": tree.size, "nfiles": 2}
        content = {"outs": [{**entry, "hash": "md5"}]}
        (self.root / "data.dvc").write_text(yaml.safe_dump(content))

    def rewrite_record(self, record: str, **changes: Any) -> None:
        """Change parts of a record and seal it again, as someone who knows how would."""
        path = self.root / record
        write_record(path, read_record(path).model_copy(update=changes))


@dataclass(frozen=True)
class Answer:
    """What a command printed."""

    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of its output."""
        return self.out.splitlines()


Ask = Callable[..., Answer]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Ask `retu lineage` something, word by word; its exit status must be `status`, or in it."""

    def ask_lineage(*words: str, status: int | set[int] = 0) -> Answer:
        capsys.readouterr()
        found = command_line.main(["lineage", *words])
        done = Answer(*capsys.readouterr())
        assert found in ({status} if isinstance(status, int) else status), done.out + done.err
        return done

    return ask_lineage


def take_for_project(monkeypatch: pytest.MonkeyPatch, root: Path, study: str) -> None:
    """Have the commands take a folder for the project, and a study for that of config.yaml."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "config.yaml").write_text(f"study: {study}\nbranching: null\n")
    monkeypatch.setattr(lineage_command, "ROOT", root)


@pytest.fixture
def made_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeStudy:
    """The made-up finished study, which the commands take for theirs."""
    take_for_project(monkeypatch, tmp_path / "study", "smoke")
    return make_study(tmp_path / "study")


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
    spec = json.loads(stage.spec) if stage.spec else None
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
        command=[
            *("--out", next(iter(outputs))),
            *(word for name, value in stage.options for word in (f"--{name}", value)),
        ],
        seeds=sorted(find_seeds([spec, job.wildcards])),
        code=CodeDigests(
            module=module,
            digest=code_identity.compute_code_digest(module),
            modules=modules,
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
        usage=make_usage(),
    )


def make_usage(ended: str = "2026-01-02T03:04:05+00:00", **more: Any) -> ResourceUsage:
    """What a made-up job has cost."""
    return ResourceUsage(
        started="2026-01-02T03:04:00+00:00",
        ended=ended,
        seconds=5.0,
        recording_seconds=0.1,
        cpu_seconds=4.0,
        peak_memory_mb=100.0,
        **more,
    )


def hash_artefact(root: Path, path: str, listed: bool) -> Artefact:
    """An input or output as it is now."""
    return Artefact.from_tree(path, hash_tree(root / path), listed)
