"""The profile is read as Snakemake reads it: a template, then expressions of the attempt."""

from pathlib import Path

import pytest

from retu.core.errors import InputError
from retu.runtime.slurm_profile import OTHER_RULES, ResourceRequest, read_profile

ROOT = Path(__file__).resolve().parents[2]
PROFILE = """
__use_yte__: true
__definitions__:
  - gpus = 4
  - days = 2
  - growing = f"{gpus} * 1000 * attempt"
executor: slurm
slurm-status-command: squeue
retries: 2
config:
  - study=mine
default-resources:
  slurm_account: lab
  slurm_partition: cpu
  runtime: 60
  mem_mb: 500
set-resources:
  train_sft:
    slurm_partition: gpu
    gres: ?f"gpu:h100:{gpus}"
    cpus_per_task: 8
    tasks_per_node: ?gpus
    nodes: 2
    processes: ?gpus
    mem_mb: ?growing
    runtime: ?days * 1440
"""


def write_profile(folder: Path, text: str) -> Path:
    """A profile's folder."""
    (folder / "config.yaml").write_text(text)
    return folder


def read_requests(folder: Path, resources: str) -> dict[int, ResourceRequest]:
    """What a rule `a` asks for at each attempt, given the lines of its resources."""
    lines = "".join(f"    {line}\n" for line in resources.splitlines())
    text = f"executor: slurm\nretries: 1\nset-resources:\n  a:\n{lines}"
    found = read_profile(write_profile(folder, text)).requests
    return {request.attempt: request for request in found if request.rule == "a"}


def test_definitions_defaults_and_attempts(tmp_path: Path) -> None:
    profile = read_profile(write_profile(tmp_path, PROFILE))
    assert (profile.executor, profile.study, profile.status) == ("slurm", "mine", "squeue")
    assert profile.first_look == 40
    found = {(r.rule, r.attempt): r for r in profile.requests}
    assert list(found) == [(OTHER_RULES, 1), (OTHER_RULES, 3), ("train_sft", 1), ("train_sft", 3)]
    assert found["train_sft", 3] == ResourceRequest(
        rule="train_sft",
        attempt=3,
        partition="gpu",
        account="lab",
        nodes=2,
        processes=4,
        gpus=4,
        gpu_type="h100",
        cpus=32,
        memory_mb=12000,
        minutes=2880,
    )
    assert found["train_sft", 1].memory_mb == 4000
    assert (found[OTHER_RULES, 1].partition, found[OTHER_RULES, 1].memory_mb) == ("cpu", 500)


@pytest.mark.parametrize(
    ("resources", "memory"),
    [
        ("mem_mb: 4000", 4000),
        ("mem: 8GB", 8000),
        ("mem_mb: attempt * 1.5", 2),
        ("mem_mb_per_cpu: 100\ncpus_per_task: 6", 600),
        ("mem_mb: max(2 * input.size_mb, 1000)", None),
        ("mem_mb: 10 * int(wildcards.step)", None),
        ("gres: gpu:1", None),
    ],
)
def test_memory_of_a_node(resources: str, memory: int | None, tmp_path: Path) -> None:
    assert read_requests(tmp_path, resources)[1].memory_mb == memory


@pytest.mark.parametrize(
    ("resources", "gpus", "kind"),
    [
        ("gres: gpu:8", 8, None),
        ("gres: gpu:h100:8", 8, "h100"),
        ("gres: gpu", 1, None),
        ("gres: gpu:a100", 1, "a100"),
        ("gres: shard:2", 0, None),
        ("gpu: 5\nnodes: 2\ngpu_model: h100", 3, "h100"),
        ("mem_mb: 1", 0, None),
    ],
)
def test_gpus_of_a_node(resources: str, gpus: int, kind: str | None, tmp_path: Path) -> None:
    found = read_requests(tmp_path, resources)[1]
    assert (found.gpus, found.gpu_type) == (gpus, kind)


@pytest.mark.parametrize(
    ("resources", "minutes"),
    [
        ("runtime: 90", (90, 90)),
        ("runtime: 2d", (2880, 2880)),
        ("runtime: 60 * attempt", (60, 120)),
    ],
)
def test_time(resources: str, minutes: tuple[int, int], tmp_path: Path) -> None:
    found = read_requests(tmp_path, resources)
    assert (found[1].minutes, found[2].minutes) == minutes


@pytest.mark.parametrize(
    ("resources", "cpus"),
    [
        ("cpus_per_task: 12", 12),
        ("cpus_per_task: 12\ntasks_per_node: 8", 96),
        ("cpus_per_task: 3\ntasks: 4\nnodes: 2", 6),
        ("cpus_per_gpu: 12\ngres: gpu:4", 48),
        ("mem_mb: 1", 1),
    ],
)
def test_cpus_of_a_node(resources: str, cpus: int, tmp_path: Path) -> None:
    assert read_requests(tmp_path, resources)[1].cpus == cpus


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("executor: [", "config.yaml: Couldn't parse config file"),
        ("- executor", "config.yaml: The config file doesn't appear to contain"),
        ("default-resources: [runtime]", "config.yaml: runtime: write NAME=VALUE"),
        ("set-resources: {a: 3}", "config.yaml: Invalid set-resources format in profile"),
        (
            "set-resources: {a: {mem_mb: 1 / 0}}",
            "config.yaml: a: mem_mb: 1 / 0: Failed to evaluate resources value '1 / 0'.",
        ),
        (
            "__use_yte__: true\nset-resources:\n  a:\n    mem_mb: ?nothing",
            "config.yaml: Couldn't parse config file",
        ),
    ],
)
def test_a_profile_that_cannot_be_read_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read_profile(write_profile(tmp_path, text))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_profile_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none/config.yaml: |none: cannot be read"):
        read_profile(tmp_path / "none")


def test_the_projects_own_profile_is_read() -> None:
    profile = read_profile(ROOT / "slurm")
    assert profile.executor == "slurm"
    found = {r.rule: r for r in profile.requests if r.attempt == 1}
    assert found["train_sft"].gpus > 0
    assert found["train_sft"].partition != found[OTHER_RULES].partition
    assert all(r.minutes and r.memory_mb for r in profile.requests)
    assert {r.attempt for r in profile.requests} != {1}


def test_the_first_look_at_jobs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("executor: slurm\nslurm-init-seconds-before-status-checks: 20\n")
    assert read_profile(tmp_path).first_look == 20
    for value in ("0", "-1", "soon", "1.5"):
        path.write_text(f"slurm-init-seconds-before-status-checks: {value}\n")
        with pytest.raises(InputError, match=rf"status-checks: {value}: use a whole number"):
            read_profile(tmp_path)
