"""A job of the rule `subphases` of the smoke study, launched in this process."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lineage_fixtures import make_smoke_plan

from retu.cli import run_job
from retu.lineage.record import JobRecord, read_record
from retu.lineage.recording import pending_record, run_snapshot
from retu.planning import stages

TABLES = ["results/smoke/a.csv", "results/smoke/b.csv"]
OUT = "results/smoke/subphases.csv"
RECORD = "results/smoke/subphases.record.json"


def prepare_work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the work folder, with the inputs of the rule `subphases`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    for name in (
        "RETU_CONFIG",
        "RETU_STATE",
        run_snapshot.SNAPSHOT_VARIABLE,
        run_snapshot.STUDY_VARIABLE,
    ):
        monkeypatch.delenv(name, raising=False)
    for name in TABLES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("step\n1\n")
    return tmp_path


def make_stage_option(rule: str = "subphases", **changes: Any) -> str:
    """What Snakemake hands a job of its stage."""
    return json.dumps(json.loads(make_smoke_plan().get_stage(rule).job_json) | changes)


def make_subphases_command(**changes: Any) -> list[str]:
    """The command line of the rule `subphases`, with other values for some options."""
    given = {
        "rule": ["subphases"],
        "stage": [make_stage_option()],
        "wildcards": ["{}"],
        "inputs": TABLES,
        "outputs": [OUT, RECORD],
    } | changes
    options = [word for name, words in given.items() for word in (f"--{name}", *words)]
    return ["concatenate", *options, "--", "--tables", *TABLES, "--out", OUT]


def move_project_root(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let facts and locks lie below another folder than the project."""
    for module in (run_job, pending_record, run_snapshot):
        monkeypatch.setattr(module, "ROOT", folder)
    stages.digest_lock.cache_clear()


def run_launcher(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> JobRecord:
    """Run the launcher in this process; the record that it left."""
    monkeypatch.setattr(sys, "argv", ["job", *arguments])
    run_job.main()
    return read_record(Path(RECORD))
