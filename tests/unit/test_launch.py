"""Several processes end as one: with the same status, the same line, and nothing cut short."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from retu.core.errors import InputError, JobInterrupted
from retu.planning.stages import ROOT
from retu.runtime import launch
from retu.runtime.interruption import STOP_REQUEST
from retu.runtime.launch import (
    join_processes,
    make_srun_command,
    make_torchrun_command,
    report_error,
)

HERE = Path(__file__).parent
LAUNCHER = """
import sys
from pathlib import Path
from retu.runtime.script import run_main
from retu.runtime import launch
from retu.runtime.interruption import listen_for_sigterm

launch.JOB_MODULE = "launch_toy"

def main():
    with listen_for_sigterm():
        launch.launch_processes(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:], Path("talk"))

run_main(main)
"""
SRUN = """#!{python}
import os, subprocess, sys

options = [word for word in sys.argv[1:] if word.startswith("--")]
count = 2
assert "--nodes=2" in options and "--ntasks-per-node=1" in options, options
command = sys.argv[1 + len(options):]
tasks = []
for place in range(count):
    told = dict(SLURM_PROCID=place, SLURM_LOCALID=0, SLURM_NTASKS=count)
    env = os.environ | dict((key, str(value)) for key, value in told.items())
    tasks.append(subprocess.Popen(command, env=env))
with open("tasks", "w") as note:
    note.write(" ".join(str(task.pid) for task in tasks))
sys.exit(max(task.wait() for task in tasks))
"""
SCANCEL = """#!/bin/sh
echo "$@" >> scancel.log
kill -TERM $(cat tasks)
"""
SQUEUE = """#!/bin/sh
case "$*" in
    *%C) echo 8;;
    *%N) echo node[1-2];;
esac
"""
SCONTROL = """#!/bin/sh
echo 127.0.0.1
echo 127.0.0.2
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A folder to run in, with a SLURM of shell scripts."""
    monkeypatch.chdir(tmp_path)
    commands = tmp_path / "bin"
    commands.mkdir()
    texts = {"srun": SRUN.format(python=sys.executable), "scancel": SCANCEL}
    for name, text in {**texts, "squeue": SQUEUE, "scontrol": SCONTROL}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    kept = {key: os.environ[key] for key in ("HOME", "LANG") if key in os.environ}
    return {
        **kept,
        "PATH": f"{commands}:/usr/bin:/bin",
        "PYTHONPATH": f"{ROOT}:{HERE}",
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        # Whoever is left to torchrun after SIGTERM is killed after a second.
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "1",
    }


def start_launcher(
    environment: dict[str, str], action: str, steps: int, nodes: int = 1
) -> "subprocess.Popen[str]":
    """The launcher of two processes, in a group of its own."""
    numbers = ["2", "1"] if nodes == 1 else ["1", "2"]
    if nodes > 1:
        environment = {**environment, "SLURM_JOB_ID": "4711"}
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, *numbers, action, str(steps)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell without job control makes what it starts in the background deaf to Ctrl-C.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_launcher(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Wait for a launcher: exit status, output and errors."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def list_descendants(process: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [each for child in map(int, children) for each in (child, *list_descendants(child))]


def wait_for_training(process: "subprocess.Popen[str]") -> None:
    """Wait until the processes have come together."""
    deadline = time.monotonic() + 120
    while not Path("started").exists():
        assert process.poll() is None, wait_for_launcher(process)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def send_sigterm_once_training(process: "subprocess.Popen[str]", everybody: bool) -> None:
    """Once the processes train, send SIGTERM, to everybody as SLURM does or to the launcher."""
    wait_for_training(process)
    for each in [process.pid, *(list_descendants(process.pid) if everybody else [])]:
        os.kill(each, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2])
def test_processes_work_together_and_only_the_main_one_talks(
    environment: dict[str, str], nodes: int
) -> None:
    status, out, err = wait_for_launcher(start_launcher(environment, "work", 2, nodes))
    assert status == 0, err
    assert "process 0 of 2" in out
    assert "process 1" not in out
    assert Path("finished").exists()
    assert not Path("talk").exists()


@pytest.mark.slow
@pytest.mark.parametrize("everybody", [True, False])
def test_torchrun_lets_processes_save_as_long_as_they_need(
    environment: dict[str, str], everybody: bool
) -> None:
    process = start_launcher(environment, "work", 10_000)
    send_sigterm_once_training(process, everybody)
    status, _, err = wait_for_launcher(process)
    assert status == 75, err
    assert err.splitlines()[-1].startswith("interrupted: at step ")
    assert "Traceback" not in err
    assert [Path(f"saved-{place}").read_text() for place in range(2)] == ["0", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_works_on_without_its_launcher(
    environment: dict[str, str], number: signal.Signals
) -> None:
    process = start_launcher(environment, "work", 10_000)
    wait_for_training(process)
    others = list_descendants(process.pid)
    assert len(others) >= 3
    process.send_signal(number)
    wait_for_launcher(process)
    deadline = time.monotonic() + 60
    while left := [each for each in others if Path(f"/proc/{each}/cmdline").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert not Path("finished").exists()


@pytest.mark.slow
def test_the_tasks_of_srun_are_told_by_scancel(environment: dict[str, str]) -> None:
    process = start_launcher(environment, "work", 10_000, nodes=2)
    send_sigterm_once_training(process, everybody=False)
    status, _, err = wait_for_launcher(process)
    assert status == 75, err
    assert Path("scancel.log").read_text() == "--signal=TERM 4711\n"
    assert [Path(f"saved-{place}").read_text() for place in range(2)] == ["0", "0"]


@pytest.mark.slow
def test_bad_input_of_one_process_ends_all_with_its_line(environment: dict[str, str]) -> None:
    status, _, err = wait_for_launcher(start_launcher(environment, "bad", 1))
    assert status == 2
    assert err.splitlines()[-1] == "error: study: key: correct it"
    assert not Path("finished").exists()


@pytest.mark.slow
def test_a_crash_of_one_process_ends_all_and_shows_why(environment: dict[str, str]) -> None:
    status, _, err = wait_for_launcher(start_launcher(environment, "crash", 1))
    assert status == 1
    assert "RuntimeError: lost a GPU" in err
    assert not Path("finished").exists()


def test_torchrun_is_not_to_handle_sigterm() -> None:
    (signals,) = (
        word for word in make_torchrun_command(2) if word.startswith("--signals-to-handle=")
    )
    assert "SIGTERM" not in signals
    assert "--nproc-per-node=2" in make_torchrun_command(2)


def test_srun_deals_out_the_cores(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", environment["PATH"])
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    command = make_srun_command(processes=2, nodes=2)
    assert command[:3] == ["srun", "--nodes=2", "--ntasks-per-node=2"]
    assert {"--cpus-per-task=2", "--kill-on-bad-exit=1", "--wait=0"} < set(command)
    assert launch.choose_rendezvous() == {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "24711"}


def test_several_nodes_need_a_slurm_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(InputError, match="2 nodes, but this is no SLURM job"):
        make_srun_command(processes=4, nodes=2)


@pytest.mark.parametrize(("world", "processes"), [(1, 2), (4, 1), (2, 4)])
def test_another_number_of_processes_than_told_is_noticed(
    monkeypatch: pytest.MonkeyPatch, world: int, processes: int
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(world))
    with pytest.raises(InputError, match=f"{world} processes were started where .* {processes};"):
        join_processes(processes)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a job of two processes, of which this is the first."""
    monkeypatch.setenv(launch.LAUNCH_VARIABLE, str(tmp_path))
    monkeypatch.setattr(STOP_REQUEST, "asked", False)
    return tmp_path


@pytest.mark.parametrize("progressed", [True, False])
def test_all_having_stopped_is_passed_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, progressed: bool
) -> None:
    for place in ("0", "1"):
        monkeypatch.setenv("RANK", place)
        status = report_error(JobInterrupted("at step 3 of 4", progressed=progressed))
        assert status == (0 if progressed else 75)
    with pytest.raises(JobInterrupted, match=r"^at step 3 of 4$") as raised:
        launch.raise_reported_error(folder, 2)
    assert raised.value.progressed is progressed


def test_who_is_ended_because_another_crashed_was_not_interrupted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_error(JobInterrupted("before there was anything to save"))
    launch.raise_reported_error(folder, 2)
    monkeypatch.setattr(STOP_REQUEST, "asked", True)
    with pytest.raises(JobInterrupted, match=r"^before there was anything to save$"):
        launch.raise_reported_error(folder, 2)


def test_bad_input_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report_error(JobInterrupted("at step 3 of 4", progressed=True))
    monkeypatch.setenv("RANK", "1")
    assert report_error(InputError("file: no")) == 2
    with pytest.raises(InputError, match=r"^file: no$"):
        launch.raise_reported_error(folder, 2)


def test_the_main_process_finds_the_launchers_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "terminal").open("w") as terminal:
        monkeypatch.setenv(launch.TERMINAL, f"/proc/{os.getpid()}/fd/{terminal.fileno()}")
        monkeypatch.setenv(launch.PROGRESS, "999")
        launch.reopen_terminal()
        opened = int(os.environ[launch.PROGRESS])
        assert opened != terminal.fileno()
        os.write(opened, b"step 1\n")
        os.close(opened)
    assert (tmp_path / "terminal").read_text() == "step 1\n"
