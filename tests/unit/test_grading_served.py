"""Grading workers that the job server of a run forks: as those that start by themselves."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from retu.cluster.controller import read_process_start
from retu.config.graders import GraderSettings
from retu.grading.worker_process import ROOT, WorkerProcess
from retu.runtime.job_client import CLIENT_VARIABLE, SERVER_VARIABLE, WORKER_VARIABLE
from retu.runtime.usage import HELPERS
from retu.workflow import job_service

PAIRS = [(rf"\frac{{{n}}}{{7}}", rf"\frac{{{n % 2}}}{{7}}") for n in range(6)]


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    """Where a job server listens that was started as a run does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("PYTHONHASHSEED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv(SERVER_VARIABLE, raising=False)
        patch.delenv(CLIENT_VARIABLE, raising=False)
        job_service.start_job_server()
        yield os.environ[SERVER_VARIABLE]
        job_service.end_job_server()
        job_service.forget_job_server()


@pytest.fixture
def worker(place: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerProcess]:
    """A worker that asks that server, as one of a job of its run does."""
    monkeypatch.setenv(WORKER_VARIABLE, place)
    monkeypatch.setattr(sys, "executable", str(Path(sys.executable).parent / "python"))
    made = WorkerProcess(GraderSettings(seconds=1))
    yield made
    made.close()


def find_parent(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_it_is_a_fork_with_the_same_verdicts(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = HELPERS["seconds"]
    verdicts = worker.judge_pairs(PAIRS)
    assert worker.process is not None
    assert worker.served
    assert worker.served != worker.process.pid
    assert find_parent(worker.served) not in (os.getpid(), worker.process.pid)
    served = worker.served
    worker.close()
    assert HELPERS["seconds"] > before, "its time is the job's"
    deadline = time.monotonic() + 20
    while read_process_start(served) is not None:
        assert time.monotonic() < deadline, "it goes on without its job"
        time.sleep(0.02)
    alone = WorkerProcess(worker.settings)
    monkeypatch.delenv(WORKER_VARIABLE)
    assert alone.judge_pairs(PAIRS) == verdicts
    assert alone.served is None
    alone.close()


def test_one_that_the_kernel_ends_is_replaced(worker: WorkerProcess) -> None:
    (first,) = worker.judge_pairs(PAIRS[:1])
    assert worker.served
    before = HELPERS["seconds"]
    os.kill(worker.served, signal.SIGPROF)
    assert [grade.reason for grade in worker.judge_pairs(PAIRS[:1])] == ["time limit"]
    assert HELPERS["seconds"] == before + worker.settings.seconds
    assert worker.judge_pairs(PAIRS[:1]) == [first]
    assert worker.starts == 2


def test_without_its_server_it_starts_by_itself(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKER_VARIABLE, "retu-nobody")
    assert worker.judge_pairs(PAIRS)[0].correct
    assert worker.served is None
