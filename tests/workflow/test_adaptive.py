"""`branching: adaptive` in the smoke study: rungs, decisions, and what a kill changes of them."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import clean_environment, make_snakemake_command, run_snakemake

pytestmark = pytest.mark.slow

CONFIG = ("study=smoke", "branching=adaptive")
CURVES = "results/smoke/curves.csv"
DECISIONS = Path("results/smoke/adaptive/LabQwen/dapo_dc/seed0")
BRANCHES = Path("results/smoke/rl/LabQwen")


@pytest.fixture(scope="module")
def competed(finished_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the finished run in which branches competed then, and what that printed."""
    folder = tmp_path_factory.mktemp("competed") / "checkout"
    shutil.copytree(finished_checkout, folder, ignore=shutil.ignore_patterns("__pycache__"))
    # Whole branches are there already; those that compete have folders of their own.
    done = run_snakemake(folder, CURVES, config=CONFIG)
    assert done.returncode == 0, done.stdout
    return folder, done.stdout


def read_decisions(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of every decision."""
    found = sorted((folder / DECISIONS).glob("rung?.json"))
    return {path.name: path.read_bytes() for path in found}


def test_decisions_lead_from_labels_to_the_end(competed: tuple[Path, str]) -> None:
    taken = [json.loads(text) for text in read_decisions(competed[0]).values()]
    assert [one["rung"] for one in taken] == list(range(len(taken)))
    assert [one["finished"] for one in taken] == [False] * (len(taken) - 1) + [True]
    assert all(row["reason"] for one in taken for row in one["candidates"])
    started = {
        (r["dataset"], r["sft_step"]) for r in taken[0]["candidates"] if r["action"] == "run"
    }
    made = {
        (path.parts[-5], int(path.parts[-4].removeprefix("step")))
        for path in (competed[0] / BRANCHES).glob("*/step*/dapo_dc/seed0/rung1")
    }
    assert made == started


def test_rungs_of_a_branch_are_the_whole_branch(competed: tuple[Path, str]) -> None:
    """No step is repeated, and none is another: every byte is that of the branch in one go."""
    last = sorted((competed[0] / BRANCHES).glob("*/step*/dapo_dc/seed0/rung2"))
    whole = [rung.parent for rung in last if (rung.parent / "history.parquet").is_file()]
    assert whole
    for branch in whole:
        for name in ("generations.parquet", "history.parquet", "compute.csv"):
            assert (branch / "rung2" / name).read_bytes() == (branch / name).read_bytes(), name
        assert pd.read_csv(branch / "rung1/compute.csv")["step"].tolist() == [1, 2, 3]
    logs = (competed[0] / "results/smoke/logs/train_rl_rung").glob("*rung2.log")
    assert all("resuming from step 3" in path.read_text(encoding="utf-8") for path in logs)


def test_curves_hold_each_branch_as_far_as_it_ran(competed: tuple[Path, str]) -> None:
    curves = pd.read_csv(competed[0] / CURVES)
    rl = curves[(curves["recipe"] == "dapo_dc") & (curves["dataset"] != "none")]
    steps = rl[rl["benchmark"] == "overall"].groupby(["dataset", "sft_step"])["rl_step"].max()
    last = json.loads([*read_decisions(competed[0]).values()][-1])
    ran = {(r["dataset"], r["sft_step"]): r["done"] for r in last["candidates"] if r["done"]}
    assert steps.to_dict() == ran


def test_no_training_state_is_left(competed: tuple[Path, str]) -> None:
    # Whole branches keep theirs for more steps; those that compete have none.
    left = [path.parent.name for path in (competed[0] / ".state").rglob("checkpoint-*")]
    assert set(left) <= {"checkpoints-kept"}


def test_nothing_is_done_again(competed: tuple[Path, str]) -> None:
    done = run_snakemake(competed[0], "-n", CURVES, config=CONFIG)
    assert "Nothing to be done" in done.stdout, done.stdout


def test_a_kill_in_a_rung_changes_no_decision(competed: tuple[Path, str]) -> None:
    folder = competed[0]
    before, curves = read_decisions(folder), (folder / CURVES).read_bytes()
    (folder / CURVES).unlink()
    # Their training states are gone: the last rungs train from the start.
    for rung in (folder / BRANCHES).glob("*/step*/dapo_dc/seed0/rung2"):
        shutil.rmtree(rung)
    for path in (folder / DECISIONS).glob("rung2*"):
        path.unlink()
    process = subprocess.Popen(
        make_snakemake_command(CURVES, config=CONFIG),
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not [*(folder / ".state").rglob("checkpoints/checkpoint-*")]:
        assert process.poll() is None, "ended before a rung was under way"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = run_snakemake(folder, CURVES, config=CONFIG)
    assert done.returncode == 0, done.stdout
    assert read_decisions(folder) == before
    assert (folder / CURVES).read_bytes() == curves
