"""A job of several processes, and one that is asked to stop."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from job_fixtures import (
    OUT,
    RECORD,
    TABLES,
    make_subphases_command,
    prepare_work_folder,
    run_launcher,
)
from processes import run_command

from retu.cli import run_job
from retu.core.errors import InputError, JobInterrupted
from retu.lineage.record import read_record
from retu.planning.stages import ROOT
from retu.runtime import launch
from retu.runtime.script import exit_process

ALONE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", launch.LAUNCH_VARIABLE, launch.PROGRESS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder with the inputs of the rule `subphases`, outside of any launcher."""
    for name in ALONE:
        monkeypatch.delenv(name, raising=False)
    return prepare_work_folder(tmp_path, monkeypatch)


def make_process_command(processes: int, nodes: int = 1) -> list[str]:
    """The command line of a job of several processes."""
    return make_subphases_command(processes=[str(processes)], nodes=[str(nodes)])


def test_a_job_starts_as_many_processes_as_it_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def record_launch(*arguments: object) -> None:
        seen.extend(arguments)

    monkeypatch.setattr(run_job, "launch_processes", record_launch)
    monkeypatch.setattr(sys, "argv", ["job", *make_process_command(4, nodes=2)])
    run_job.main()
    talk = Path(".state") / RECORD.replace(".json", ".processes")
    assert seen == [4, 2, make_process_command(4, nodes=2), talk]
    assert not (folder / OUT).exists()


def test_other_processes_work_but_do_not_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), (launch.LAUNCH_VARIABLE, str(folder))):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(launch, "silence_other_processes", lambda: None)
    monkeypatch.setattr(sys, "argv", ["job", *make_process_command(2)])
    run_job.main()
    assert (folder / OUT).exists()
    assert not (folder / RECORD).exists()
    assert (folder / "process-1").read_text() == str(os.getpid())


def test_a_launcher_that_starts_too_few_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    monkeypatch.setenv(launch.LAUNCH_VARIABLE, str(folder))
    monkeypatch.setattr(run_job, "exit_process", left.append)
    monkeypatch.setattr(sys, "argv", ["job", *make_process_command(2)])
    run_job.main()
    assert left == [2]
    said = (folder / "2-0").read_text()
    assert said.startswith("job: 1 processes were started where --processes and --nodes say 2")
    assert not (folder / OUT).exists()


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5"])
def test_what_is_no_number_of_processes_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    with pytest.raises(InputError, match=f"job: {number} is no number of processes or nodes;"):
        run_launcher(monkeypatch, make_subphases_command(processes=[number]))


def test_a_job_that_is_asked_to_stop_leaves_no_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requeued: list[JobInterrupted] = []
    monkeypatch.setattr(run_job, "requeue_job", requeued.append)
    monkeypatch.setattr(
        "workflow_scripts.concatenate.main", lambda: os.kill(os.getpid(), signal.SIGTERM)
    )
    with pytest.raises(JobInterrupted, match="before there was anything to save") as raised:
        run_launcher(monkeypatch, make_subphases_command())
    assert requeued == [raised.value]
    assert not (folder / RECORD).exists()


@pytest.mark.slow
def test_a_job_of_two_processes_leaves_one_record(folder: Path) -> None:
    done = run_command(
        [sys.executable, "-m", "retu.cli.run_job", *make_process_command(2)],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert (folder / OUT).read_text() == "step\n1\n1\n"
    record = read_record(folder / RECORD)
    assert record.command == ["--tables", *TABLES, "--out", OUT]
    assert record.usage.resumed is False
    assert done.stdout.count("usage: ") == 2, "the main process and its launcher"
    assert [path.name for path in (folder / ".state").rglob("*.processes")] == []


def test_leaving_ends_a_process_with_its_status() -> None:
    code = f"from {exit_process.__module__} import exit_process; exit_process(75)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 75
