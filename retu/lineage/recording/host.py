"""What a record tells of the machine, the checkout and the libraries of its job."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retu.lineage.graph.config_sources import ABSENT
from retu.lineage.graph.stale_causes import normalise_name, parse_pins
from retu.lineage.numerics import describe_kernels
from retu.lineage.record import GitCommit

# Import name -> distribution. Recorded when the job has loaded them.
RECORDED_LIBRARIES = {
    **{name: name for name in ("torch", "transformers", "trl", "accelerate", "datasets")},
    **{name: name for name in ("deepspeed", "vllm", "latex2sympy2_extended", "sympy", "numpy")},
    **{name: name for name in ("scipy", "pandas", "pyarrow", "matplotlib", "jinja2")},
    "math_verify": "math-verify",
}
CPUINFO = Path("/proc/cpuinfo")
# Pointers to results change with every run; they decide no result.
POINTER_PATHS = ("lineage", "data.dvc")
RENAMED_MARK = "2"
NO_REPOSITORY_TEXT = "not a git repository"
"""What git says of a folder that is in none."""
UNKNOWN = "unknown"
NO_COMMIT = "(initial)"
"""What git calls the commit of a repository that has none."""


def list_loaded_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that this process has loaded.

    In a fork of the job server (`retu.runtime.job_parent`) these are also the ones that its parent
    had imported for other jobs, as are the kernels of `describe_host`.
    """
    loaded = {name: dist for name, dist in RECORDED_LIBRARIES.items() if name in sys.modules}
    versions = {dist: find_version(dist) for dist in loaded.values()}
    return {"python": platform.python_version(), **dict(sorted(versions.items()))}


def find_version(distribution: str) -> str:
    """Version of an installed distribution; `unknown` for a library that is none (a bare copy)."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN


def compare_with_lock(versions: Mapping[str, str], lock: str) -> dict[str, str]:
    """What is loaded in another version than a lock's text pins: name -> "locked -> loaded".

    Python itself is pinned by no lock. `2.13.0+cpu` is a build of 2.13.0.
    """
    locked = parse_pins(lock)
    found = {}
    for name, version in versions.items():
        wanted = locked.get(normalise_name(name), ABSENT)
        if name != "python" and wanted not in (version, version.partition("+")[0]):
            found[name] = f"{wanted} -> {version}"
    return found


def describe_checkout(root: Path) -> GitCommit:
    """Commit and uncommitted files of the checkout at `root`; outside a repository, no commit.

    Files are named from the repository's root; a renamed file has its new name. Where git cannot
    tell (it is not installed, or refuses the folder of another user), `reason` says so.
    """
    # Many jobs run git at once; none may take the lock that the user's `git commit` needs.
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "-z"]
    command += ["--untracked-files=all", "--", "."]
    command += [f":(exclude){name}" for name in POINTER_PATHS]
    # What git says is read, so it must say it in English.
    spoken = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True, env=spoken)
    except OSError as error:
        return GitCommit(commit=None, dirty=[], reason=f"git does not run ({error.strerror})")
    except subprocess.CalledProcessError as error:
        said = os.fsdecode(error.stderr).strip()
        # A copy of the project outside a repository: the code's digests still hold.
        first = said.partition("\n")[0] or "git failed"
        reason = None if NO_REPOSITORY_TEXT in said else first
        return GitCommit(commit=None, dirty=[], reason=reason)
    fields = iter(os.fsdecode(done.stdout).split("\0")[:-1])
    commit, dirty = None, []
    for field in fields:
        if field.startswith("# branch.oid"):
            commit = field.split()[-1]
        elif field[0] != "#":
            dirty.append(parse_status_path(field))
        if field[0] == RENAMED_MARK:
            # Its former name is a field of its own.
            next(fields)
    return GitCommit(commit=None if commit == NO_COMMIT else commit, dirty=dirty)


def parse_status_path(field: str) -> str:
    """The path in a field of `git status --porcelain=v2 -z`: after 8, 9 (renamed) or 1 words."""
    words = {"1": 8, RENAMED_MARK: 9, "u": 10, "?": 1}[field[0]]
    return field.split(" ", words)[words]


def describe_host() -> dict[str, Any]:
    """Name, system, processor, cores, memory in MB, kernels and, where torch sees them, GPUs."""
    facts: dict[str, Any] = {
        "name": platform.node(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": read_processor_name(),
        "cores": os.cpu_count(),
    }
    if hasattr(os, "sysconf"):
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        facts["memory_mb"] = pages // 2**20
    gpus = list_gpus()
    return {**facts, **describe_kernels(), **({"gpus": gpus} if gpus else {})}


def list_gpus() -> list[str] | str:
    """The GPUs that torch sees, if it is loaded; `unknown` if the driver fails when asked."""
    torch = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_available():
            return []
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    except RuntimeError:
        # A failing query for the GPU's name must not cost hours of training.
        return UNKNOWN


def read_processor_name() -> str:
    """The processor's model name where the system tells it."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or UNKNOWN)


def get_peak_gpu_megabytes() -> float | None:
    """Peak memory that torch has taken on the GPUs of this process, in MB; None without any."""
    torch = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_available():
            return None
        peaks = [torch.cuda.max_memory_allocated(i) for i in range(torch.cuda.device_count())]
    except RuntimeError:
        return None
    return float(sum(peaks)) / 2**20
