"""What lineage/STUDY/dvc.lock says: the hash of all that the stages of a study read and made."""

import fcntl
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from retu.core.errors import InputError
from retu.lineage.record import RECORD_SUFFIX

POINTERS_FOLDER = "lineage"
PIPELINE, DVC_LOCK_FILE = "dvc.yaml", "dvc.lock"
SIGNATURE_FILE = f"{DVC_LOCK_FILE}.sig"
UNFOLDED = 1 << 20
"""Columns of a line of YAML: no command is folded."""


def get_pointer_folder(root: Path, study: str) -> Path:
    """Where the pointers of a study are: one folder each, so that studies never touch another's."""
    return root / POINTERS_FOLDER / study


def read_dvc_lock(root: Path, study: str) -> dict[str, str]:
    """Path -> hash of everything that a study's dvc.lock names; {} when there is none."""
    path = get_pointer_folder(root, study) / DVC_LOCK_FILE
    return parse_dvc_lock(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}


def parse_dvc_lock(text: str, where: str) -> dict[str, str]:
    """Path -> hash of everything in the text of a dvc.lock; InputError when it is none."""
    try:
        # Nodes do: of most of them nothing is wanted, and making objects takes a third of the time.
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        stages = [values_of(stage) for stage in values_of(values_of(root)["stages"]).values()]
        lists = [stage[kind] for kind in ("deps", "outs") for stage in stages if kind in stage]
        entries = [values_of(entry) for nodes in lists for entry in nodes.value]
        found = {entry["path"].value: entry["md5"].value for entry in entries}
        if not "".join([*found, *found.values()]).isprintable():
            raise TypeError("a path that cannot be shown")
        return found
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(f"{where}: is no dvc.lock of a study; restore it from git") from error


def values_of(node: Any) -> dict[str, Any]:
    """Key -> node of a mapping in YAML; TypeError when it is none."""
    if not isinstance(node, yaml.MappingNode):
        raise TypeError("no mapping")
    return {key.value: value for key, value in node.value}


def find_data_path(path: str, data: Mapping[str, str]) -> str | None:
    """The path in data.dvc (path -> hash) that a path is or lies in."""
    inside = (path, *(str(parent) for parent in PurePosixPath(path).parents))
    return next((name for name in inside if name in data), None)


def name_stages(study: str, jobs: Iterable[str]) -> dict[str, str]:
    """Job -> name of its stage: the record's path below the study, without signs."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for job in sorted(jobs):
        below = job.removeprefix(f"results/{study}/").removesuffix(RECORD_SUFFIX)
        name = re.sub(r"[^A-Za-z0-9_]+", "-", below)
        free = (f"{name}-{n}" if n > 1 else name for n in itertools.count(1))
        names[job] = next(name for name in free if name not in taken)
        taken.add(names[job])
    return names


@contextmanager
def lock_pointers(root: Path, study: str) -> Iterator[None]:
    """Only one process at a time writes the pointers of a study."""
    path = root / ".state" / f"{POINTERS_FOLDER}-{study}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes YAML by the C library where it is there, for readers of YAML 1.1 and 1.2."""


# DVC reads YAML 1.2, in which 12e34 is a number, as hashes may be; PyYAML would not quote it.
Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def to_yaml(content: dict[str, Any]) -> str:
    """As YAML, in the order given, a command in one line."""
    return str(yaml.dump(content, Dumper=Dumper, sort_keys=False, width=UNFOLDED))
