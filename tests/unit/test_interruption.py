"""SIGTERM: who is asked to stop, what a helper does, and when a job is requeued."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from retu.core.errors import JobInterrupted
from retu.runtime import interruption
from retu.runtime.interruption import STOP_REQUEST, listen_for_sigterm, requeue_job
from retu.runtime.script import run_main

SAVED = JobInterrupted("at step 3 of 8; saved", progressed=True)


def send_sigterm() -> None:
    """Send SIGTERM to this process."""
    os.kill(os.getpid(), signal.SIGTERM)


def test_who_has_nothing_to_save_ends_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def main() -> None:
        with listen_for_sigterm():
            send_sigterm()
            pytest.fail("went on")

    with pytest.raises(SystemExit, match="75"):
        run_main(main)
    said = capsys.readouterr().err
    assert said == "interrupted: before there was anything to save; start it again to go on\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_patient_one_goes_on_however_often_it_is_asked() -> None:
    with listen_for_sigterm() as request:
        request.patient = True
        assert not request.asked
        send_sigterm()
        send_sigterm()
        assert request.asked
    with listen_for_sigterm() as request:
        assert (request.asked, request.patient) == (False, False)


def test_an_inner_block_is_part_of_the_outer_one() -> None:
    with listen_for_sigterm() as outer:
        with listen_for_sigterm() as inner:
            inner.patient = True
            send_sigterm()
        assert outer.asked
        send_sigterm()
        assert signal.getsignal(signal.SIGTERM) is interruption.handle_sigterm


def test_outside_the_main_thread_nothing_changes() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def listen() -> None:
        with listen_for_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [before]


def test_helpers_end_when_they_are_told_to() -> None:
    code = "import time\nprint('up', flush=True)\ntime.sleep(60)"
    with listen_for_sigterm():
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(there, b"up")
            time.sleep(60)
            os._exit(0)
        assert os.read(here, 2) == b"up"
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as helper:
            assert helper.stdout is not None
            assert helper.stdout.readline() == b"up\n"
            helper.terminate()
        assert helper.returncode == -signal.SIGTERM


@pytest.fixture
def slurm_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job with so much time left as the file `left` says; what was requeued is in `requeued`."""
    texts = {
        "squeue": f'[ "$*" = "-h -j 4711 -o %L" ] && cat {tmp_path}/left',
        "scontrol": f'echo "$@" >> {tmp_path}/requeued; exit $(cat {tmp_path}/refusal)',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "left").write_text("4:31\n")
    (tmp_path / "refusal").write_text("0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setattr(interruption, "KILL_WAIT_SECONDS", 0.0)
    return tmp_path


def test_a_job_whose_time_runs_out_is_requeued_once(
    slurm_job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requeue_job(SAVED)
    assert (slurm_job / "requeued").read_text() == "requeue 4711\n"
    assert capsys.readouterr().out == "job 4711 is requeued: its time is running out\n"


@pytest.mark.parametrize("left", ["5:00:00", "1:00:01", "UNLIMITED", ""])
def test_a_job_that_was_preempted_is_left_to_slurm(slurm_job: Path, left: str) -> None:
    (slurm_job / "left").write_text(left)
    requeue_job(SAVED)
    assert not (slurm_job / "requeued").exists()


def test_a_job_without_progress_is_not_requeued_for_ever(slurm_job: Path) -> None:
    requeue_job(JobInterrupted("before there was anything to save"))
    assert not (slurm_job / "requeued").exists()


def test_nothing_is_requeued_outside_slurm(
    slurm_job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID")
    requeue_job(SAVED)
    assert not (slurm_job / "requeued").exists()


def test_a_refused_requeue_is_said(slurm_job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (slurm_job / "refusal").write_text("1")
    requeue_job(SAVED)
    said = capsys.readouterr().out
    assert said.startswith("job 4711 could not be requeued (scontrol: exit status 1;")
    assert said.endswith("submit it again to go on\n")


def test_a_missing_squeue_is_no_error(slurm_job: Path) -> None:
    (slurm_job / "squeue").unlink()
    requeue_job(SAVED)
    assert not (slurm_job / "requeued").exists()


def test_what_was_asked_is_forgotten_by_the_next_job() -> None:
    STOP_REQUEST.asked = True
    with listen_for_sigterm() as request:
        assert not request.asked
