"""What lineage/STUDY/dvc.lock says: the hash of all that the stages of a study read and made."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import yaml

from workflow_scripts.errors import InputError

FOLDER = "lineage"
PIPELINE, LOCK = "dvc.yaml", "dvc.lock"
SIGNATURE = f"{LOCK}.sig"


def pointer_folder(root: Path, study: str) -> Path:
    """Where the pointers of a study are: one folder each, so that studies never touch another's."""
    return root / FOLDER / study


def read_lock(root: Path, study: str) -> dict[str, str]:
    """Path -> hash of everything that a study's dvc.lock names; {} when there is none."""
    path = pointer_folder(root, study) / LOCK
    return lock_hashes(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}


def lock_hashes(text: str, where: str) -> dict[str, str]:
    """Path -> hash of everything in the text of a dvc.lock; InputError when it is none."""
    try:
        stages = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["stages"]
        lists = [stage.get(kind, []) for kind in ("deps", "outs") for stage in stages.values()]
        found = {entry["path"]: entry["md5"] for entries in lists for entry in entries}
        if not "".join(found).isprintable():
            raise TypeError("a path that cannot be shown")
        return found
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: is no dvc.lock of a study; restore it from git") from error


def described(path: str, data: Mapping[str, str]) -> str | None:
    """The path in data.dvc (path -> hash) that a path is or lies in."""
    inside = (path, *(str(parent) for parent in PurePosixPath(path).parents))
    return next((name for name in inside if name in data), None)
