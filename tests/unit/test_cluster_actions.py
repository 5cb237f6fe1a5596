"""`retu cluster status`, `wait`, `cancel` and `unlock` on a made-up cluster."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_fixtures import Cluster, make_cluster, make_queue_line, remove_slurm, write_controller

from retu.cli import cluster_command, command_line
from retu.cluster import actions, queue
from retu.cluster.controller import read_process_start
from retu.core.errors import InputError

STUCK = {"state": "PENDING", "reason": "PartitionTimeLimit"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A work folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def cluster(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.delenv("RETU_STATE", raising=False)
    monkeypatch.setattr(cluster_command, "ROOT", root)
    return make_cluster(tmp_path / "bin", monkeypatch)


def add_living_controller(root: Path) -> None:
    """Let the jobs of the folder have a living Snakemake."""
    write_controller(root, pid=os.getppid(), start=str(read_process_start(os.getppid())))


def record_sleeps(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> list[float]:
    """Do a step in place of each sleep; the times that would have been slept."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        steps[len(slept)]()
        slept.append(seconds)

    monkeypatch.setattr(actions, "sleep", sleep)
    return slept


def test_status_of_jobs_in_good_hands(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_living_controller(root)
    cluster.set_queue(
        make_queue_line("11", root), make_queue_line("12", root, state="PENDING", reason="Priority")
    )
    assert command_line.main(["cluster", "status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{root}: 2 jobs in the queue, 1 pending"
    assert lines[1].startswith(f"Snakemake: process {os.getppid()} on ")
    assert lines[1].endswith(": alive")
    told = [" ".join(line.split()) for line in lines[2:]]
    assert told[0] == "11 gpu RUNNING, 1-02:03:04 left train_sft LabQwen_LabEasy"
    assert told[1] == "12 gpu PENDING (Priority) train_sft LabQwen_LabEasy"
    assert len(lines) == 4


def test_status_tells_orphans_and_what_never_starts(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.set_queue(make_queue_line("11", root), make_queue_line("12", root, **STUCK))
    assert command_line.main(["cluster", "status"]) == 1
    told = capsys.readouterr().out
    assert told.count("[looked after by nobody]") == 2
    assert "asks for more time than the partition allows, it never starts: lower the rule" in told
    assert "\n2 without a Snakemake known to be alive: 11, 12; `retu cluster wait`" in told
    assert "\n1 will never start as things are: 12; see above\n" in told


def test_a_stuck_job_is_a_finding_even_of_a_living_snakemake(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_living_controller(root)
    cluster.set_queue(make_queue_line("12", root, **STUCK))
    assert command_line.main(["cluster", "status"]) == 1
    assert "looked after" not in capsys.readouterr().out


def test_an_unknown_reason_names_where_to_look(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_living_controller(root)
    cluster.set_queue(make_queue_line("12", root, state="PENDING", reason="SomethingNew"))
    assert command_line.main(["cluster", "status"]) == 0
    told = capsys.readouterr().out
    assert "SomethingNew: see `man squeue` and `scontrol show job 12`" in told


@pytest.mark.parametrize("action", ["status", "wait", "cancel", "unlock", "check"])
def test_without_slurm_every_command_is_one_line(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    remove_slurm(tmp_path / "bare", monkeypatch)
    assert command_line.main(["cluster", action]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: no SLURM: squeue, ")
    assert told.count("\n") == 1


def test_wait_ends_when_the_last_orphan_has_left(
    cluster: Cluster,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cluster.set_queue(make_queue_line("11", root), make_queue_line("12", root))
    slept = record_sleeps(
        monkeypatch,
        lambda: None,
        lambda: cluster.set_queue(make_queue_line("12", root)),
        lambda: cluster.set_queue(),
    )
    assert command_line.main(["cluster", "wait", "--every", "5"]) == 0
    assert slept == [5.0, 5.0, 5.0]
    told = capsys.readouterr().out
    # What has not changed is not told again.
    assert (told.count("waiting for 2 jobs:"), told.count("waiting for 1 job:")) == (1, 1)
    assert told.endswith("start Snakemake again, it takes over what they have made\n")


def test_wait_has_nothing_to_wait_for_while_snakemake_lives(cluster: Cluster, root: Path) -> None:
    add_living_controller(root)
    cluster.set_queue(make_queue_line("11", root))
    assert command_line.main(["cluster", "wait"]) == 0


def test_wait_gives_up_on_what_never_starts(
    cluster: Cluster,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cluster.set_queue(make_queue_line("11", root), make_queue_line("12", root, **STUCK))
    slept = record_sleeps(
        monkeypatch, lambda: cluster.set_queue(make_queue_line("12", root, **STUCK))
    )
    assert command_line.main(["cluster", "wait"]) == 1
    assert len(slept) == 1
    assert "none of them will ever start" in capsys.readouterr().out


def test_wait_outlasts_a_restart_of_slurm(
    cluster: Cluster,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def restart_slurm() -> None:
        (cluster.folder / "squeue.failed").unlink()
        cluster.set_queue()

    cluster.set_queue(make_queue_line("11", root))
    record_sleeps(
        monkeypatch, lambda: cluster.make_fail("squeue", "Unable to contact\n"), restart_slurm
    )
    assert command_line.main(["cluster", "wait"]) == 0
    assert "squeue: Unable to contact; `scontrol ping`" in capsys.readouterr().out


def test_wait_does_not_start_without_an_answer(cluster: Cluster) -> None:
    cluster.make_fail("squeue", "Unable to contact\n")
    assert command_line.main(["cluster", "wait"]) == 2


@pytest.mark.parametrize("every", ["0", "-1", "1e9", "soon", "nan"])
def test_a_time_that_is_none_is_refused(every: str, cluster: Cluster) -> None:
    with pytest.raises(SystemExit) as raised:
        command_line.main(["cluster", "wait", "--every", every])
    assert raised.value.code == 2


def test_cancel_ends_orphans_only(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = root / ".state" / "results" / "run" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    add_living_controller(root)
    cluster.set_queue(
        make_queue_line("11", root), make_queue_line("12", root, run="an earlier run")
    )
    (cluster.folder / "scancel").write_text(
        f'#!/bin/sh\necho "$@" >> "{cluster.folder}/scancel.asked"\n'
        f'grep -v ^12 "{cluster.folder}/squeue.txt" > "{cluster.folder}/next"\n'
        f'mv "{cluster.folder}/next" "{cluster.folder}/squeue.txt"\n'
    )
    assert command_line.main(["cluster", "cancel"]) == 0
    assert cluster.list_calls("scancel") == ["--quiet 12"]
    assert "cancelling 1 job; state of training is kept:" in capsys.readouterr().out
    assert state.is_file()


def test_cancel_without_orphans_cancels_nothing(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_living_controller(root)
    cluster.set_queue(make_queue_line("11", root))
    assert command_line.main(["cluster", "cancel"]) == 0
    assert capsys.readouterr().out == "no orphan to cancel\n"
    assert cluster.list_calls("scancel") == []


def test_cancel_keeps_what_another_host_may_look_after(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_controller(root, pid=7, start="x", host="login2")
    cluster.set_queue(make_queue_line("11", root))
    assert command_line.main(["cluster", "cancel"]) == 1
    assert cluster.list_calls("scancel") == []
    assert "kept 1 job of process 7 on login2, " in capsys.readouterr().out
    assert command_line.main(["cluster", "cancel", "--other-hosts"]) == 0
    assert cluster.list_calls("scancel") == ["--quiet 11"]


def test_cancel_keeps_what_a_living_snakemake_without_a_log_may_look_after(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_living_controller(root)
    (log,) = root.glob("*.log")
    log.unlink()
    cluster.set_queue(make_queue_line("11", root))
    assert command_line.main(["cluster", "cancel", "--other-hosts"]) == 1
    assert cluster.list_calls("scancel") == []
    assert f"kept 1 job of process {os.getppid()} on " in capsys.readouterr().out


def test_cancel_says_what_does_not_go(
    cluster: Cluster,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (cluster.folder / "stubborn").touch()
    cluster.set_queue(make_queue_line("11", root))
    monkeypatch.setattr(actions, "CANCEL_TIMEOUT_SECONDS", 0.0)
    assert command_line.main(["cluster", "cancel"]) == 2
    assert "still in the queue: 11; see `retu cluster status`" in capsys.readouterr().err


def record_unlocks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders in which Snakemake is asked to unlock."""
    asked: list[Path] = []

    def unlock(folder: Path) -> int:
        asked.append(folder)
        return 0

    monkeypatch.setattr(queue, "unlock_folder", unlock)
    return asked


def test_unlock_waits_for_the_last_job(
    cluster: Cluster, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = record_unlocks(monkeypatch)
    cluster.set_queue(make_queue_line("11", root))
    options = argparse.Namespace(root=root, other_hosts=False)
    with pytest.raises(InputError, match=r"^not unlocked: 1 job of this folder in .* \(11\)"):
        actions.run_unlock(options)
    assert asked == []
    cluster.set_queue()
    assert actions.run_unlock(options) == 0
    assert asked == [root]


def test_unlock_refuses_while_a_snakemake_lives(
    cluster: Cluster, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = record_unlocks(monkeypatch)
    add_living_controller(root)
    for other_hosts in (False, True):
        options = argparse.Namespace(root=root, other_hosts=other_hosts)
        with pytest.raises(InputError, match=r"^not unlocked: there is a Snakemake, process"):
            actions.run_unlock(options)
    assert asked == []


def test_unlock_asks_to_look_at_the_other_host_first(
    cluster: Cluster, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = record_unlocks(monkeypatch)
    write_controller(root, pid=7, start="x", host="login2")
    with pytest.raises(InputError, match="on another host: unknown"):
        actions.run_unlock(argparse.Namespace(root=root, other_hosts=False))
    assert asked == []
    assert actions.run_unlock(argparse.Namespace(root=root, other_hosts=True)) == 0
    assert asked == [root]


def test_snakemake_itself_removes_the_lock(root: Path) -> None:
    (root / "Snakefile").write_text('rule all:\n    output: "a"\n    shell: "touch a"\n')
    locks = root / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("a\n")
    assert queue.unlock_folder(root) == 0
    assert not list(locks.glob("*")) or not locks.exists()
