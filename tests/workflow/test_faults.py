"""Kills and interruptions: running again ends in the same bytes as a run that was left alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from conftest import clean_environment, make_snakemake_command, run_snakemake
from smoke_scripts import (
    FILES,
    RL_OUTPUTS,
    RL_RUN,
    SFT_OUTPUTS,
    SFT_RUN,
    change_spec,
    make_rl_arguments,
    make_sft_arguments,
    make_smoke_plan,
    run_rule_module,
)

from retu.runtime.script import EXIT_INTERRUPTED
from retu.training.training_state import MARKER, find_latest_complete, parse_step

pytestmark = pytest.mark.slow

OUT = "again"
STATE = f".state/{OUT}/checkpoints"


def wait_for(path: Path, process: "subprocess.Popen[str]", seconds: float = 120.0) -> None:
    """Wait until `path` exists; fail if the process ends first."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"ended with {process.returncode} before {path.name}"
        assert time.monotonic() < deadline, f"no {path} after {seconds} s"
        time.sleep(0.002)


def start_process(command: list[str], folder: Path) -> "subprocess.Popen[str]":
    """Start a process in a group of its own, as a shell does."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        # A shell lets what it starts in the background ignore Ctrl-C; these must not inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def kill_at_step(folder: Path, module: str, arguments: list[str], step: int) -> None:
    """Start a training script and kill it as soon as the checkpoint of `step` is complete."""
    command = [sys.executable, "-m", f"workflow_scripts.{module}", *arguments]
    process = start_process(command, folder)
    try:
        wait_for(folder / STATE / f"checkpoint-{step}" / MARKER, process)
    finally:
        process.kill()
        process.wait()
    assert not (folder / OUT / "manifest.json").exists(), "finished before it was killed"


def assert_same_outputs(folder: Path, run: str, outputs: tuple[str, ...]) -> None:
    """The outputs below `again` equal those of a run of the workflow, byte by byte."""
    for name in outputs:
        made, expected = folder / OUT / FILES[name], folder / run / FILES[name]
        files = [path.relative_to(expected) for path in expected.rglob("*") if path.is_file()]
        for file in files or [Path()]:
            assert (made / file).read_bytes() == (expected / file).read_bytes(), f"{name} {file}"


@pytest.fixture(scope="module")
def checkout(finished_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run to train in."""
    ignored = shutil.ignore_patterns(".snakemake", ".state", "__pycache__", ".snakemake_timestamp")
    return shutil.copytree(
        finished_checkout, tmp_path_factory.mktemp("faults") / "checkout", ignore=ignored
    )


@pytest.fixture(autouse=True)
def clean_checkout(checkout: Path) -> Iterator[None]:
    """Leave neither outputs nor state to the next test."""
    yield
    for name in (OUT, ".state"):
        shutil.rmtree(checkout / name, ignore_errors=True)


def test_killed_sft_goes_on_where_it_was(checkout: Path) -> None:
    kill_at_step(checkout, "train_sft", make_sft_arguments(OUT), step=10)
    shutil.copytree(checkout / STATE, checkout / OUT / "saved state")
    ended = run_rule_module(checkout, "train_sft", *make_sft_arguments(OUT))
    assert ended.code == 0, ended.err
    assert "resuming from step 10" in ended.out
    assert_same_outputs(checkout, SFT_RUN, SFT_OUTPUTS)
    assert not (checkout / STATE).exists()

    # The same kill, but in the middle of a save: the mark is missing, the weights are cut short.
    shutil.rmtree(checkout / OUT / "checkpoints")
    shutil.move(checkout / OUT / "saved state", checkout / STATE)
    unfinished = checkout / STATE / "checkpoint-10"
    (unfinished / MARKER).unlink()
    os.truncate(unfinished / "model.safetensors", 1000)
    ended = run_rule_module(checkout, "train_sft", *make_sft_arguments(OUT))
    assert ended.code == 0, ended.err
    assert "resuming" not in ended.out
    assert_same_outputs(checkout, SFT_RUN, SFT_OUTPUTS)


def test_killed_rl_goes_on_where_it_was(checkout: Path) -> None:
    kill_at_step(checkout, "train_rl", make_rl_arguments(OUT), step=3)
    # Whatever was being written when the kill came is worth nothing without its mark.
    half = checkout / STATE / "checkpoint-4"
    half.mkdir(exist_ok=True)
    (half / MARKER).unlink(missing_ok=True)
    (half / "model.safetensors").write_bytes(b"half")
    ended = run_rule_module(checkout, "train_rl", *make_rl_arguments(OUT))
    assert ended.code == 0, ended.err
    assert "resuming from step 3" in ended.out
    assert_same_outputs(checkout, RL_RUN, RL_OUTPUTS)


@pytest.mark.parametrize(
    ("module", "arguments", "run", "outputs", "step"),
    [
        ("train_sft", make_sft_arguments, SFT_RUN, SFT_OUTPUTS, 10),
        ("train_rl", make_rl_arguments, RL_RUN, RL_OUTPUTS, 3),
    ],
    ids=["sft", "rl"],
)
def test_a_job_that_is_asked_to_stop_saves_and_goes_on(
    checkout: Path,
    module: str,
    arguments: Callable[[str], list[str]],
    run: str,
    outputs: tuple[str, ...],
    step: int,
) -> None:
    command = [sys.executable, "-m", f"workflow_scripts.{module}", *arguments(OUT)]
    process = start_process(command, checkout)
    try:
        wait_for(checkout / STATE / f"checkpoint-{step}" / MARKER, process)
        process.terminate()
        assert process.wait(timeout=60) == EXIT_INTERRUPTED
    finally:
        process.kill()
        process.wait()
    saved = find_latest_complete(checkout / STATE)
    assert saved is not None
    assert parse_step(saved) >= step
    ended = run_rule_module(checkout, module, *arguments(OUT))
    assert ended.code == 0, ended.err
    assert f"resuming from step {parse_step(saved)}" in ended.out
    assert_same_outputs(checkout, run, outputs)
    assert not (checkout / STATE).exists()


def test_state_of_other_settings_is_not_continued(checkout: Path) -> None:
    kill_at_step(checkout, "train_sft", make_sft_arguments(OUT), step=10)
    stage = change_spec(
        make_smoke_plan().train_sft("LabQwen", "LabSmall", "0"), recipe={"learning_rate": 2e-3}
    )
    ended = run_rule_module(checkout, "train_sft", *make_sft_arguments(OUT, stage))
    assert ended.code == 0, ended.err
    assert "resuming" not in ended.out
    losses = (checkout / OUT / "losses.csv").read_bytes()
    assert losses != (checkout / SFT_RUN / "losses.csv").read_bytes()


def test_an_interrupted_workflow_is_finished_by_the_next(checkout: Path) -> None:
    target = f"{SFT_RUN}/manifest.json"
    expected = {
        name: (checkout / SFT_RUN / name).read_bytes() for name in ("manifest.json", "losses.csv")
    }
    shutil.rmtree(checkout / SFT_RUN)
    process = start_process(make_snakemake_command(target), checkout)
    try:
        wait_for(checkout / ".state" / SFT_RUN / "checkpoints" / "checkpoint-10" / MARKER, process)
        # What Ctrl-C does: the signal goes to Snakemake and to the job.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
        process.wait()
    assert not any((checkout / SFT_RUN / FILES[name]).exists() for name in SFT_OUTPUTS)
    again = run_snakemake(checkout, target)
    assert again.returncode == 0, again.stdout
    assert {name: (checkout / SFT_RUN / name).read_bytes() for name in expected} == expected
    log = checkout / "results/smoke/logs/train_sft/LabQwen_LabSmall_seed0.log"
    assert "resuming from step 10" in log.read_text()
