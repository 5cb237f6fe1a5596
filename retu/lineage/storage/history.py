"""A study's records as a committed lineage/STUDY/dvc.lock names them, now or at a git revision."""

import hashlib
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from retu.core.errors import InputError
from retu.lineage.graph.dvc_lock import (
    DVC_LOCK_FILE,
    PIPELINE,
    POINTERS_FOLDER,
    get_pointer_folder,
    parse_dvc_lock,
)
from retu.lineage.graph.record_graph import Lineage, relocate_record
from retu.lineage.record import RECORD_SUFFIX, JobRecord, parse_record
from retu.lineage.storage.dvc_cache import DvcCache, find_local_cache


def read_past_lineage(root: Path, study: str, revision: str) -> Lineage:
    """The records of a study at a git revision: dvc.lock from git, their contents from DVC's cache.

    Raises:
        InputError: no such revision, no pointers in it, or a record that is not at hand.
    """
    hashes = read_past_lock(root, study, revision)
    cache = find_local_cache(root)
    missing = list(find_absent_records(root, cache, hashes))
    if missing:
        pipeline = f"{POINTERS_FOLDER}/{study}/{PIPELINE}"
        raise InputError(
            f"{missing[0]}: as it was at {revision}, is neither here nor in DVC's cache"
            f"{f' (nor {len(missing) - 1} more)' if len(missing) > 1 else ''};"
            f" fetch it (dvc fetch --all-commits {shlex.quote(pipeline)})"
        )
    return read_locked_lineage(root, study, cache, hashes)


def read_past_lock(root: Path, study: str, revision: str | None) -> dict[str, str]:
    """Path -> hash of everything in a study's dvc.lock at a revision; None is the work tree.

    Raises:
        InputError: there is no such revision, or no such file in it.
    """
    name = f"{POINTERS_FOLDER}/{study}/{DVC_LOCK_FILE}"
    if revision is None:
        path = get_pointer_folder(root, study) / DVC_LOCK_FILE
        if not path.is_file():
            raise InputError(
                f"{name}: is not here; get it from git, or record the study"
                f" (retu lineage record --study {shlex.quote(study)})"
            )
        return parse_dvc_lock(path.read_text(encoding="utf-8"), name)
    commit = run_git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"
    )
    if commit is None:
        raise InputError(
            f"{revision}: is neither an output of a study nor a revision of this project"
        )
    text = run_git(root, "show", f"{commit.strip()}:./{name}")
    if text is None:
        raise InputError(
            f"{name}: was not committed at {revision}; choose a revision that has it"
            f" (git log --oneline -- {shlex.quote(f'{POINTERS_FOLDER}/{study}')})"
        )
    return parse_dvc_lock(text, f"{revision}:{name}")


def run_git(root: Path, *command: str) -> str | None:
    """What git prints; None when it fails."""
    try:
        done = subprocess.run(
            ["git", *command], cwd=root, capture_output=True, check=True, encoding="utf-8"
        )
    except (OSError, subprocess.CalledProcessError):
        # Outside git, or git does not know what it was asked for: the caller says what that means.
        return None
    return done.stdout


def select_record_hashes(hashes: Mapping[str, str]) -> dict[str, str]:
    """Path -> hash of the records among everything that a dvc.lock names."""
    return {path: md5 for path, md5 in hashes.items() if path.endswith(RECORD_SUFFIX)}


def find_absent_records(
    root: Path, cache: DvcCache | None, hashes: Mapping[str, str]
) -> dict[str, str]:
    """Path -> hash of the records whose content is neither in the work tree nor in the cache."""
    named = select_record_hashes(hashes)
    return {
        path: md5 for path, md5 in named.items() if find_content(root, cache, path, md5) is None
    }


def read_locked_lineage(
    root: Path, study: str, cache: DvcCache | None, hashes: Mapping[str, str]
) -> Lineage:
    """The records that a dvc.lock names, all of which must be at hand."""
    records: dict[str, JobRecord] = {}
    damaged: dict[str, str] = {}
    for path, md5 in select_record_hashes(hashes).items():
        try:
            text = (find_content(root, cache, path, md5) or b"").decode(errors="replace")
            records[path] = relocate_record(parse_record(text, path), path)
        except InputError as error:
            damaged[path] = str(error)
    return Lineage(study, records, damaged)


def find_content(root: Path, cache: DvcCache | None, path: str, md5: str) -> bytes | None:
    """The content with that hash, from the work tree or the cache; None when neither has it."""
    places = [root / path, *([cache.get_object_path(md5)] if cache else [])]
    for place in places:
        if place.is_file():
            found = place.read_bytes()
            if hashlib.md5(found, usedforsecurity=False).hexdigest() == md5:
                return found
    return None
