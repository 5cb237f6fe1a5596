"""The Snakemake that submits jobs is interrupted or killed: nothing is lost, nothing runs twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_runs import (
    OUTPUT,
    SFT,
    assert_same_bytes,
    find_running_job,
    finish_snakemake,
    list_jobs,
    read_last_log,
    run_cluster_workflow,
    start_snakemake,
    start_training,
    wait_until,
)
from conftest import clean_environment, run_snakemake

pytest_plugins = ("slurm_fixtures",)
pytestmark = pytest.mark.slow

TARGET = f"{SFT}/manifest.json"


def run_retu_cluster(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `retu cluster`."""
    command = [sys.executable, "-m", "retu", "cluster", *arguments]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False
    )


def test_an_interrupt_cancels_the_jobs(folder: Path, uninterrupted_checkout: Path) -> None:
    controller, _ = start_training(folder, SFT)
    controller.send_signal(signal.SIGINT)
    assert finish_snakemake(controller, folder) != 0
    wait_until(lambda: find_running_job(folder, "train_sft") is None, "no job runs")
    assert [job.state for job in list_jobs(folder)] == ["CANCELLED"]
    run_cluster_workflow(folder, TARGET)
    assert "resuming from step" in read_last_log(folder, SFT)
    assert_same_bytes(folder, uninterrupted_checkout, SFT)


def test_no_job_runs_twice_after_a_kill(folder: Path, uninterrupted_checkout: Path) -> None:
    controller, job = start_training(folder, SFT)
    number = job.number
    controller.kill()
    controller.wait()
    refused = run_retu_cluster(folder, "unlock")
    assert refused.returncode != 0
    assert str(number) in refused.stdout + refused.stderr
    # Who unlocks in another way is refused at the start.
    assert run_snakemake(folder, "--unlock").returncode == 0
    assert finish_snakemake(start_snakemake(folder, TARGET), folder) != 0
    told = (folder / OUTPUT).read_text()
    assert str(number) in told
    assert "retu cluster wait" in told
    assert [each.number for each in list_jobs(folder)] == [number]
    assert run_retu_cluster(folder, "wait", "--every", "1").returncode == 0
    assert run_retu_cluster(folder, "unlock").returncode == 0
    run_cluster_workflow(folder, TARGET)
    assert [(each.number, each.state) for each in list_jobs(folder)] == [(number, "COMPLETED")]
    assert_same_bytes(folder, uninterrupted_checkout, SFT)
