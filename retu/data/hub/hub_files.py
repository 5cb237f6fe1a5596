"""Files of a hub repository at a pinned commit: from a mirror folder, the hub's cache or the hub.

The commit and the hash of every file go into a lock file at the first use (`hub_lock`); later uses
must get the same bytes, wherever from. A cut connection goes on where it was; a killed fetch goes
on with the file it was at. Only files of types that hold data are taken: code is never run, a
pickle never read.
"""

import os
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retu.core.errors import InputError
from retu.data.hub.hub_errors import describe_full_cache_disk, explain_hub_errors
from retu.data.hub.hub_lock import (
    LockedFile,
    LockedRepository,
    Repository,
    describe_file,
    find_locked_entry,
    lock_files,
)
from retu.runtime.mirror_files import note_source

PLAIN_SUFFIXES = frozenset(
    {".parquet", ".json", ".jsonl", ".csv", ".txt", ".safetensors", ".model", ".jinja"}
)
"""Types that hold data only: tables, weights, tokenizers and their settings."""
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class HubLocation:
    """Where files come from: `mirror` alone if it is given, else the hub and its cache."""

    lock: Path
    mirror: Path | None = None
    cache: Path | None = None
    endpoint: str | None = None


@dataclass(frozen=True)
class RepositorySnapshot:
    """The wanted files of a repository at one commit: path in the repository -> local file."""

    commit: str
    files: dict[str, Path]

    @property
    def folder(self) -> Path:
        """The folder that holds the files by their paths: what loads a model takes it."""
        name, path = next(iter(self.files.items()))
        return path.parents[name.count("/")]


@dataclass(frozen=True)
class RepositoryListing:
    """A commit and its wanted files; what is known of a file before it is here, if anything."""

    commit: str
    names: list[str]
    sizes: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)


def locate_hub(lock: str) -> HubLocation:
    """Where a job gets files from: the folder RETU_MIRROR if it is set, else the hub.

    Args:
        lock: the lock file, from the project's root.
    """
    mirror = os.environ.get("RETU_MIRROR")
    return HubLocation(ROOT / lock, Path(mirror).expanduser() if mirror else None)


def fetch_repository(repository: Repository, places: HubLocation) -> RepositorySnapshot:
    """Bring the wanted files of a repository here, check them, and lock what was not locked yet.

    Raises:
        InputError: no such repository, revision or file, no access, no network and no mirror, no
            room on the disk, a file of a type that can hold code, or other bytes than locked.
    """
    locked = find_locked_entry(places.lock, repository)
    complete = locked is not None and locked.has_wanted_files(repository)
    if locked is not None and complete:
        sizes = {name: file.size for name, file in locked.files.items()}
        listing = RepositoryListing(
            locked.commit, [n for n in locked.files if repository.is_wanted(n)], sizes
        )
    elif places.mirror is not None:
        listing = list_mirror(repository, locked, places.mirror)
    else:
        listing = list_hub(repository, locked, places)
    check_file_types(repository, listing)
    if places.mirror is not None:
        files = {name: find_mirror_file(repository, places.mirror, name) for name in listing.names}
    else:
        files = download_files(repository, listing, places)
    found = {name: describe_file(path) for name, path in files.items()}
    check_file_contents(repository, listing, locked, found, places)
    if not complete:
        lock_files(places.lock, repository, listing.commit, found)
    return RepositorySnapshot(listing.commit, files)


def check_file_types(repository: Repository, listing: RepositoryListing) -> None:
    """InputError if no file matches, or one that does may hold code."""
    if not listing.names:
        wanted = ", ".join(repository.patterns)
        raise InputError(
            f"{repository.label}: has no file {wanted} at {repository.requested_revision}; correct"
            f" the paths"
        )
    unsafe = [name for name in listing.names if Path(name).suffix.lower() not in PLAIN_SUFFIXES]
    if unsafe:
        raise InputError(
            f"{repository.label}: {unsafe[0]}: is of a type that may hold code; name files of the "
            f"types {', '.join(sorted(PLAIN_SUFFIXES))} only"
        )


def check_file_contents(
    repository: Repository,
    listing: RepositoryListing,
    locked: LockedRepository | None,
    found: dict[str, LockedFile],
    places: HubLocation,
) -> None:
    """InputError for the first file that is not what the lock or the hub's listing says."""
    for name, file in found.items():
        known = locked.files.get(name) if locked else None
        fault = known.describe_difference(file) if known else None
        authority = str(places.lock)
        if fault is None and listing.hashes.get(name, file.sha256) != file.sha256:
            fault, authority = f"has SHA-256 {file.sha256[:12]}...", "the hub's listing"
        if fault:
            remedy = advise_fetching_again(repository, listing.commit, name, places)
            raise InputError(f"{repository.label}: {name}: {fault}, against {authority}; {remedy}")


def advise_fetching_again(
    repository: Repository, commit: str, name: str, places: HubLocation
) -> str:
    """What to do about a file that is not the one of the commit."""
    if places.mirror is not None:
        return f"put the file of commit {commit[:12]} into the mirror {places.mirror}"
    where = ["--repo-type", repository.kind, "--revision", commit]
    where += ["--cache-dir", str(places.cache)] if places.cache else []
    command = ["hf", "download", repository.name, name, *where, "--force-download"]
    return f"fetch it anew ({shlex.join(command)})"


def list_mirror(
    repository: Repository, locked: LockedRepository | None, mirror: Path
) -> RepositoryListing:
    """The wanted files of a mirror. It cannot tell its commit, so lock or study must.

    Raises:
        InputError: no such folder, or a revision that only the hub can resolve.
    """
    folder = mirror / repository.name
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; put the files of {repository.label} there")
    if not locked and not repository.is_pinned:
        raise InputError(
            f"{repository.label}: a mirror cannot tell which commit"
            f" {repository.requested_revision} is; give "
            "the 40-digit commit as its revision, or the lock file (data.lock in the study) that a "
            "download wrote elsewhere"
        )
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    inside = sorted(path.as_posix() for path in paths if not path.parts[0].startswith("."))
    names = [name for name in inside if repository.is_wanted(name)]
    return RepositoryListing(locked.commit if locked else repository.requested_revision, names)


def find_mirror_file(repository: Repository, mirror: Path, name: str) -> Path:
    """A file of a mirror; InputError when it is missing."""
    path = mirror / repository.name / name
    if not path.is_file():
        raise InputError(f"{path}: no such file; copy it into the mirror")
    note_source(mirror, path)
    return path


def list_hub(
    repository: Repository, locked: LockedRepository | None, places: HubLocation
) -> RepositoryListing:
    """Resolve the revision and list the wanted files with the hub's client."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(endpoint=places.endpoint, library_name="retu")
    with explain_hub_errors(repository):
        if locked:
            commit: str | None = locked.commit
        elif repository.is_pinned:
            commit = repository.requested_revision
        else:
            # Not `resolve_revision`: it falls back on what a branch was when it was cached.
            info = api.repo_info(
                repository.name, repo_type=repository.kind, revision=repository.requested_revision
            )
            commit = info.sha
        if commit is None:
            raise InputError(f"{repository.label}: the hub names no commit for its revision")
        tree = api.list_repo_tree(
            repository.name, repo_type=repository.kind, revision=commit, recursive=True
        )
        files = [item for item in tree if isinstance(item, RepoFile)]
    wanted = sorted((f for f in files if repository.is_wanted(f.path)), key=lambda f: f.path)
    return RepositoryListing(
        commit,
        [f.path for f in wanted],
        {f.path: f.size for f in wanted},
        {f.path: f.lfs.sha256 for f in wanted if f.lfs},
    )


def download_files(
    repository: Repository, listing: RepositoryListing, places: HubLocation
) -> dict[str, Path]:
    """Files from the hub's cache on this machine; those that are not there are downloaded."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    where: dict[str, Any] = {
        "repo_id": repository.name,
        "repo_type": repository.kind,
        "revision": listing.commit,
        "cache_dir": places.cache,
    }
    cached = {name: try_to_load_from_cache(filename=name, **where) for name in listing.names}
    missing = [name for name, path in cached.items() if not isinstance(path, str)]
    folder = places.cache or Path(constants.HF_HUB_CACHE)
    check_disk_space(folder, sum(listing.sizes.get(name, 0) for name in missing), repository)
    files = {name: Path(path) for name, path in cached.items() if isinstance(path, str)}
    for name in missing:
        with explain_hub_errors(repository):
            got = hf_hub_download(
                filename=name, endpoint=places.endpoint, library_name="retu", **where
            )
        files[name] = Path(got)
    return {name: files[name] for name in listing.names}


def check_disk_space(folder: Path, needed: int, repository: Repository) -> None:
    """InputError if the disk that holds the cache has less room than the files need."""
    existing = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        what = f"needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} are"
        raise InputError(f"{repository.label}: {describe_full_cache_disk(what)}")
