"""Time or memory run out: a job that is warned or killed goes on, with more memory if need be."""

import json
import time
from pathlib import Path

import psutil
import pytest
from cluster_runs import (
    SFT,
    assert_same,
    finish,
    jobs,
    log_of,
    run,
    said,
    set_resource,
    set_site,
    training,
)

pytest_plugins = ("slurm_fixtures",)
pytestmark = pytest.mark.slow

TARGET = f"{SFT}/manifest.json"


def training_process(folder: Path) -> psutil.Process:
    """The process that trains in a work folder."""
    (found,) = [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(folder) and "retu.cli.run_job" in process.info["cmdline"]
    ]
    return found


def hold_until(folder: Path, minutes: float) -> int:
    """Start a training and hold it still until its job is so old; then see Snakemake end.

    The job thus meets its limit however fast the machine is.
    """
    controller, job = training(folder, SFT)
    process = training_process(folder)
    process.suspend()
    end = time.monotonic() + minutes * 60 - job.seconds
    while time.monotonic() < end and process.is_running():
        time.sleep(0.5)
    if process.is_running():
        process.resume()
    return finish(controller, folder)


def test_a_job_is_warned_of_its_time_limit_and_requeued(folder: Path, uninterrupted: Path) -> None:
    # SLURM warns up to 20 seconds early.
    set_site(folder, warning_seconds=90)
    set_resource(folder, "train_sft", "runtime", 3)
    assert hold_until(folder, 1.6) == 0, said(folder)
    (job,) = jobs(folder, "train_sft")
    assert job.state == "COMPLETED"
    # A slow machine needs more than two of these short limits.
    assert job.restarts >= 1
    assert "resuming from step" in log_of(folder, SFT)
    assert_same(folder, uninterrupted, SFT)


def test_a_job_that_reaches_its_time_limit_is_tried_again(
    folder: Path, uninterrupted: Path
) -> None:
    # Without a warning: SIGTERM comes at the limit itself, which SLURM looks at twice a minute.
    set_resource(folder, "train_sft", "slurm_extra", "")
    set_resource(folder, "train_sft", "runtime", "attempt ** 3")
    assert hold_until(folder, 3.0) == 0, said(folder)
    *before, last = sorted(jobs(folder, "train_sft"), key=lambda job: job.number)
    assert last.state == "COMPLETED"
    # The job asks for a requeue; whether SLURM still takes it at the limit is a matter of seconds.
    # If not, Snakemake tries again, once.
    assert [job.state for job in before] in ([], ["TIMEOUT"], ["CANCELLED"])
    assert last.restarts + len(before) >= 1
    assert "resuming from step" in log_of(folder, SFT)
    assert_same(folder, uninterrupted, SFT)


def test_a_job_that_outgrows_its_memory_gets_more(folder: Path, uninterrupted: Path) -> None:
    usage = json.loads((uninterrupted / SFT / "train.record.json").read_text())["usage"]
    # The first attempt gets half of the node, the second all of it.
    set_site(folder, memory_per_node_mb=int(1.8 * usage["peak_memory_mb"]))
    run(folder, TARGET)
    first, second = sorted(jobs(folder, "train_sft"), key=lambda job: job.number)
    # SLURM kills the step, not the job: its log says why, its state does not.
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    (log,) = (folder / ".snakemake" / "slurm_logs").rglob(f"{first.number}.log")
    assert "exceeded memory limit" in log.read_text()
    assert first.memory_mb == second.memory_mb // 2
    assert_same(folder, uninterrupted, SFT)
