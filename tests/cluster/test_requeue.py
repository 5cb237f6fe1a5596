"""Training that SLURM takes off its node goes on after the requeue, to the same bytes."""

from pathlib import Path

import pytest
from cluster_runs import (
    RL,
    RULES,
    SFT,
    assert_same_bytes,
    finish_snakemake,
    list_complete_marks,
    list_jobs,
    read_last_log,
    read_log_ends,
    run_slurm_command,
    set_site,
    start_training,
    wait_until,
)

pytest_plugins = ("slurm_fixtures",)
pytestmark = pytest.mark.slow


def assert_resumed_once(folder: Path, run: str, number: int) -> None:
    """The run was one job of SLURM's, started twice, and its second start resumed."""
    (job,) = list_jobs(folder, RULES[run])
    assert (job.number, job.state, job.restarts) == (number, "COMPLETED", 1)
    assert "resuming from step" in read_last_log(folder, run)
    assert not list_complete_marks(folder, run)


def get_job_state(number: str) -> str:
    """The state of any job."""
    return run_slurm_command(
        "squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T"
    ).strip()


@pytest.mark.parametrize("run", [SFT, RL], ids=["sft", "rl"])
def test_a_requeued_job_goes_on(folder: Path, uninterrupted_checkout: Path, run: str) -> None:
    controller, job = start_training(folder, run)
    run_slurm_command("scontrol", "requeue", str(job.number))
    assert finish_snakemake(controller, folder) == 0, read_log_ends(folder)
    assert_resumed_once(folder, run, job.number)
    assert_same_bytes(folder, uninterrupted_checkout, run)


def test_a_preempted_job_goes_on(folder: Path, uninterrupted_checkout: Path) -> None:
    set_site(folder, gpu_partition="gpu-preempt")
    controller, job = start_training(folder, SFT)
    # All GPUs of the only node, in a partition that goes first there.
    rival = ["--partition=gpu-first", "--gres=gpu:h100:4", "--mem=100", "--output=/dev/null"]
    number = run_slurm_command("sbatch", "--parsable", *rival, "--time=1", "--wrap=sleep 5").strip()
    wait_until(lambda: list_jobs(folder, "train_sft")[0].state == "PENDING", "the job is preempted")
    wait_until(lambda: get_job_state(number) == "COMPLETED", "the rival has run")
    assert finish_snakemake(controller, folder) == 0, read_log_ends(folder)
    assert_resumed_once(folder, SFT, job.number)
    assert_same_bytes(folder, uninterrupted_checkout, SFT)
