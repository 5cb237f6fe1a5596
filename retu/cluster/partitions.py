"""What a cluster has: its partitions and their nodes, as sinfo and scontrol tell them."""

import getpass
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from retu.runtime.slurm import (
    FIELD_SEPARATOR,
    UNLIMITED,
    NoAnswerError,
    parse_duration,
    run_slurm_tool,
)

# Partition, node, CPUs, megabytes, generic resources, state.
NODE_FIELDS = ("%R", "%N", "%c", "%m", "%G", "%T")
GPU = re.compile(r"gpu(?::(?P<type>[^:(]+))?:(?P<count>\d+)(?:\(.*\))?")
GRES_SEPARATOR = re.compile(r",(?![^(]*\))")
# States that only an administrator ends; a busy or reserved node will be free again.
UNUSABLE_STATES = re.compile(r"down|drain|fail|error|unknown|inval", re.IGNORECASE)
ANY_ACCOUNT = "ALL"


@dataclass(frozen=True)
class Node:
    """A node; `gpus` maps type to number, with the type "" where the site names none."""

    name: str
    cpus: int
    memory_mb: int
    gpus: Mapping[str, int]
    state: str

    @property
    def is_usable(self) -> bool:
        """Whether it runs jobs, now or after those that it has."""
        return not UNUSABLE_STATES.search(self.state)

    def count_gpus(self, kind: str | None) -> int:
        """How many GPUs of a type, or of any, it has."""
        return sum(n for name, n in self.gpus.items() if kind is None or name == kind)


@dataclass(frozen=True)
class Partition:
    """A partition and what it allows a job; None for no limit."""

    name: str
    up: bool
    minutes: float
    most_nodes: float
    cpus_per_node: float
    memory_per_node: float
    accounts: tuple[str, ...]
    """Those that may use it; empty: all but `denied`."""
    denied: tuple[str, ...]
    nodes: tuple[Node, ...]

    def is_open_to(self, account: str) -> bool:
        """Whether an account may use it; SLURM's accounts have no capitals."""
        name = account.lower()
        return name in self.accounts if self.accounts else name not in self.denied


@dataclass(frozen=True)
class SiteSettings:
    """What a site has decided for all jobs; `job_age` is for how many seconds squeue still lists
    one that has ended, None where the site does not tell.
    """

    requeues: bool
    accounting: bool
    job_age: int | None


def read_partitions() -> dict[str, Partition]:
    """All partitions that this user may see.

    Raises:
        NoAnswerError: SLURM does not answer.
    """
    lines = run_slurm_tool(
        "sinfo", "--noheader", "--Node", "--format", FIELD_SEPARATOR.join(NODE_FIELDS)
    ).splitlines()
    rows = [[part.strip() for part in line.split(FIELD_SEPARATOR)] for line in lines]
    found = {}
    for line in run_slurm_tool("scontrol", "--oneliner", "show", "partition").splitlines():
        facts = dict(pair.partition("=")[::2] for pair in line.split())
        if "PartitionName" in facts:
            name = facts["PartitionName"]
            nodes = tuple(read_node(row) for row in rows if row[0] == name)
            found[name] = read_partition(facts, nodes)
    return found


def read_node(row: Iterable[str]) -> Node:
    """A node from a line of sinfo."""
    _, name, cpus, memory, resources, state = row
    return Node(
        name, parse_leading_number(cpus), parse_leading_number(memory), parse_gres(resources), state
    )


def read_partition(facts: Mapping[str, str], nodes: tuple[Node, ...]) -> Partition:
    """A partition from a line of scontrol."""
    return Partition(
        name=facts["PartitionName"],
        up=facts.get("State", "UP") == "UP",
        minutes=(parse_duration(facts.get("MaxTime", "")) or 0) / 60,
        most_nodes=parse_limit(facts.get("MaxNodes", "")),
        cpus_per_node=parse_limit(facts.get("MaxCPUsPerNode", "")),
        memory_per_node=parse_limit(facts.get("MaxMemPerNode", "")),
        accounts=split_accounts(facts.get("AllowAccounts", ANY_ACCOUNT)),
        denied=split_accounts(facts.get("DenyAccounts", ANY_ACCOUNT)),
        nodes=nodes,
    )


def split_accounts(text: str) -> tuple[str, ...]:
    """Accounts of a list; none for all of them."""
    return () if text in (ANY_ACCOUNT, *UNLIMITED) else tuple(text.lower().split(","))


def parse_limit(text: str) -> float:
    """A number, or infinity for no limit."""
    return math.inf if text.upper() in UNLIMITED else float(parse_leading_number(text))


def parse_leading_number(text: str) -> int:
    """The number at the start: sinfo writes 16+ for 16 and more."""
    found = re.match(r"\d+", text)
    return int(found.group()) if found else 0


def parse_gres(text: str) -> dict[str, int]:
    """GPUs by type, from such as `gpu:h100:4(S:0-1),gpu:a100:2,shard:8`."""
    found: dict[str, int] = {}
    for part in GRES_SEPARATOR.split(text):
        gpu = GPU.fullmatch(part)
        if gpu:
            kind = gpu["type"] or ""
            found[kind] = found.get(kind, 0) + int(gpu["count"])
    return found


def read_accounts() -> set[str] | None:
    """The accounts of this user; None where the site keeps none, or does not tell.

    Only the accounting daemon knows them: SLURM without it takes any account.
    """
    command = ("sacctmgr", "--noheader", "--parsable2", "--associations", "list", "user")
    try:
        listed = run_slurm_tool(*command, getpass.getuser(), "format=account")
    except NoAnswerError:
        return None
    return {line.strip().lower() for line in listed.splitlines() if line.strip()} or None


def read_site_settings() -> SiteSettings:
    """The site's settings that decide whether Snakemake can follow its jobs."""
    pairs = (
        line.partition("=") for line in run_slurm_tool("scontrol", "show", "config").splitlines()
    )
    found = {key.strip(): value.strip() for key, _, value in pairs}
    age = found.get("MinJobAge", "")
    return SiteSettings(
        requeues=found.get("JobRequeue", "1") != "0",
        accounting=not found.get("AccountingStorageType", "").endswith("/none"),
        job_age=parse_leading_number(age) if age else None,
    )
