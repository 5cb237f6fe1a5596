"""A job of the rule `subphases` of the smoke study, launched in this process."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lineage_fixtures import smoke_plan

from retu.cli import run_job
from retu.lineage.record import Record, read_record
from retu.lineage.recording import pending_record, run_snapshot
from retu.planning import stages

TABLES = ["results/smoke/a.csv", "results/smoke/b.csv"]
OUT = "results/smoke/subphases.csv"
RECORD = "results/smoke/subphases.record.json"


def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the work folder, with the inputs of the rule `subphases`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    for name in ("RETU_CONFIG", "RETU_STATE", run_snapshot.PLANNED, run_snapshot.STUDY):
        monkeypatch.delenv(name, raising=False)
    for name in TABLES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("step\n1\n")
    return tmp_path


def planned(rule: str = "subphases", **changes: Any) -> str:
    """What Snakemake hands a job of its stage."""
    return json.dumps(json.loads(smoke_plan().stage(rule).job) | changes)


def command(**changes: Any) -> list[str]:
    """The command line of the rule `subphases`, with other values for some options."""
    given = {
        "rule": ["subphases"],
        "stage": [planned()],
        "wildcards": ["{}"],
        "inputs": TABLES,
        "outputs": [OUT, RECORD],
    } | changes
    options = [word for name, words in given.items() for word in (f"--{name}", *words)]
    return ["concatenate", *options, "--", "--tables", *TABLES, "--out", OUT]


def at_root(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let facts and locks lie below another folder than the project."""
    for module in (run_job, pending_record, run_snapshot):
        monkeypatch.setattr(module, "ROOT", folder)
    stages.lock_identity.cache_clear()


def launched(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> Record:
    """Run the launcher in this process; the record that it left."""
    monkeypatch.setattr(sys, "argv", ["job", *arguments])
    run_job.main()
    return read_record(Path(RECORD))
