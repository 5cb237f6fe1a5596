"""Running the workflow through the SLURM that local_slurm.py started, and asking that SLURM."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from conftest import SMOKE, clean_environment
from filelock import FileLock

from retu.training.training_state import MARKER

# A site of small nodes. Training takes one process unless a test asks for more.
SITE: dict[str, object] = {
    "gpu_type": "h100",
    "gpus_per_node": 1,
    "cpus_per_node": 2,
    "memory_per_node_mb": 8000,
    "longest_days": 1,
    "sft_nodes": 1,
}
# Long enough to be interrupted, with something saved every second or so.
SFT_RUN = {"model": "LabQwen", "dataset": "LabFull", "recipe": "standard"}
LONGER = {
    "sft_runs": [{**SFT_RUN, "checkpoints": [150, 300], "branching": "exhaustive"}],
    "recipes": {
        "sft": {"standard": {"save_every": 10}},
        "rl": {"dapo_dc": {"steps": 60, "evaluate_every": 30, "save_every": 2}},
    },
}
# What a copy must not have: the other folder's runs would be taken for its own.
LEFT_OUT = shutil.ignore_patterns("slurm_logs", "controllers", "__pycache__")
SFT = "results/smoke/sft/LabQwen/LabFull/seed0"
RL = "results/smoke/rl/LabQwen/none/step0/dapo_dc/seed0"
RULES = {SFT: "train_sft", RL: "train_rl"}
OUTPUTS = {
    SFT: ("checkpoints", "losses.csv", "manifest.json"),
    RL: ("checkpoints", "generations.parquet", "history.parquet", "manifest.json"),
}
FACT = re.compile(r"(\S+?)=(\S*)")
OUTPUT = "snakemake.txt"
PATIENCE = 600.0
# What a test's run takes from the command line rather than from the profile: its pace.
PACE = ("--jobs", "4", "--latency-wait", "20", "--slurm-init-seconds-before-status-checks", "2")


@dataclass(frozen=True)
class SlurmJob:
    """A job as SLURM tells of it; ended ones are known for an hour."""

    number: int
    rule: str
    folder: str
    state: str
    restarts: int
    nodes: int
    gpus: str
    memory_mb: int
    seconds: int


def set_site(folder: Path, **facts: object) -> None:
    """Edit the site's lines of the profile, as a user does."""
    path = folder / "slurm" / "config.yaml"
    text = path.read_text()
    for name, value in facts.items():
        text, count = re.subn(rf"^  - {name} = \S+", f"  - {name} = {value!r}", text, flags=re.M)
        assert count == 1, f"{name} is no fact of the profile"
    path.write_text(text)


def set_resource(folder: Path, rule: str, name: str, value: object) -> None:
    """Edit a rule's resource in the profile: --set-resources would put away all that it sets."""
    path = folder / "slurm" / "config.yaml"
    pattern = rf"^(  {rule}:\n(?:    .*\n)*?    {name}: ).*$"
    text, count = re.subn(pattern, rf"\g<1>{value!r}", path.read_text(), flags=re.MULTILINE)
    assert count == 1, f"{rule} has no {name} in the profile"
    path.write_text(text)


def set_study(folder: Path, **changes: Any) -> None:
    """Change keys of the smoke study; mappings are merged, other values replaced."""
    path = folder / "studies" / "smoke.yaml"
    path.write_text(yaml.safe_dump(merge_mappings(yaml.safe_load(path.read_text()), changes)))


def merge_mappings(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`new` over `old`, mappings key by key."""
    both = {
        key: merge_mappings(old[key], value)
        if isinstance(value, Mapping) and isinstance(old.get(key), Mapping)
        else value
        for key, value in new.items()
    }
    return {**old, **both}


def start_snakemake(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start Snakemake with the profile; what it says goes to `snakemake.txt`."""
    program = str(Path(__file__).with_name("prompt_snakemake.py"))
    command = [sys.executable, program, *arguments, "--profile", "slurm", *PACE]
    with (folder / OUTPUT).open("w") as output:
        return subprocess.Popen(
            [*command, "--config", *SMOKE],
            cwd=folder,
            env=clean_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            # What a shell runs in the background inherits that it ignores Ctrl-C.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )


def finish_snakemake(
    controller: "subprocess.Popen[str]", folder: Path, patience: float = PATIENCE
) -> int:
    """The exit status of a Snakemake; one that does not end is killed, and fails the test."""
    try:
        return controller.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        controller.kill()
        raise AssertionError(f"no end after {patience} s:\n{read_log_ends(folder)}") from None


def run_cluster_workflow(folder: Path, *arguments: str, patience: float = PATIENCE) -> None:
    """Run Snakemake with the profile to its successful end."""
    status = finish_snakemake(start_snakemake(folder, *arguments), folder, patience)
    assert status == 0, read_log_ends(folder)


def read_log_ends(folder: Path) -> str:
    """The end of what Snakemake and the jobs' logs say."""
    logs = [folder / OUTPUT, *sorted((folder / "results/smoke/logs").rglob("*.log"))]
    texts = [(path, path.read_text(errors="replace")) for path in logs if path.is_file()]
    return "\n".join(f"--- {path.relative_to(folder)}\n{text[-2000:]}" for path, text in texts)


def run_slurm_command(*command: str) -> str:
    """What a command of SLURM's prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def list_jobs(folder: Path, rule: str | None = None) -> list[SlurmJob]:
    """The jobs of a work folder that SLURM knows, those of one rule if it is named.

    One that is just ending is waited for: SLURM does not yet tell how it ends.
    """
    end = time.monotonic() + PATIENCE
    while True:
        lines = run_slurm_command("scontrol", "show", "job", "--oneliner").splitlines()
        known = [parse_job(dict(FACT.findall(line))) for line in lines if "JobId=" in line]
        found = [job for job in known if job.folder == str(folder) and rule in (None, job.rule)]
        if all(job.state != "COMPLETING" for job in found):
            return found
        assert time.monotonic() < end, f"jobs that never end: {found}"
        time.sleep(0.2)


def parse_job(facts: Mapping[str, str]) -> SlurmJob:
    """A job from what scontrol shows of it."""
    rule = facts.get("Comment", "").removeprefix("rule_").partition("_wildcards_")[0]
    return SlurmJob(
        number=int(facts["JobId"]),
        rule=rule,
        folder=facts["WorkDir"],
        state=facts["JobState"],
        restarts=int(facts["Restarts"]),
        nodes=int(facts["NumNodes"].partition("-")[0]),
        gpus=facts.get("TresPerNode", ""),
        memory_mb=parse_megabytes(facts["MinMemoryNode"]),
        seconds=parse_seconds(facts["RunTime"]),
    )


def parse_megabytes(text: str) -> int:
    """Read `500M` or `4G`."""
    return int(float(text[:-1]) * {"M": 1, "G": 1024}[text[-1]])


def parse_seconds(text: str) -> int:
    """Read `HH:MM:SS`."""
    hours, minutes, rest = map(int, text.split(":"))
    return hours * 3600 + minutes * 60 + rest


def find_running_job(folder: Path, rule: str) -> SlurmJob | None:
    """The job of a rule that runs now."""
    return next((job for job in list_jobs(folder, rule) if job.state == "RUNNING"), None)


def wait_until(done: Callable[[], Any], what: str, patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not done():
        assert time.monotonic() < end, f"not after {patience} s: {what}"
        time.sleep(0.2)


def list_complete_marks(folder: Path, run: str) -> list[Path]:
    """The marks of a run's complete checkpoints, as far as its state still has them."""
    return list((folder / ".state" / run / "checkpoints").glob(f"checkpoint-*/{MARKER}"))


def start_training(folder: Path, run: str) -> "tuple[subprocess.Popen[str], SlurmJob]":
    """Start a run and wait until it has saved something; its Snakemake and its job."""
    controller = start_snakemake(folder, f"{run}/manifest.json")
    wait_until(
        lambda: list_complete_marks(folder, run) or controller.poll() is not None, "a checkpoint"
    )
    job = find_running_job(folder, RULES[run])
    assert job is not None, read_log_ends(folder)
    return controller, job


def read_last_log(folder: Path, run: str) -> str:
    """What the last start of a run printed."""
    logs = folder / "results/smoke/logs" / RULES[run]
    return "\n".join(path.read_text() for path in logs.glob("*.log"))


def assert_same_bytes(folder: Path, expected: Path, run: str) -> None:
    """A run has the same bytes in two work folders."""
    for name in OUTPUTS[run]:
        wanted = expected / run / name
        files = [path.relative_to(expected) for path in wanted.rglob("*") if path.is_file()]
        for file in files or [Path(run, name)]:
            assert (folder / file).read_bytes() == (expected / file).read_bytes(), file


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker that wants it makes, while the others wait."""
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unfinished = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder
