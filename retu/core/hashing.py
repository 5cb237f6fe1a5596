"""Hashes of files and folders, the same as DVC's, each byte read once a process.

A file has its MD5. A folder has the MD5 of the list of its files (hash and relative path, sorted by
path), marked `.dir`: https://dvc.org/doc/user-guide/project-structure/internal-files
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from retu.core.atomic_files import is_temporary

READ_BYTES = 1 << 20
# Snakemake's marker in folders it makes; DVC ignores it by .dvcignore.
IGNORED_NAMES = frozenset({".snakemake_timestamp"})
_known: dict[tuple[str, int, int, int, int], str] = {}


class ListedFile(Protocol):
    """What a folder's listing tells of a file."""

    @property
    def path(self) -> str:
        """Relative to the folder."""

    @property
    def md5(self) -> str:
        """Its hash."""


@dataclass(frozen=True)
class FileHash:
    """A file of a folder (`path` relative to it), or a single file (`path` is its name)."""

    path: str
    md5: str
    size: int


@dataclass(frozen=True)
class TreeHash:
    """The hash of a file or folder as DVC writes it, its size in bytes, and its files."""

    md5: str
    size: int
    files: tuple[FileHash, ...]

    @property
    def is_folder(self) -> bool:
        """Whether it is the hash of a folder."""
        return self.md5.endswith(".dir")


def compute_md5(path: Path) -> str:
    """MD5 of a file. A file that has not changed since this process read it is not read again."""
    stat = path.stat()
    # No program sets the time of change: an edit that puts the other time back has a new one.
    times = (stat.st_mtime_ns, stat.st_ctime_ns)
    seen = (str(path.resolve()), stat.st_ino, stat.st_size, *times)
    if seen not in _known:
        with path.open("rb", buffering=0) as handle:
            _known[seen] = hashlib.file_digest(handle, "md5").hexdigest()
    return _known[seen]


def list_files_below(target: Path) -> list[Path]:
    """The file itself, or every file below a folder, sorted by its relative path.

    What a killed process was still writing (`is_temporary`) belongs to no result.
    """
    if not target.is_dir():
        return [target]
    # Snakemake's cache puts links in the place of folders; they read like the folders themselves.
    found: list[str] = []
    for place, folders, names in os.walk(target, followlinks=True):
        folders[:] = [name for name in folders if not is_temporary(name)]
        kept = (name for name in names if name not in IGNORED_NAMES and not is_temporary(name))
        found += (f"{place}/{name}" for name in kept)
    # All begin alike, so that whole paths sort as those below the folder do.
    return [Path(path) for path in sorted(found)]


def hash_tree(target: Path) -> TreeHash:
    """Hash a file or folder; the files of a folder are read side by side.

    Raises:
        OSError: `target` or a file in it cannot be read.
    """
    return next(hash_trees([target]))


def hash_trees(targets: Iterable[Path]) -> Iterator[TreeHash]:
    """Hash files and folders, all files of all of them side by side, in the order of `targets`.

    Raises:
        OSError: a target or a file in it cannot be read.
    """
    found = [(target, list_files_below(target)) for target in targets]
    paths = list(itertools.chain.from_iterable(files for _, files in found))
    workers = min(len(paths), os.cpu_count() or 1)
    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            hashes = iter(list(pool.map(compute_md5, paths)))
    else:
        hashes = map(compute_md5, paths)
    for target, files in found:
        yield _make_tree_hash(target, files, list(itertools.islice(hashes, len(files))))


def _make_tree_hash(target: Path, paths: list[Path], hashes: list[str]) -> TreeHash:
    """The hash of a file or folder from the hashes of its files."""
    base = target if target.is_dir() else target.parent
    files = tuple(
        FileHash(path.relative_to(base).as_posix(), digest, path.stat().st_size)
        for path, digest in zip(paths, hashes, strict=True)
    )
    size = sum(file.size for file in files)
    return TreeHash(hash_folder_listing(files) if target.is_dir() else files[0].md5, size, files)


def list_changed_names(then: Mapping[str, str | None], now: Mapping[str, str | None]) -> list[str]:
    """The names, sorted, that are new, gone or of another hash in the second of two listings."""
    return [name for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)]


def encode_folder_listing(files: Iterable[ListedFile]) -> bytes:
    """What DVC stores for a folder: its files as JSON."""
    return json.dumps([{"md5": file.md5, "relpath": file.path} for file in files]).encode()


def hash_folder_listing(files: Iterable[ListedFile]) -> str:
    """The hash of a folder from those of its files (sorted by path)."""
    return hashlib.md5(encode_folder_listing(files), usedforsecurity=False).hexdigest() + ".dir"
