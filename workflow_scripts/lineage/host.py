"""What a record tells of the machine, the checkout and the libraries of its job."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from workflow_scripts.lineage.record import Commit

# Import name -> distribution. Recorded when the job has loaded them.
LIBRARIES = {
    "torch": "torch",
    "transformers": "transformers",
    "trl": "trl",
    "accelerate": "accelerate",
    "datasets": "datasets",
    "deepspeed": "deepspeed",
    "vllm": "vllm",
    "math_verify": "math-verify",
    "latex2sympy2_extended": "latex2sympy2_extended",
    "sympy": "sympy",
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "matplotlib": "matplotlib",
    "jinja2": "jinja2",
}
# Pointers to results change with every run; they decide no result.
POINTERS = ("lineage", "data.dvc")
RENAMED = "2"
UNBORN = "(initial)"
"""What git calls the commit of a repository that has none."""


def loaded_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that this process has loaded."""
    loaded = {name: dist for name, dist in LIBRARIES.items() if name in sys.modules}
    versions = {dist: importlib.metadata.version(dist) for dist in loaded.values()}
    return {"python": platform.python_version(), **dict(sorted(versions.items()))}


def checkout(root: Path) -> Commit:
    """Commit and uncommitted files of the checkout at `root`; without git, no commit.

    Files are named from the repository's root; a renamed file has its new name.
    """
    # Many jobs ask at once: none may hold the lock that a `git commit` of the user needs.
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "-z"]
    command += ["--untracked-files=all", "--", ".", *(f":(exclude){name}" for name in POINTERS)]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        # No git, or a copy of the project outside a repository: the code's digests still hold.
        return Commit(commit=None, dirty=[])
    fields = iter(os.fsdecode(done.stdout).split("\0")[:-1])
    commit, dirty = None, []
    for field in fields:
        if field.startswith("# branch.oid"):
            commit = field.split()[-1]
        elif field[0] != "#":
            dirty.append(changed_path(field))
        if field[0] == RENAMED:
            # Its former name is a field of its own.
            next(fields)
    return Commit(commit=None if commit == UNBORN else commit, dirty=dirty)


def changed_path(field: str) -> str:
    """The path in a field of `git status --porcelain=v2 -z`: after 8, 9 (renamed) or 1 words."""
    words = {"1": 8, RENAMED: 9, "u": 10, "?": 1}[field[0]]
    return field.split(" ", words)[words]


def host_facts() -> dict[str, Any]:
    """Name, system, processor, cores, memory in MB and, where torch sees them, GPUs."""
    facts: dict[str, Any] = {
        "name": platform.node(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
    }
    if hasattr(os, "sysconf"):
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        facts["memory_mb"] = pages // 2**20
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        count = torch.cuda.device_count()
        facts["gpus"] = [torch.cuda.get_device_name(index) for index in range(count)]
    return facts


def processor() -> str:
    """The processor's model name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def peak_gpu_megabytes() -> float | None:
    """Peak memory that torch has taken on the GPUs of this process, in MB; None without any."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    peaks = (torch.cuda.max_memory_allocated(i) for i in range(torch.cuda.device_count()))
    return float(sum(peaks)) / 2**20
