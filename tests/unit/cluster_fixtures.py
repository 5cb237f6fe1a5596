"""A made-up cluster: SLURM's commands as small programs on PATH that print what a test wrote.

The texts are laid out as SLURM 22.05 prints them for the formats that the project asks for.
"""

import json
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from retu.cluster.controller import JobController, get_controllers_folder
from retu.runtime.slurm import FIELD_SEPARATOR, TOOLS
from retu.runtime.slurm_profile import ResourceRequest

RUN = "3f0c7c2e-8f1b-4f4e-9a36-0d6a5a5e7a11"
# A tool prints the text beside it, or fails with its words; it notes what it was asked.
TOOL = """#!/bin/sh
echo "$@" >> "{asked}"
[ -f "{failed}" ] && cat "{failed}" >&2 && exit 1
[ -f "{slow}" ] && exec sleep 60
[ -f "{text}" ] && cat "{text}"
exit 0
"""
SCONTROL = """#!/bin/sh
case "$*" in
  *partition*) cat "{folder}/partitions.txt" ;;
  *config*) cat "{folder}/config.txt" ;;
esac
"""
SCANCEL = """#!/bin/sh
echo "$@" >> "{folder}/scancel.asked"
[ -f "{folder}/stubborn" ] || : > "{folder}/squeue.txt"
"""
PARTITION = (
    "PartitionName={name} AllowGroups=ALL AllowAccounts={accounts} AllowQos=ALL MaxNodes={nodes}"
    " MaxTime={time} MinNodes=0 MaxCPUsPerNode={cpus} Nodes=node[1-2] State={state}"
    " MaxMemPerNode={memory} TRES=cpu=32,mem=125G,node=2,billing=32"
)
NODES = (
    ("cpu", "node1", "16", "64000", "(null)", "idle"),
    ("gpu", "node2", "96", "1000000", "gpu:h100:8(S:0-1)", "mixed"),
    ("gpu", "node3", "96", "1000000", "gpu:h100:8(S:0-1)", "allocated"),
)

SFT = ResourceRequest(
    rule="train_sft",
    attempt=1,
    partition="gpu",
    account="lab",
    nodes=2,
    processes=8,
    gpus=8,
    gpu_type="h100",
    cpus=96,
    memory_mb=900000,
    minutes=1440,
)


@dataclass(frozen=True)
class Cluster:
    """A made-up cluster; `folder` holds its commands and what they print."""

    folder: Path

    def print_text(self, tool: str, text: str) -> None:
        """Let a command print a text from now on."""
        (self.folder / f"{tool}.txt").write_text(text)

    def make_fail(self, tool: str, words: str) -> None:
        """Let a command fail from now on."""
        (self.folder / f"{tool}.failed").write_text(words)

    def list_calls(self, tool: str) -> list[str]:
        """The arguments of all calls of a command."""
        path = self.folder / f"{tool}.asked"
        return path.read_text().splitlines() if path.is_file() else []

    def set_queue(self, *jobs: tuple[str, ...]) -> None:
        """Fill the queue: id, name, comment, state, reason, partition, time left, folder."""
        self.print_text("squeue", "".join(FIELD_SEPARATOR.join(job) + "\n" for job in jobs))

    def set_nodes(self, *nodes: tuple[str, ...]) -> None:
        """The nodes: partition, name, CPUs, MB, generic resources, state."""
        self.print_text("sinfo", "".join(FIELD_SEPARATOR.join(node) + "\n" for node in nodes))

    def set_settings(self, **values: str) -> None:
        """The site's settings."""
        lines = [f"{name:<23} = {value}\n" for name, value in values.items()]
        head = "Configuration data as of 2026-01-02T03:04:05\n"
        (self.folder / "config.txt").write_text(head + "".join(lines))

    def set_partitions(self, *changes: dict[str, str]) -> None:
        """The partitions, each with what differs from no limit at all."""
        open_to_all = {"accounts": "ALL", "time": "UNLIMITED", "state": "UP"}
        free = dict.fromkeys(("nodes", "cpus", "memory"), "UNLIMITED")
        lines = [PARTITION.format(**{**open_to_all, **free, **change}) for change in changes]
        (self.folder / "partitions.txt").write_text("\n".join(lines) + "\n")


def make_cluster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster with an empty queue, partitions `cpu` and `gpu`, and no accounting."""
    folder.mkdir()
    for tool in (*TOOLS, "sacctmgr"):
        names = {n: folder / f"{tool}.{n}" for n in ("asked", "failed", "slow")}
        text = TOOL.format(text=folder / f"{tool}.txt", **names)
        write_tool(folder / tool, text)
    write_tool(folder / "scontrol", SCONTROL.format(folder=folder))
    write_tool(folder / "scancel", SCANCEL.format(folder=folder))
    cluster = Cluster(folder)
    cluster.set_settings(JobRequeue="1", AccountingStorageType="accounting_storage/none")
    cluster.make_fail("sacctmgr", "You are not running a supported accounting_storage plugin\n")
    cluster.set_partitions(
        {"name": "cpu", "time": "1-00:00:00"}, {"name": "gpu", "time": "7-00:00:00"}
    )
    cluster.set_nodes(*NODES)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return cluster


def write_tool(path: Path, text: str) -> None:
    """Write a program."""
    path.write_text(text)
    path.chmod(0o755)


def remove_slurm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of SLURM on PATH, whatever this machine has."""
    folder.mkdir()
    for tool in ("sh", "cat", "sleep"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", str(folder))


def make_queue_line(
    number: str,
    folder: Path,
    *,
    run: str = RUN,
    state: str = "RUNNING",
    reason: str = "None",
    work: str = "rule_train_sft_wildcards_LabQwen_LabEasy",
) -> tuple[str, ...]:
    """A job of a work folder, as squeue prints it."""
    return (number, run, work, state, reason, "gpu", "1-02:03:04", str(folder))


def write_controller(
    root: Path, *, pid: int, start: str, host: str | None = None, run: str | None = RUN
) -> Path:
    """Write down a controller of a work folder, with a log that names its run."""
    host = host or platform.node()
    log = root / f"{host}-{pid}.log"
    log.write_text(f"Building DAG of jobs...\nSLURM run ID: {run}\n" if run else "Building DAG\n")
    since = "2026-01-02 03:04:05+00:00"
    controller = JobController(host=host, pid=pid, start=start, since=since, logs=(str(log),))
    folder = get_controllers_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{host}-{pid}.json"
    path.write_text(json.dumps({**controller.__dict__}))
    return path
