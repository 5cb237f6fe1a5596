"""`retu cluster check` from the command line, on a made-up cluster."""

from pathlib import Path

import pytest
from cluster_fixtures import NODES, Cluster, make_cluster

from workflow_scripts import retu
from workflow_scripts.cluster import commands

PROFILE = """
executor: slurm
slurm-status-command: squeue
config:
  - study={study}
default-resources:
  slurm_account: lab
  slurm_partition: cpu
  runtime: 60
  mem_mb: 4000
set-resources:
  train_sft:
    slurm_partition: gpu
    gres: gpu:{gpus}
    cpus_per_task: 12
    runtime: 1440
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(commands, "ROOT", tmp_path)
    return make_cluster(tmp_path / "bin", monkeypatch)


def check(folder: Path, *more: str, gpus: int = 8, study: str = "smoke") -> int:
    """Run the command on a profile."""
    (folder / "config.yaml").write_text(PROFILE.format(gpus=gpus, study=study))
    return retu.main(["cluster", "check", "--profile", str(folder), *more])


def test_a_launch_that_can_succeed(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"study smoke, profile {tmp_path / 'config.yaml'}\n")
    assert "train_sft: partition gpu, 1 node, 8 GPUs, 12 CPUs, 4000 MB, 1 d: 2 nodes" in told
    assert "account (lab): not checked, this site has no accounting to ask" in told
    assert "WRONG" not in told


def test_a_launch_that_would_fail(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, gpus=16) == 1
    told = capsys.readouterr().out
    assert "\nWRONG  train_sft: " in told
    assert told.endswith(
        f"\n1 mistake: correct {tmp_path / 'config.yaml'} or the study before a launch\n"
    )


def test_nodes_that_are_down_are_noticed(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.nodes(*((*node[:-1], "down*") for node in NODES))
    assert check(tmp_path) == 1
    assert capsys.readouterr().out.count("down or drained (see `sinfo -R`)") == 2


@pytest.mark.parametrize(
    ("more", "study", "said"),
    [
        (("--study", "smok"), "smoke", "study 'smok': there is no "),
        ((), "nothing", "study 'nothing': there is no "),
    ],
)
def test_a_study_that_does_not_exist_is_one_line(
    more: tuple[str, ...],
    study: str,
    said: str,
    cluster: Cluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(tmp_path, *more, study=study) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {said}")
    assert told.count("\n") == 1


def test_a_profile_without_a_study_asks_for_one(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text("executor: slurm\n")
    assert retu.main(["cluster", "check", "--profile", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("names no study; say --study NAME\n")


def test_a_study_that_trains_nothing_needs_no_processes(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, "--study", "released", gpus=16) == 0
    told = capsys.readouterr().out
    assert "study released trains nothing" in told
    assert "train_sft" not in told
