"""Hashes of files, remembered from command to command: `.state/hashes/STUDY.json`.

A file counts as the one that was hashed while its size, inode, time of modification and time of
change are the same. No program sets the last of these: an edit that puts the time of modification
back is seen. What had changed less than two seconds before it was read is not remembered, because
another write within the tick of the file system would leave the same times.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.hashing import compute_md5

HASHES_FOLDER = Path(".state", "hashes")
TICK_NS = 2_000_000_000
FileTimes = list[int]
"""Size, inode, time of modification and of change in ns."""


class HashCache:
    """What is remembered of the files of a study below `root`; `save` keeps it."""

    def __init__(self, root: Path, study: str) -> None:
        self.root = root
        self.file = root / HASHES_FOLDER / f"{study}.json"
        self.known: dict[str, tuple[FileTimes, str]] = {}
        # Without it, or with half of it, everything is hashed once more.
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            content = json.loads(self.file.read_text(encoding="utf-8"))
            self.known = {path: (times, digest) for path, (times, digest) in content.items()}
        self.changed = False

    def get_hashes(self, paths: Iterable[str]) -> dict[str, str | None]:
        """The MD5 of every path (from the root, or absolute); None for what cannot be read."""
        started = time.time_ns()
        times = {path: self.read_times(path) for path in dict.fromkeys(paths)}
        found: dict[str, str | None] = {}
        for path, seen in times.items():
            then = self.known.get(path)
            found[path] = then[1] if seen and then and then[0] == seen else None
        new = [path for path, digest in found.items() if digest is None and times[path]]
        with ThreadPoolExecutor(max(1, min(len(new), os.cpu_count() or 1))) as pool:
            for path, digest in zip(new, pool.map(self.hash_file, new), strict=True):
                found[path] = digest
                self.remember_hash(path, times[path], digest, started)
        return found

    def read_times(self, path: str) -> FileTimes | None:
        """What tells whether a file is the one that was hashed; None when it is not there."""
        try:
            stat = os.stat(self.root / path)
        except OSError:
            return None
        return [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]

    def hash_file(self, path: str) -> str | None:
        """The hash of a file; None when it cannot be read."""
        try:
            return compute_md5(self.root / path)
        except OSError:
            return None

    def remember_hash(
        self, path: str, times: FileTimes | None, digest: str | None, started: int
    ) -> None:
        """Remember a hash, given the times from before it was taken, unless these are too new."""
        if times and digest and max(times[2:]) < started - TICK_NS:
            self.known[path] = (times, digest)
            self.changed = True

    def save_hashes(self) -> None:
        """Write down what is new; where nothing can be written, nothing is remembered."""
        if self.changed:
            with contextlib.suppress(OSError):
                self.file.parent.mkdir(parents=True, exist_ok=True)
                write_text(self.file, json.dumps(self.known) + "\n")
