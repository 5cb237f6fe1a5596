"""Processes of a run on this host: what it is busy with, and what it left when it was killed."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retu.cluster.controller import ENDED_STATES, PROC_FOLDER, STATE, read_process_start
from retu.core.text import join_names
from retu.workflow.active_runs import RUN_VARIABLE, SLURM_JOB, SnakemakeRun

PARENT_FIELD = 1
END_PATIENCE = 60.0
"""Seconds that a job has to save and end before it is killed."""
END_POLL_SECONDS = 0.1
RULE_OPTION = re.compile(r"--rule\0(?P<rule>[^\0]+)")
WILDCARDS = re.compile(r'"[^"]*": "([^"]*)"')


@dataclass(frozen=True)
class Process:
    """A process of a run."""

    pid: int
    parent: int
    start: str
    command: str
    """Its words, each ended by a zero byte."""

    @property
    def work(self) -> str:
        """Rule and wildcards of a job; empty for what a job has started."""
        rule = RULE_OPTION.search(self.command)
        if rule is None:
            return ""
        values = WILDCARDS.findall(self.command.partition("--wildcards\0")[2].partition("\0")[0])
        return " ".join([rule["rule"], *values])


def find_processes(runs: Iterable[SnakemakeRun]) -> list[Process]:
    """The living processes that runs of this host started, whoever is their parent now."""
    wanted = {f"{RUN_VARIABLE}={run.tag}": run for run in runs}
    if not wanted:
        return []
    found = []
    for folder in PROC_FOLDER.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            settings = (folder / "environ").read_text(errors="replace").split("\0")
            run = next((wanted[setting] for setting in settings if setting in wanted), None)
            if run is not None and is_run_process(settings, run):
                process = read_process(int(folder.name))
                found += [process] if process else []
    return found


def is_run_process(settings: Sequence[str], run: SnakemakeRun) -> bool:
    """Whether a process belongs to the run itself, not to a job that SLURM looks after."""
    job = next((s for s in settings if s.startswith(f"{SLURM_JOB}=")), f"{SLURM_JOB}=")
    return job == f"{SLURM_JOB}={run.slurm_job}"


def read_process(pid: int) -> Process | None:
    """A process by its number; None if it has ended.

    Raises:
        OSError: it ends while it is looked at, or belongs to another user.
    """
    folder, start = PROC_FOLDER / str(pid), read_process_start(pid)
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    if start is None or fields[STATE] in ENDED_STATES:
        return None
    return Process(
        pid, int(fields[PARENT_FIELD]), start, (folder / "cmdline").read_text(errors="replace")
    )


def describe_work(processes: Iterable[Process]) -> str:
    """The jobs among processes, in words."""
    works = sorted({process.work for process in processes if process.work})
    return join_names(works, 4) or "no job at the moment"


def end_processes(processes: Sequence[Process], patience: float = END_PATIENCE) -> None:
    """Ask processes to end, wait, and kill what is left after `patience` seconds.

    Only the topmost of a tree are asked: a job that saves its state still needs its helpers.
    """
    pids = {process.pid for process in processes}
    for process in processes:
        if process.parent not in pids:
            send_signal(process, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(END_POLL_SECONDS)
    for process in processes:
        send_signal(process, signal.SIGKILL)
    while any(map(is_alive, processes)) and time.monotonic() < deadline + patience:
        time.sleep(END_POLL_SECONDS)


def is_alive(process: Process) -> bool:
    """Whether it still runs (another process may have its number by now)."""
    return read_process_start(process.pid) == process.start


def send_signal(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process that still is the one that was seen."""
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
