"""Locks of extension builds that nobody holds any more.

DeepSpeed compiles its kernels when they are first used. A build that is killed leaves its lock
behind, and torch then waits for it in every later run, without a word and without end.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from retu.core.errors import InputError

EXTENSIONS_VARIABLE = "TORCH_EXTENSIONS_DIR"
QUIET_SECONDS = 600.0
"""A build writes nothing for minutes; on another node nothing else shows that it is alive."""
LOCK_POLL_SECONDS = 5.0


def list_build_locks() -> list[Path]:
    """The locks of all builds for this version of Python, finished or not."""
    if chosen := os.environ.get(EXTENSIONS_VARIABLE):
        return sorted(Path(chosen).glob("*/lock"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = f"py{sys.version_info.major}{sys.version_info.minor}{sys.abiflags}"
    return sorted((cache / "torch_extensions").glob(f"{version}_*/*/lock"))


def check_extension_locks() -> None:
    """Wait for builds that are under way; without any this returns at once.

    Raises:
        InputError: a build has a lock but no life: no process of this machine holds it, and for
            `QUIET_SECONDS` nothing was written beside it.
    """
    told: set[Path] = set()
    while waiting := [lock for lock in list_build_locks() if not is_held(lock)]:
        for lock in waiting:
            quiet = measure_quiet_seconds(lock)
            if quiet is not None and quiet > QUIET_SECONDS:
                raise InputError(
                    f"{lock}: is left over from a build that was killed, and DeepSpeed would wait"
                    f" for it for ever; set {EXTENSIONS_VARIABLE} to another folder to build anew"
                )
            if lock not in told:
                told.add(lock)
                print(f"waiting for the build that holds {lock}", flush=True)
        time.sleep(LOCK_POLL_SECONDS)


def is_held(lock: Path) -> bool:
    """Whether a process of this machine has the lock open, as a builder does to the end."""
    target = str(lock.resolve())
    return any(path == target for path in list_open_files())


def list_open_files() -> Iterator[str]:
    """The open files of all processes of this machine whose owner is this user."""
    for folder in Path("/proc").glob("[0-9]*/fd"):
        # Processes and their files come and go, and some are somebody else's.
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                with contextlib.suppress(FileNotFoundError):
                    yield os.readlink(folder / name)


def measure_quiet_seconds(lock: Path) -> float | None:
    """Seconds since anything changed in the lock's folder; None once the lock is gone."""
    try:
        newest = max(path.stat().st_mtime for path in [lock, *lock.parent.iterdir()])
    except FileNotFoundError:
        return None
    return time.time() - newest
