"""Training that SLURM takes off its node goes on after the requeue, to the same bytes."""

from pathlib import Path

import pytest
from cluster_runs import (
    RL,
    RULES,
    SFT,
    ask,
    assert_same,
    finish,
    jobs,
    log_of,
    said,
    saved,
    set_site,
    training,
    wait_until,
)

pytest_plugins = ("slurm_fixtures",)
pytestmark = pytest.mark.slow


def went_on(folder: Path, run: str, number: int) -> None:
    """The run was one job of SLURM's, started twice, and its second start resumed."""
    (job,) = jobs(folder, RULES[run])
    assert (job.number, job.state, job.restarts) == (number, "COMPLETED", 1)
    assert "resuming from step" in log_of(folder, run)
    assert not saved(folder, run)


def state(number: str) -> str:
    """The state of any job."""
    return ask("squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T").strip()


@pytest.mark.parametrize("run", [SFT, RL], ids=["sft", "rl"])
def test_a_requeued_job_goes_on(folder: Path, uninterrupted: Path, run: str) -> None:
    controller, job = training(folder, run)
    ask("scontrol", "requeue", str(job.number))
    assert finish(controller, folder) == 0, said(folder)
    went_on(folder, run, job.number)
    assert_same(folder, uninterrupted, run)


def test_a_preempted_job_goes_on(folder: Path, uninterrupted: Path) -> None:
    set_site(folder, gpu_partition="gpu-preempt")
    controller, job = training(folder, SFT)
    # All GPUs of the only node, in a partition that goes first there.
    rival = ["--partition=gpu-first", "--gres=gpu:h100:4", "--mem=100", "--output=/dev/null"]
    number = ask("sbatch", "--parsable", *rival, "--time=1", "--wrap=sleep 5").strip()
    wait_until(lambda: jobs(folder, "train_sft")[0].state == "PENDING", "the job is preempted")
    wait_until(lambda: state(number) == "COMPLETED", "the rival has run")
    assert finish(controller, folder) == 0, said(folder)
    went_on(folder, SFT, job.number)
    assert_same(folder, uninterrupted, SFT)
