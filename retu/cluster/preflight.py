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

from retu.cluster.partitions import Node, Partition, Settings
from retu.config.execution import Execution
from retu.config.study import Config
from retu.core.text import counted, listed
from retu.runtime.slurm_profile import FIRST_LOOK, STATUS, Profile, Request

PLUGIN = "snakemake_executor_plugin_slurm"
MOUNTS = Path("/proc/mounts")
# File systems that other machines do not see.
LOCAL = frozenset({"btrfs", "ext3", "ext4", "overlay", "ramfs", "rootfs", "tmpfs", "xfs"})
GIB = 2**30
LOOKS_AGAIN = 180
"""Seconds to which Snakemake's executor lengthens the time between two looks at its jobs."""
LOOKS = 3
"""Snakemake's executor leaves squeue for sacct where MinJobAge is less than so many first looks."""
NAMED = 6
"""Rules that a line names."""


@dataclass(frozen=True)
class Line:
    """A line of the check: all right, wrong (the launch would fail), or not checked."""

    kind: Literal["ok", "WRONG", "note"]
    text: str


def check_requests(profile: Profile, partitions: Mapping[str, Partition]) -> Iterator[Line]:
    """Every request against its partition; rules that ask for the same are told together.

    Of attempts after the first only what is wrong with them alone is told.
    """
    told: dict[Line, list[str]] = {}
    first: dict[str, set[str]] = {}
    for request in profile.requests:
        mistakes = [m for m in wrong(request, partitions) if m not in first.get(request.rule, ())]
        again = request.rule in first
        first.setdefault(request.rule, set(mistakes))
        name = f"{request.rule} (attempt {request.attempt})" if again else request.rule
        if mistakes:
            told.setdefault(Line("WRONG", f"{what(request)}: {'; '.join(mistakes)}"), []).append(
                name
            )
        elif not again:
            fit = counted(sum(fits(n, request) for n in nodes_of(request, partitions)), "node")
            told.setdefault(Line("ok", f"{what(request)}: {fit} can run it"), []).append(name)
    for line, names in told.items():
        yield Line(line.kind, f"{listed(names, NAMED)}: {line.text}")


def what(request: Request) -> str:
    """What is asked for, in words."""
    kind = f" {request.gpu_type}" if request.gpu_type else ""
    gpus = counted(request.gpus, "GPU") + kind
    parts = [
        f"partition {request.partition or '(default)'}",
        counted(request.nodes, "node"),
        *([gpus] if request.gpus else []),
        counted(request.cpus, "CPU"),
        *([f"{request.memory_mb} MB"] if request.memory_mb else []),
        *([duration(request.minutes)] if request.minutes else []),
    ]
    return ", ".join(parts)


def duration(minutes: float) -> str:
    """Minutes as days, hours and minutes: `2 d 3 h`, `30 min`."""
    days, rest = divmod(round(minutes), 1440)
    hours, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (left, "min")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 min"


def nodes_of(request: Request, partitions: Mapping[str, Partition]) -> tuple[Node, ...]:
    """The nodes of a request's partition; of all partitions for one that names none."""
    if request.partition is None:
        return tuple({n.name: n for p in partitions.values() for n in p.nodes}.values())
    return partitions[request.partition].nodes


def fits(node: Node, request: Request) -> bool:
    """Whether a node has what a request asks of each."""
    return (
        node.gpus_of(request.gpu_type) >= request.gpus
        and node.cpus >= request.cpus
        and node.memory_mb >= (request.memory_mb or 0)
    )


def wrong(request: Request, partitions: Mapping[str, Partition]) -> Iterator[str]:
    """What keeps a request from ever starting."""
    if request.partition is None:
        yield from too_few(request, nodes_of(request, partitions))
        return
    partition = partitions.get(request.partition)
    if partition is None:
        yield f"there is no such partition (known: {', '.join(sorted(partitions)) or 'none'})"
        return
    if not partition.up:
        yield "the partition is closed (see `sinfo -s`)"
    yield from too_much(request, partition)
    yield from too_few(request, partition.nodes)


def too_much(request: Request, partition: Partition) -> Iterator[str]:
    """What the partition's limits forbid."""
    if (request.minutes or 0) > partition.minutes:
        yield f"the partition's longest time is {duration(partition.minutes)}"
    if request.nodes > partition.most_nodes:
        yield f"the partition allows {partition.most_nodes:g} nodes a job"
    if request.cpus > partition.cpus_per_node:
        yield f"the partition allows {partition.cpus_per_node:g} CPUs on a node"
    if (request.memory_mb or 0) > partition.memory_per_node:
        yield f"the partition allows {partition.memory_per_node:g} MB on a node"
    if request.account and not partition.allows(request.account):
        yield f"the partition is not for account {request.account}"


def too_few(request: Request, nodes: Sequence[Node]) -> Iterator[str]:
    """What the nodes lack, the scarcest first: GPUs, then CPUs, then memory."""
    asked: list[tuple[str, int, Callable[[Node], int]]] = [
        ("GPU", request.gpus, lambda n: n.gpus_of(request.gpu_type)),
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
            has = types(nodes, request) if unit == "GPU" else ""
            yield f"its nodes{which} have at most {amount(most, unit)}{has}"
            return
        met += [amount(wanted, unit)] if wanted else []
    if len(left) < request.nodes:
        yield f"only {counted(len(left), 'node')} of the partition can take a part of it"
    elif sum(node.usable for node in left) < request.nodes:
        out = counted(sum(not node.usable for node in left), "node")
        yield f"{out} of the {len(left)} that could run it are down or drained (see `sinfo -R`)"


def amount(number: int, unit: str) -> str:
    """A number of GPUs, CPUs or megabytes."""
    return f"{number} MB" if unit == "MB" else counted(number, unit)


def types(nodes: Iterable[Node], request: Request) -> str:
    """The GPUs that nodes have, to choose a type from."""
    found = sorted({f"{kind or 'gpu'}:{n}" for node in nodes for kind, n in node.gpus.items()})
    kind = f" of type {request.gpu_type}" if request.gpu_type else ""
    return f"{kind} (there are {', '.join(found)})" if found else kind


def check_account(profile: Profile, known: set[str] | None) -> Iterator[Line]:
    """The accounts that the profile names against those of this user."""
    asked = sorted({r.account for r in profile.requests if r.account})
    if known is None:
        named = ", ".join(asked) or "none named"
        yield Line("note", f"account ({named}): not checked, this site has no accounting to ask")
        return
    if not asked:
        yield Line("note", f"no account named: SLURM takes your default of {', '.join(known)}")
    for account in asked:
        good = account.lower() in known
        has = f"you have {', '.join(sorted(known))}; set account in {profile.path}"
        yield (
            Line("ok", f"account {account}")
            if good
            else Line("WRONG", f"account {account} is not yours: {has}")
        )


def check_tools(profile: Profile, site: Settings) -> Iterator[Line]:
    """Whether Snakemake can submit jobs to this site and follow them."""
    if profile.executor != "slurm":
        yield Line("WRONG", f"{profile.path}: executor is {profile.executor}; it must be slurm")
    elif importlib.util.find_spec(PLUGIN) is None:
        yield Line("WRONG", f"{PLUGIN} is not installed: run from the analysis environment (envs/)")
    else:
        yield Line("ok", "Snakemake's executor for SLURM is installed")
    if not site.requeues:
        told = "this site requeues no job; a preempted one must be submitted again"
        yield Line("WRONG", f"JobRequeue=0: {told}")
    if profile.status != "squeue" and not site.accounting:
        asked = profile.status or "sacct, its default,"
        told = f"Snakemake would ask {asked} and wait for ever: this site has no accounting"
        yield Line("WRONG", f"{told}; set {STATUS} to squeue in {profile.path}")
    yield from check_job_age(profile, site)


def check_job_age(profile: Profile, site: Settings) -> Iterator[Line]:
    """Whether squeue lists jobs that have ended for long enough to be seen."""
    age, needed = site.job_age, LOOKS * profile.first_look
    if profile.status != "squeue" or age is None or age >= max(needed, LOOKS_AGAIN):
        return
    told = f"squeue forgets a job {age} s after its end (MinJobAge)"
    if age >= needed:
        best = f"; set {STATUS} to sacct" if site.accounting else ""
        looks = f"Snakemake looks every {LOOKS_AGAIN} s at the most: it may miss it"
        yield Line("note", f"{told}, and {looks}{best}")
    elif site.accounting:
        yield Line("WRONG", f"{told}, too soon for Snakemake; set {STATUS} to sacct")
    else:
        remedy = (
            f"set {FIRST_LOOK} to {age // LOOKS} in {profile.path}"
            if age >= LOOKS
            else f"ask for a MinJobAge of {needed} in slurm.conf"
        )
        below = f"below {LOOKS} times its first look ({needed} s) Snakemake asks sacct instead"
        yield Line("WRONG", f"{told}; {below}, which never tells of an end here: {remedy}")


def check_environment(execution: Execution, config: Config) -> Iterator[Line]:
    """Whether jobs with a GPU have an environment that was made for them."""
    if execution.device == "cuda" and not config.environments.get("gpu"):
        yield Line(
            "note",
            f"jobs with GPUs take {sys.prefix} as all others do, unless --sdm gives them another;"
            " name the one of envs/gpu.txt in config.yaml (environments: {gpu: FOLDER})",
        )


def check_places(folder: Path) -> Iterator[Line]:
    """Whether the nodes can see the work folder and the interpreter: a guess by file system."""
    for name, path in (("work folder", folder), ("Python environment", Path(sys.prefix))):
        kind = file_system(path)
        if kind in LOCAL:
            told = f"{name} {path} is on {kind}, which other machines seldom see"
            yield Line("note", f"{told}: it must be on a file system that all nodes share")
        else:
            yield Line("note", f"{name} {path} ({kind}): that all nodes see it cannot be checked")


def file_system(path: Path) -> str:
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


def check_disk(folder: Path, needed: int | None) -> Iterator[Line]:
    """Free space against need, both in bytes; without a need just how much is free."""
    free = shutil.disk_usage(folder).free
    has = f"{free / GIB:.1f} GiB free in {folder} (a quota may leave less)"
    if needed is None:
        yield Line("note", f"disk: {has}")
    elif needed > free:
        told = f"disk: the study needs {needed / GIB:.1f} GiB more, and {has}; make room, or see"
        yield Line("WRONG", f"{told} `retu plan` for what may lie elsewhere (RETU_STATE, HF_HOME)")
    else:
        yield Line("ok", f"disk: the study needs {needed / GIB:.1f} GiB, {has}")
