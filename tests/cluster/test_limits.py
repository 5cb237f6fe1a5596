"""Time or memory run out: a job that is warned or killed goes on, with more memory if need be."""

import json
import time
from pathlib import Path

import psutil
import pytest
from cluster_runs import (
    SFT,
    assert_same_bytes,
    finish_snakemake,
    list_jobs,
    read_last_log,
    read_log_ends,
    run_cluster_workflow,
    set_resource,
    set_site,
    start_training,
)

pytest_plugins = ("slurm_fixtures",)
pytestmark = pytest.mark.slow

TARGET = f"{SFT}/manifest.json"


def find_training_process(folder: Path) -> psutil.Process:
    """The process that trains in a work folder."""
    (found,) = [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(folder) and "retu.cli.run_job" in process.info["cmdline"]
    ]
    return found


def hold_training(folder: Path, minutes: float) -> int:
    """Start a training and hold it still until its job is so old; then see Snakemake end.

    The job thus meets its limit however fast the machine is.
    """
    controller, job = start_training(folder, SFT)
    process = find_training_process(folder)
    process.suspend()
    end = time.monotonic() + minutes * 60 - job.seconds
    while time.monotonic() < end and process.is_running():
        time.sleep(0.5)
    if process.is_running():
        process.resume()
    return finish_snakemake(controller, folder)


def test_a_job_is_warned_of_its_time_limit_and_requeued(
    folder: Path, uninterrupted_checkout: Path
) -> None:
    # SLURM warns up to 20 seconds early.
    set_site(folder, warning_seconds=90)
    set_resource(folder, "train_sft", "runtime", 3)
    assert hold_training(folder, 1.6) == 0, read_log_ends(folder)
    (job,) = list_jobs(folder, "train_sft")
    assert job.state == "COMPLETED"
    # A slow machine needs more than two of these short limits.
    assert job.restarts >= 1
    assert "resuming from step" in read_last_log(folder, SFT)
    assert_same_bytes(folder, uninterrupted_checkout, SFT)


def test_a_job_that_reaches_its_time_limit_is_tried_again(
    folder: Path, uninterrupted_checkout: Path
) -> None:
    # Without a warning: SIGTERM comes at the limit itself, which SLURM looks at twice a minute.
    set_resource(folder, "train_sft", "slurm_extra", "")
    set_resource(folder, "train_sft", "runtime", "attempt ** 3")
    assert hold_training(folder, 3.0) == 0, read_log_ends(folder)
    *before, last = sorted(list_jobs(folder, "train_sft"), key=lambda job: job.number)
    assert last.state == "COMPLETED"
    # The job asks for a requeue; whether SLURM still takes it at the limit is a matter of seconds.
    # If not, Snakemake tries again, once.
    assert [job.state for job in before] in ([], ["TIMEOUT"], ["CANCELLED"])
    assert last.restarts + len(before) >= 1
    assert "resuming from step" in read_last_log(folder, SFT)
    assert_same_bytes(folder, uninterrupted_checkout, SFT)


def test_a_job_that_outgrows_its_memory_gets_more(
    folder: Path, uninterrupted_checkout: Path
) -> None:
    usage = json.loads((uninterrupted_checkout / SFT / "train.record.json").read_text())["usage"]
    # The first attempt gets half of the node, the second all of it.
    set_site(folder, memory_per_node_mb=int(1.8 * usage["peak_memory_mb"]))
    run_cluster_workflow(folder, TARGET)
    first, second = sorted(list_jobs(folder, "train_sft"), key=lambda job: job.number)
    # SLURM kills the step, not the job: its log says why, its state does not.
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    (log,) = (folder / ".snakemake" / "slurm_logs").rglob(f"{first.number}.log")
    assert "exceeded memory limit" in log.read_text()
    assert first.memory_mb == second.memory_mb // 2
    assert_same_bytes(folder, uninterrupted_checkout, SFT)
