"""`retu cluster check` from the command line, on a made-up cluster."""

from pathlib import Path

import pytest
from cluster_fixtures import NODES, Cluster, make_cluster

from retu.cli import cluster_command, command_line

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
    monkeypatch.setattr(cluster_command, "ROOT", tmp_path)
    (tmp_path / "slurm").mkdir()
    (tmp_path / "config.yaml").write_text("study: lab\n")
    return make_cluster(tmp_path / "bin", monkeypatch)


def run_cluster_check(folder: Path, *more: str, gpus: int = 8, study: str = "smoke") -> int:
    """Run the command on a profile."""
    profile = folder / "slurm"
    (profile / "config.yaml").write_text(PROFILE.format(gpus=gpus, study=study))
    return command_line.main(["cluster", "check", "--profile", str(profile), *more])


def test_a_launch_that_can_succeed(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cluster_check(tmp_path) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"study smoke, profile {tmp_path / 'slurm' / 'config.yaml'}\n")
    assert "train_sft: partition gpu, 1 node, 8 GPUs, 12 CPUs, 4000 MB, 1 d: 2 nodes" in told
    assert "account (lab): not checked, this site has no accounting to ask" in told
    assert "WRONG" not in told


def test_a_launch_that_would_fail(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cluster_check(tmp_path, gpus=16) == 1
    told = capsys.readouterr().out
    assert "\nWRONG  train_sft: " in told
    assert told.endswith(
        f"\n1 mistake: correct {tmp_path / 'slurm' / 'config.yaml'} or the study before a launch\n"
    )


def test_nodes_that_are_down_are_noticed(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.set_nodes(*((*node[:-1], "down*") for node in NODES))
    assert run_cluster_check(tmp_path) == 1
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
    assert run_cluster_check(tmp_path, *more, study=study) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {said}")
    assert told.count("\n") == 1


def test_a_profile_without_a_study_asks_for_one(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slurm" / "config.yaml").write_text("executor: slurm\n")
    assert command_line.main(["cluster", "check", "--profile", str(tmp_path / "slurm")]) == 2
    assert capsys.readouterr().err.endswith("names no study; say --study NAME\n")


def test_an_environment_that_is_not_there_is_one_line(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text("environments: {gpu: .venv-nowhere}\n")
    assert run_cluster_check(tmp_path) == 2
    said = "error: config.yaml: environments: gpu: .venv-nowhere holds no environment; build it"
    assert capsys.readouterr().err.startswith(said)


def test_gpus_without_an_environment_of_their_own_are_told(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_cluster_check(tmp_path, "--study", "lab_gpu")
    assert "jobs with GPUs take " in capsys.readouterr().out
    assert run_cluster_check(tmp_path) == 0
    assert "jobs with GPUs" not in capsys.readouterr().out


def test_a_study_that_trains_nothing_needs_no_processes(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cluster_check(tmp_path, "--study", "released", gpus=16) == 0
    told = capsys.readouterr().out
    assert "study released trains nothing" in told
    assert "train_sft" not in told
