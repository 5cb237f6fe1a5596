"""A sample of the kills of kills.py, and what is told while two runs meet."""

import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import clean_environment, make_snakemake_command, run_snakemake
from kills import (
    KINDS,
    draw_kill,
    list_job_processes,
    list_session_processes,
    read_jobs,
    run_kill,
    send_signal,
    wait_for_job,
)

pytestmark = pytest.mark.slow

# One that trains, one of many that grade, one that draws and the last one: a kill each.
RULES = ("train_sft", "grade", "make_figure_8", "summary")


@pytest.mark.parametrize(("kind", "rule"), list(zip(KINDS, RULES, strict=True)))
def test_the_same_command_after_a_kill_ends_in_the_same_bytes(
    finished_checkout: Path, tmp_path: Path, kind: str, rule: str
) -> None:
    jobs = read_jobs(finished_checkout)
    draw = random.Random(f"{kind} {rule}")
    kill = draw_kill(jobs, rule, kind, draw)
    hit, faults = run_kill(finished_checkout, tmp_path / "work", jobs, kill)
    assert faults == []
    assert hit or kind == "job", "the run was over before the kill"


@pytest.fixture
def checkout_without_base(finished_checkout: Path, tmp_path: Path) -> Path:
    """A copy of the finished run whose base model is to be made again."""
    work = shutil.copytree(finished_checkout, tmp_path / "work")
    (job,) = (job for job in read_jobs(finished_checkout) if job.rule == "pretrain_base")
    for name in (job.record, *job.outputs):
        path = work / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return work


def test_a_second_run_is_told_what_runs_and_the_first_goes_on(checkout_without_base: Path) -> None:
    target = "results/smoke/base/LabQwen/manifest.json"
    with (checkout_without_base / "first.log").open("wb") as log:
        first = subprocess.Popen(
            make_snakemake_command(target),
            cwd=checkout_without_base,
            env=clean_environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for_job(first, "pretrain_base")
        # It must not be over before the second has looked.
        send_signal(list_job_processes(first.pid), signal.SIGSTOP)
        planned = run_snakemake(checkout_without_base, "-n", target)
        second = run_snakemake(checkout_without_base, target)
        send_signal(list_session_processes(first.pid), signal.SIGCONT)
        assert first.wait(300) == 0, (checkout_without_base / "first.log").read_text()
    finally:
        send_signal(list_session_processes(first.pid), signal.SIGKILL)
        first.wait()
    assert planned.returncode == 0, planned.stdout
    assert second.returncode != 0
    assert "error: " in second.stdout
    assert f"another Snakemake works in this folder (process {first.pid} on" in second.stdout
    assert "busy with pretrain_base LabQwen; wait for its end or stop it" in second.stdout
    assert "Traceback" not in second.stdout
    assert list((checkout_without_base / ".state" / "runs").iterdir()) == []


def test_an_error_of_a_job_comes_once_and_last(checkout_without_base: Path) -> None:
    manifest = checkout_without_base / "data/smoke/train.manifest.json"
    target = "results/smoke/base/LabQwen/manifest.json"
    spoilt = (
        manifest
        if manifest.exists()
        else next((checkout_without_base / "data/smoke").glob("*.manifest.json"))
    )
    for path in (checkout_without_base / "data/smoke").glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    done = run_snakemake(checkout_without_base, target, "--keep-incomplete")
    assert done.returncode != 0, spoilt
    lines = done.stdout.splitlines()
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    assert len(errors) == 1, done.stdout
    assert not any("Error in rule" in line for line in lines[errors[0] :]), done.stdout
    assert "Traceback" not in done.stdout
