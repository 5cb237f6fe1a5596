"""What the profile asks SLURM for, rule by rule and attempt by attempt, read as Snakemake does.

The profile is a YTE template and its values may be expressions of `attempt`; Snakemake's own reader
evaluates both. What depends on a job's inputs is known only later and left out.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retu.core.errors import InputError

PROFILE_FILE = "config.yaml"
OTHER_RULES = "other rules"
"""Rules that the profile gives nothing of their own."""
STATUS_OPTION = "slurm-status-command"
FIRST_LOOK_OPTION = "slurm-init-seconds-before-status-checks"
FIRST_LOOK_SECONDS = 40
"""What Snakemake's executor takes where the profile says nothing."""
GPUS = re.compile(r"gpu(?::(?P<type>[^:]+?))?(?::(?P<count>\d+))?")


@dataclass(frozen=True)
class ResourceRequest:
    """What one attempt of a rule's jobs asks for; None where it asks for nothing or is unknown."""

    rule: str
    attempt: int
    partition: str | None
    account: str | None
    nodes: int
    processes: int
    gpus: int
    """A node."""
    gpu_type: str | None
    cpus: int
    """A node."""
    memory_mb: int | None
    """A node."""
    minutes: int | None


@dataclass(frozen=True)
class Profile:
    """A profile for SLURM: its file, the study it names and what its rules ask for.

    `status` is the command by which Snakemake follows its jobs; None leaves the choice to it.
    `first_look` is after how many seconds it looks at them for the first time.
    """

    path: Path
    executor: str | None
    status: str | None
    study: str | None
    requests: tuple[ResourceRequest, ...]
    first_look: int = FIRST_LOOK_SECONDS


def read_profile(folder: Path) -> Profile:
    """Read a profile's folder (or its file).

    Raises:
        InputError: no profile there, or one that Snakemake could not read either.
    """
    from snakemake.profiles import ConfigFileParserException, ProfileConfigFileParser
    from snakemake_interface_common.exceptions import WorkflowError

    path = folder / PROFILE_FILE if folder.is_dir() else folder
    try:
        with path.open(encoding="utf-8") as handle:
            content = ProfileConfigFileParser().parse(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a profile") from error
    except (ConfigFileParserException, WorkflowError) as error:
        said = " ".join(str(error).split())
        remedy = "; put texts in quotes" if "NameError" in said else ""
        raise InputError(f"{path}: {said}{remedy}") from error
    default = dict(split_assignment(word, path) for word in content.get("default-resources", ()))
    rules: dict[str, dict[str, str]] = {OTHER_RULES: {}}
    for word in content.get("set-resources", ()):
        rule, _, assigned = word.partition(":")
        name, value = split_assignment(assigned, path)
        rules.setdefault(rule, {})[name] = value
    attempts = {1, 1 + int(content.get("retries", 0))}
    requests = [
        make_request(rule, attempt, {**default, **own}, path)
        for rule, own in rules.items()
        for attempt in sorted(attempts)
    ]
    config = dict(split_assignment(word, path) for word in content.get("config", ()))
    return Profile(
        path=path,
        executor=content.get("executor"),
        status=content.get(STATUS_OPTION),
        study=config.get("study"),
        requests=tuple(requests),
        first_look=read_first_look(content.get(FIRST_LOOK_OPTION), path),
    )


def read_first_look(value: Any, path: Path) -> int:
    """Seconds before Snakemake looks at its jobs for the first time.

    Raises:
        InputError: it is no whole number above 0.
    """
    if value is None:
        return FIRST_LOOK_SECONDS
    if not str(value).isdecimal() or int(value) < 1:
        raise InputError(
            f"{path}: {FIRST_LOOK_OPTION}: {value}: use a whole number of seconds above 0"
        )
    return int(value)


def split_assignment(assigned: str, path: Path) -> tuple[str, str]:
    """Name and value of `name=value`."""
    name, equals, value = assigned.partition("=")
    if not equals:
        raise InputError(f"{path}: {assigned}: write NAME=VALUE, or NAME: VALUE in a mapping")
    return name.strip(), value.strip()


def make_request(
    rule: str, attempt: int, resources: Mapping[str, str], path: Path
) -> ResourceRequest:
    """What an attempt of a rule asks for."""
    values = {
        name: evaluate_resource(name, value, rule, attempt, path)
        for name, value in resources.items()
    }
    nodes = round_up(values.get("nodes")) or 1
    gpus, gpu_type = parse_requested_gpus(values, nodes)
    tasks = round_up(values.get("tasks_per_node")) or math.ceil(
        (round_up(values.get("tasks")) or 1) / nodes
    )
    cpus = round_up(values.get("cpus_per_task")) or 1
    per_gpu = (round_up(values.get("cpus_per_gpu")) or 0) * gpus
    return ResourceRequest(
        rule=rule,
        attempt=attempt,
        partition=format_word(values.get("slurm_partition")),
        account=format_word(values.get("slurm_account")),
        nodes=nodes,
        processes=round_up(values.get("processes")) or 1,
        gpus=gpus,
        gpu_type=gpu_type,
        cpus=max(cpus * tasks, per_gpu),
        memory_mb=compute_requested_memory(values, cpus * tasks),
        minutes=round_up(values.get("runtime")),
    )


def evaluate_resource(name: str, value: str, rule: str, attempt: int, path: Path) -> Any:
    """A resource's value; None if it depends on a job's inputs or wildcards.

    Raises:
        InputError: it is no value at all.
    """
    from snakemake.resources import Resource, Resources
    from snakemake_interface_common.exceptions import WorkflowError

    try:
        parsed = Resources.parse([f"{name}={value}"], allow_expressions=True)
        # Each name stands for itself or, of a size, for its megabytes.
        resource = next(iter(parsed.values()))
        if not resource.is_evaluable():
            return resource.value
        asked = {"attempt": attempt, "threads": 1, "rulename": rule, "async_run": None}
        found = resource.evaluate(None, input=(), **asked).value
        return Resource.parse_human_friendly(name.removesuffix("_mb"), found)
    except WorkflowError as error:
        if re.search(r"\b(?:input|wildcards)\b", value):
            return None
        said = " ".join(str(error).split())
        raise InputError(f"{path}: {rule}: {name}: {value}: {said}") from error


def parse_requested_gpus(values: Mapping[str, Any], nodes: int) -> tuple[int, str | None]:
    """GPUs a node and their type, from `gres` (a node's) or `gpu` (the job's)."""
    for part in str(values.get("gres") or "").split(","):
        found = GPUS.fullmatch(part.strip())
        if found:
            kind, count = found["type"], found["count"]
            if count is None and kind and kind.isdecimal():
                kind, count = None, kind
            return int(count or 1), kind
    total = round_up(values.get("gpu")) or 0
    return math.ceil(total / nodes), format_word(values.get("gpu_model"))


def compute_requested_memory(values: Mapping[str, Any], cpus: int) -> int | None:
    """Megabytes a node."""
    per_cpu = round_up(values.get("mem_mb_per_cpu"))
    if per_cpu:
        return per_cpu * cpus
    return round_up(values.get("mem_mb", values.get("mem")))


def round_up(value: Any) -> int | None:
    """A number rounded up; None for what is none."""
    return math.ceil(value) if isinstance(value, int | float) else None


def format_word(value: Any) -> str | None:
    """A value as text; None for an empty one."""
    return str(value) if value not in (None, "") else None
