"""What a job cost: CPU time, how much of it was training and generation, and peak memory.

Every script ends its log with one `usage:` line; `benchmarks/overhead.py` adds them up. A fork of
the job server counts its own time: what was imported before it, once for all, is in no job's
figures. Its memory includes the pages that it shares with the server.
"""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

WORK = {"seconds": 0.0}
# CPU time of helpers that the job server forked, which are no children of this process.
HELPERS = {"seconds": 0.0}
# What only the job itself knows and its record tells: `eflops` is the training compute spent, and
# `first_step` is there if a shorter run that was done was gone on from.
JOB_FACTS: dict[str, float] = {}
# Settings of checkpoints that the job did not follow, by name (`retu.models.generation_config`).
IGNORED_SETTINGS: dict[str, Any] = {}


@contextmanager
def count_work_time() -> Iterator[None]:
    """Count the CPU time of a block as training or generation (the rest is overhead)."""
    started = time.process_time()
    try:
        yield
    finally:
        WORK["seconds"] += time.process_time() - started


def measure_peak_memory() -> float:
    """Peak memory of this process or of the largest that it started and that has ended, in MB."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(which).ru_maxrss for which in whose) / 1024


def measure_cpu_seconds() -> float:
    """CPU time of this process so far, and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = time.process_time() + children.ru_utime + children.ru_stime
    return own + HELPERS["seconds"]


def count_helper(pid: int) -> None:
    """Count the CPU time so far of a helper that is no child; nothing if it has ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        HELPERS["seconds"] += sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def format_usage_line() -> str:
    """The figures of this process and its helpers so far, its own imports included."""
    spent = f"cpu {measure_cpu_seconds():.2f} s, training and generation {WORK['seconds']:.2f} s"
    return f"usage: {spent}, peak {measure_peak_memory():.0f} MB"
