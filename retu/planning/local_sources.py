"""A user's own files that a stage reads: known by their bytes, found by their path.

The bytes are part of a stage's key, the path is not: an edited file makes what came of it stale, a
renamed one whose new name is in the study makes nothing stale. Hashes are remembered between
commands, because every job of a cluster plans its study again.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from retu.core.errors import InputError
from retu.core.hash_memory import HashCache
from retu.core.sections import Section

LOOKED_AT_CHARACTERS = 1 << 16
SYSTEMS = ("system", "system_prompt")
"""Columns of system turns."""
SYSTEM_KEY = re.compile(rf"""(['"])(?:{"|".join(SYSTEMS)})\1""", re.IGNORECASE)
MEMORY = "local_files"
"""Below `.state/hashes`: what is remembered of a user's files, whichever study they are of."""


@dataclass(frozen=True)
class LocalSource:
    """Files of a user that a script is told of by an option.

    `paths` are what the option says: files, or one folder of which `files` are read (names below
    it; empty: `paths` are the files).
    """

    option: str
    paths: tuple[str, ...]
    files: tuple[str, ...] = ()

    @property
    def read_paths(self) -> list[Path]:
        """Every file that is read."""
        if not self.files:
            return [Path(path) for path in self.paths]
        return [Path(self.paths[0]) / name for name in self.files]

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits of the bytes of all files and, in a folder, of their names."""
        parts = [list(self.files), hash_local_files(self.read_paths)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def plan(self) -> "PlannedSource":
        """What a job is told of it."""
        return PlannedSource(
            option=self.option, paths=self.paths, files=self.files, digest=self.digest
        )


class PlannedSource(Section):
    """A user's files as a job was planned with them."""

    option: str
    paths: tuple[str, ...]
    files: tuple[str, ...]
    digest: str

    def check_unchanged(self) -> list[Path]:
        """The files that are read; InputError if their bytes are not those of the plan."""
        now = LocalSource(self.option, self.paths, self.files)
        if now.digest != self.digest:
            raise InputError(
                f"{', '.join(self.paths)}: has changed since the workflow started; run the same"
                " command again once nothing writes to it"
            )
        return now.read_paths


def hash_local_files(paths: Sequence[Path]) -> list[str]:
    """MD5 of every file; of one that has not changed since it was last read, from memory.

    Raises:
        InputError: one of them cannot be read.
    """
    memory = HashCache(Path(), MEMORY)
    found = memory.get_hashes(map(str, paths))
    memory.save_hashes()
    lost = [path for path, digest in found.items() if digest is None]
    if lost:
        raise InputError(f"{lost[0]}: cannot be read; correct its path in the study")
    return [found[str(path)] or "" for path in paths]


def list_wanted_files(folder: Path, patterns: Iterable[str]) -> list[str]:
    """Names of the files of a folder that one of the patterns matches, sorted."""
    patterns = tuple(patterns)
    names = (path.name for path in folder.iterdir() if path.is_file())
    return sorted(name for name in names if any(fnmatch(name, pattern) for pattern in patterns))


def has_system_turns(path: Path) -> bool:
    """Whether the first rows of a file are chats with a system turn, or have a column of them.

    Only then do its rows depend on the system turn of the study.
    """
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            with pq.ParquetFile(path) as table:
                first = next(table.iter_batches(1), None)
            return first is not None and bool(SYSTEM_KEY.search(str(first.to_pylist())))
        with path.open(encoding="utf-8", errors="replace") as handle:
            start = handle.read(LOOKED_AT_CHARACTERS)
        header = start.partition("\n")[0].lower().replace('"', "").split(",")
        return not set(SYSTEMS).isdisjoint(header) or bool(SYSTEM_KEY.search(start))
    except (OSError, ValueError):
        # Whoever reads the rows tells what is wrong with it.
        return False
