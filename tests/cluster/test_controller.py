"""The Snakemake that submits jobs is interrupted or killed: nothing is lost, nothing runs twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_runs import (
    OUTPUT,
    SFT,
    assert_same,
    finish,
    jobs,
    log_of,
    run,
    running,
    start,
    training,
    wait_until,
)
from conftest import clean_environment, snakemake

pytest_plugins = ("slurm_fixtures",)
pytestmark = pytest.mark.slow

TARGET = f"{SFT}/manifest.json"


def retu(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `retu cluster`."""
    command = [sys.executable, "-m", "retu", "cluster", *arguments]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False
    )


def test_an_interrupt_cancels_the_jobs(folder: Path, uninterrupted: Path) -> None:
    controller, _ = training(folder, SFT)
    controller.send_signal(signal.SIGINT)
    assert finish(controller, folder) != 0
    wait_until(lambda: running(folder, "train_sft") is None, "no job runs")
    assert [job.state for job in jobs(folder)] == ["CANCELLED"]
    run(folder, TARGET)
    assert "resuming from step" in log_of(folder, SFT)
    assert_same(folder, uninterrupted, SFT)


def test_no_job_runs_twice_after_a_kill(folder: Path, uninterrupted: Path) -> None:
    controller, job = training(folder, SFT)
    number = job.number
    controller.kill()
    controller.wait()
    refused = retu(folder, "unlock")
    assert refused.returncode != 0
    assert str(number) in refused.stdout + refused.stderr
    # Who unlocks in another way is refused at the start.
    assert snakemake(folder, "--unlock").returncode == 0
    assert finish(start(folder, TARGET), folder) != 0
    told = (folder / OUTPUT).read_text()
    assert str(number) in told
    assert "retu cluster wait" in told
    assert [each.number for each in jobs(folder)] == [number]
    assert retu(folder, "wait", "--every", "1").returncode == 0
    assert retu(folder, "unlock").returncode == 0
    run(folder, TARGET)
    assert [(each.number, each.state) for each in jobs(folder)] == [(number, "COMPLETED")]
    assert_same(folder, uninterrupted, SFT)
