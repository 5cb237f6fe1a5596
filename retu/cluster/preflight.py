"""Whether a launch can succeed: what the profile and the study ask for against what there is.

SLURM refuses some requests at once and lets others wait for ever; both are found here first.
"""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retu.cluster.partitions import Node, Partition, SiteSettings
from retu.config.execution import Execution
from retu.config.study import Config
from retu.core.sizes import GIB
from retu.core.text import format_quantity, join_names
from retu.runtime.slurm_profile import FIRST_LOOK_OPTION, STATUS_OPTION, Profile, ResourceRequest

PLUGIN = "snakemake_executor_plugin_slurm"
MOUNTS = Path("/proc/mounts")
# File systems that other machines do not see.
LOCAL_FILE_SYSTEMS = frozenset(
    {"btrfs", "ext3", "ext4", "overlay", "ramfs", "rootfs", "tmpfs", "xfs"}
)
MAX_LOOK_SECONDS = 180
"""Seconds to which Snakemake's executor lengthens the time between two looks at its jobs."""
MIN_FIRST_LOOKS = 3
"""Snakemake's executor leaves squeue for sacct where MinJobAge is less than so many first looks."""
MAX_NAMED_RULES = 6
"""Rules that a line names."""


@dataclass(frozen=True)
class CheckLine:
    """A line of the check: all right, wrong (the launch would fail), or not checked."""

    kind: Literal["ok", "WRONG", "note"]
    text: str


def check_requests(profile: Profile, partitions: Mapping[str, Partition]) -> Iterator[CheckLine]:
    """Every request against its partition; rules that ask for the same are told together.

    For retries, only problems that the first attempt does not have are reported.
    """
    told: dict[CheckLine, list[str]] = {}
    first: dict[str, set[str]] = {}
    for request in profile.requests:
        mistakes = [
            m
            for m in find_request_faults(request, partitions)
            if m not in first.get(request.rule, ())
        ]
        again = request.rule in first
        first.setdefault(request.rule, set(mistakes))
        name = f"{request.rule} (attempt {request.attempt})" if again else request.rule
        if mistakes:
            told.setdefault(
                CheckLine("WRONG", f"{format_request(request)}: {'; '.join(mistakes)}"), []
            ).append(name)
        elif not again:
            fit = format_quantity(
                sum(has_capacity(n, request) for n in select_nodes(request, partitions)), "node"
            )
            told.setdefault(
                CheckLine("ok", f"{format_request(request)}: {fit} can run it"), []
            ).append(name)
    for line, names in told.items():
        yield CheckLine(line.kind, f"{join_names(names, MAX_NAMED_RULES)}: {line.text}")


def format_request(request: ResourceRequest) -> str:
    """What is asked for, in words."""
    kind = f" {request.gpu_type}" if request.gpu_type else ""
    gpus = format_quantity(request.gpus, "GPU") + kind
    parts = [
        f"partition {request.partition or '(default)'}",
        format_quantity(request.nodes, "node"),
        *([gpus] if request.gpus else []),
        format_quantity(request.cpus, "CPU"),
        *([f"{request.memory_mb} MB"] if request.memory_mb else []),
        *([format_minutes(request.minutes)] if request.minutes else []),
    ]
    return ", ".join(parts)


def format_minutes(minutes: float) -> str:
    """Minutes as days, hours and minutes: `2 d 3 h`, `30 min`."""
    days, rest = divmod(round(minutes), 1440)
    hours, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (left, "min")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 min"


def select_nodes(request: ResourceRequest, partitions: Mapping[str, Partition]) -> tuple[Node, ...]:
    """The nodes of a request's partition; of all partitions for one that names none."""
    if request.partition is None:
        return tuple({n.name: n for p in partitions.values() for n in p.nodes}.values())
    return partitions[request.partition].nodes


def has_capacity(node: Node, request: ResourceRequest) -> bool:
    """Whether a node has what a request asks of each."""
    return (
        node.count_gpus(request.gpu_type) >= request.gpus
        and node.cpus >= request.cpus
        and node.memory_mb >= (request.memory_mb or 0)
    )


def find_request_faults(
    request: ResourceRequest, partitions: Mapping[str, Partition]
) -> Iterator[str]:
    """What keeps a request from ever starting."""
    if request.partition is None:
        yield from find_node_shortages(request, select_nodes(request, partitions))
        return
    partition = partitions.get(request.partition)
    if partition is None:
        yield f"there is no such partition (known: {', '.join(sorted(partitions)) or 'none'})"
        return
    if not partition.up:
        yield "the partition is closed (see `sinfo -s`)"
    yield from find_exceeded_limits(request, partition)
    yield from find_node_shortages(request, partition.nodes)


def find_exceeded_limits(request: ResourceRequest, partition: Partition) -> Iterator[str]:
    """What the partition's limits forbid."""
    if (request.minutes or 0) > partition.minutes:
        yield f"the partition's longest time is {format_minutes(partition.minutes)}"
    if request.nodes > partition.most_nodes:
        yield f"the partition allows {partition.most_nodes:g} nodes a job"
    if request.cpus > partition.cpus_per_node:
        yield f"the partition allows {partition.cpus_per_node:g} CPUs on a node"
    if (request.memory_mb or 0) > partition.memory_per_node:
        yield f"the partition allows {partition.memory_per_node:g} MB on a node"
    if request.account and not partition.is_open_to(request.account):
        yield f"the partition is not for account {request.account}"


def find_node_shortages(request: ResourceRequest, nodes: Sequence[Node]) -> Iterator[str]:
    """What the nodes lack, the scarcest first: GPUs, then CPUs, then memory."""
    asked: list[tuple[str, int, Callable[[Node], int]]] = [
        ("GPU", request.gpus, lambda n: n.count_gpus(request.gpu_type)),
        ("CPU", request.cpus, lambda n: n.cpus),
        ("MB", request.memory_mb or 0, lambda n: n.memory_mb),
    ]
    left, met = list(nodes), list[str]()
    if not left:
        yield "the partition has no nodes"
        return
    for unit, wanted, count in asked:
        most = max(map(count, left))
        left = [node for node in left if count(node) >= wanted]
        if not left:
            which = f" with {' and '.join(met)}" if met else ""
            has = format_gpu_types(nodes, request) if unit == "GPU" else ""
            yield f"its nodes{which} have at most {format_amount(most, unit)}{has}"
            return
        met += [format_amount(wanted, unit)] if wanted else []
    if len(left) < request.nodes:
        yield f"only {format_quantity(len(left), 'node')} of the partition can take a part of it"
    elif sum(node.is_usable for node in left) < request.nodes:
        out = format_quantity(sum(not node.is_usable for node in left), "node")
        yield f"{out} of the {len(left)} that could run it are down or drained (see `sinfo -R`)"


def format_amount(number: int, unit: str) -> str:
    """A number of GPUs, CPUs or megabytes."""
    return f"{number} MB" if unit == "MB" else format_quantity(number, unit)


def format_gpu_types(nodes: Iterable[Node], request: ResourceRequest) -> str:
    """The GPUs that nodes have, to choose a type from."""
    found = sorted({f"{kind or 'gpu'}:{n}" for node in nodes for kind, n in node.gpus.items()})
    kind = f" of type {request.gpu_type}" if request.gpu_type else ""
    return f"{kind} (there are {', '.join(found)})" if found else kind


def check_account(profile: Profile, known: set[str] | None) -> Iterator[CheckLine]:
    """The accounts that the profile names against those of this user."""
    asked = sorted({r.account for r in profile.requests if r.account})
    if known is None:
        named = ", ".join(asked) or "none named"
        yield CheckLine(
            "note", f"account ({named}): not checked, this site has no accounting to ask"
        )
        return
    if not asked:
        yield CheckLine("note", f"no account named: SLURM takes your default of {', '.join(known)}")
    for account in asked:
        good = account.lower() in known
        has = f"you have {', '.join(sorted(known))}; set account in {profile.path}"
        yield (
            CheckLine("ok", f"account {account}")
            if good
            else CheckLine("WRONG", f"account {account} is not yours: {has}")
        )


def check_tools(profile: Profile, site: SiteSettings) -> Iterator[CheckLine]:
    """Whether Snakemake can submit jobs to this site and follow them."""
    if profile.executor != "slurm":
        yield CheckLine(
            "WRONG", f"{profile.path}: executor is {profile.executor}; it must be slurm"
        )
    elif importlib.util.find_spec(PLUGIN) is None:
        yield CheckLine(
            "WRONG", f"{PLUGIN} is not installed: run from the analysis environment (envs/)"
        )
    else:
        yield CheckLine("ok", "Snakemake's executor for SLURM is installed")
    if not site.requeues:
        told = "this site requeues no job; a preempted one must be submitted again"
        yield CheckLine("WRONG", f"JobRequeue=0: {told}")
    if profile.status != "squeue" and not site.accounting:
        asked = profile.status or "sacct, its default,"
        told = f"Snakemake would ask {asked} and wait for ever: this site has no accounting"
        yield CheckLine("WRONG", f"{told}; set {STATUS_OPTION} to squeue in {profile.path}")
    yield from check_job_age(profile, site)


def check_job_age(profile: Profile, site: SiteSettings) -> Iterator[CheckLine]:
    """Whether squeue lists jobs that have ended for long enough to be seen."""
    age, needed = site.job_age, MIN_FIRST_LOOKS * profile.first_look
    if profile.status != "squeue" or age is None or age >= max(needed, MAX_LOOK_SECONDS):
        return
    told = f"squeue forgets a job {age} s after its end (MinJobAge)"
    if age >= needed:
        best = f"; set {STATUS_OPTION} to sacct" if site.accounting else ""
        looks = f"Snakemake looks every {MAX_LOOK_SECONDS} s at the most: it may miss it"
        yield CheckLine("note", f"{told}, and {looks}{best}")
    elif site.accounting:
        yield CheckLine("WRONG", f"{told}, too soon for Snakemake; set {STATUS_OPTION} to sacct")
    else:
        remedy = (
            f"set {FIRST_LOOK_OPTION} to {age // MIN_FIRST_LOOKS} in {profile.path}"
            if age >= MIN_FIRST_LOOKS
            else f"ask for a MinJobAge of {needed} in slurm.conf"
        )
        below = (
            f"below {MIN_FIRST_LOOKS} times its first look ({needed} s) Snakemake asks"
            f" sacct instead"
        )
        yield CheckLine("WRONG", f"{told}; {below}, which never tells of an end here: {remedy}")


def check_environment(execution: Execution, config: Config) -> Iterator[CheckLine]:
    """Whether jobs with a GPU have an environment that was made for them."""
    if execution.device == "cuda" and not config.environments.get("gpu"):
        yield CheckLine(
            "note",
            f"jobs with GPUs take {sys.prefix} as all others do, unless --sdm gives them another;"
            " name the one of envs/gpu.txt in config.yaml (environments: {gpu: FOLDER})",
        )


def check_shared_folders(folder: Path) -> Iterator[CheckLine]:
    """Whether the nodes can see the work folder and the interpreter: a guess by file system."""
    for name, path in (("work folder", folder), ("Python environment", Path(sys.prefix))):
        kind = find_file_system(path)
        if kind in LOCAL_FILE_SYSTEMS:
            told = f"{name} {path} is on {kind}, which other machines seldom see"
            yield CheckLine("note", f"{told}: it must be on a file system that all nodes share")
        else:
            yield CheckLine(
                "note", f"{name} {path} ({kind}): that all nodes see it cannot be checked"
            )


def find_file_system(path: Path) -> str:
    """The kind of file system that a path is on; `unknown` where the system does not tell."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "unknown"
    where = path.resolve()
    # Blanks are written as \040; the last of several mounts on one folder is the visible one.
    above = [(Path(m[1].replace("\\040", " ")), m[2]) for m in mounts]
    fit = [(len(at.parts), kind) for at, kind in above if where.is_relative_to(at)]
    deepest = max((depth for depth, _ in fit), default=0)
    return next((kind for depth, kind in reversed(fit) if depth == deepest), "unknown")


def check_disk(folder: Path, needed: int | None) -> Iterator[CheckLine]:
    """Free space against need, both in bytes; without a need just how much is free."""
    free = shutil.disk_usage(folder).free
    has = f"{free / GIB:.1f} GiB free in {folder} (a quota may leave less)"
    if needed is None:
        yield CheckLine("note", f"disk: {has}")
    elif needed > free:
        told = f"disk: the study needs {needed / GIB:.1f} GiB more, and {has}; make room, or see"
        yield CheckLine(
            "WRONG", f"{told} `retu plan` for what may lie elsewhere (RETU_STATE, HF_HOME)"
        )
    else:
        yield CheckLine("ok", f"disk: the study needs {needed / GIB:.1f} GiB, {has}")
