"""Jobs of a run by its job server and without it: the same outputs, and nothing left running."""

from pathlib import Path

import pytest
from conftest import run_snakemake

from retu.cluster.controller import PROC_FOLDER
from retu.core.hashing import hash_tree
from retu.lineage.record import read_record
from retu.runtime.job_client import OFF, SERVER_VARIABLE

pytestmark = pytest.mark.slow

STUDY = "results/smoke/study.json"
RECORD = "results/smoke/study.record.json"
SERVER_MODULE = b"retu.runtime.job_server"


def list_servers(folder: Path) -> list[int]:
    """The job servers that work in a folder."""
    found = []
    for path in PROC_FOLDER.glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            if SERVER_MODULE in words and (path / "cwd").resolve() == folder:
                found.append(int(path.name))
        except OSError:
            continue
    return found


def test_a_server_changes_how_jobs_start_and_nothing_else(checkout: Path) -> None:
    made = {}
    for name, settings in (("served", {}), ("alone", {SERVER_VARIABLE: OFF})):
        done = run_snakemake(checkout, "--force", STUDY, **settings)
        assert done.returncode == 0, done.stdout
        assert list_servers(checkout) == []
        made[name] = (hash_tree(checkout / STUDY).md5, read_record(checkout / RECORD))
    (served, forked), (alone, started) = made["served"], made["alone"]
    assert served == alone
    assert (forked.key, forked.spec, forked.command) == (started.key, started.spec, started.command)
    assert forked.environment.variables == started.environment.variables
    assert forked.environment.differs == started.environment.differs
    # What this job does without is there because others need it.
    assert "pandas" in forked.environment.versions
    assert "pandas" not in started.environment.versions
    assert 0 < forked.usage.cpu_seconds < started.usage.cpu_seconds


def test_no_server_is_left_by_a_run_that_fails(checkout: Path) -> None:
    (checkout / "workflow_scripts" / "describe_study.py").write_text("raise ValueError('broken')\n")
    done = run_snakemake(checkout, STUDY)
    assert done.returncode == 1
    assert "broken" in (checkout / "results/smoke/logs/describe_study.log").read_text()
    assert list_servers(checkout) == []
