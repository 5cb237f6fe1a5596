"""The jobs of a work folder in SLURM's queue: list and cancel them, unlock the folder.

Only the controller of the cluster (slurmctld) is asked, so accounting is not needed.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retu.core.errors import InputError
from retu.runtime.slurm import FIELD_SEPARATOR, TOOLS, run_slurm_tool

# Id, name, comment, state, reason, partition, time left, work folder.
FIELDS = ("%i", "%j", "%k", "%T", "%r", "%P", "%L", "%Z")
COMMENT = re.compile(r"rule_(?P<rule>.+?)(?:_wildcards_(?P<wildcards>.*))?")


@dataclass(frozen=True)
class QueuedJob:
    """A job in the queue; `run` is the id of the Snakemake run that submitted it."""

    id: str
    run: str
    comment: str
    state: str
    reason: str
    partition: str
    left: str
    folder: str

    @property
    def is_pending(self) -> bool:
        """Whether it has yet to start, for the first time or again."""
        return self.state == "PENDING"

    @property
    def work(self) -> str:
        """Rule and wildcards, as Snakemake's executor puts them into the comment."""
        found = COMMENT.fullmatch(self.comment)
        if found is None:
            return self.comment if self.comment not in ("", "(null)") else "(no comment)"
        return " ".join(filter(None, found.groups()))


def has_slurm() -> bool:
    """Whether this machine has SLURM's tools."""
    return shutil.which("squeue") is not None


def require_slurm() -> None:
    """Refuse to go on without SLURM's tools.

    Raises:
        InputError: names those that are missing.
    """
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing:
        raise InputError(
            f"no SLURM: {', '.join(missing)} not on PATH; run this on a login node of the cluster"
        )


def list_queued_jobs(folder: Path) -> list[QueuedJob]:
    """The jobs, of any user, that were submitted from a folder and have not left the queue.

    Raises:
        NoAnswerError: the queue cannot be read.
    """
    lines = run_slurm_tool(
        "squeue", "--noheader", "--format", FIELD_SEPARATOR.join(FIELDS)
    ).splitlines()
    fields = [[part.strip() for part in line.split(FIELD_SEPARATOR)] for line in lines]
    jobs = [QueuedJob(*parts) for parts in fields if len(parts) == len(FIELDS)]
    return [job for job in jobs if is_same_folder(job.folder, folder)]


def is_same_folder(text: str, folder: Path) -> bool:
    """Whether SLURM's word for a work folder means this one, perhaps through a link."""
    return text == str(folder) or Path(text).resolve() == folder.resolve()


def cancel_jobs(ids: Sequence[str]) -> None:
    """Ask SLURM to end jobs: each gets SIGTERM and, after the cluster's KillWait, SIGKILL.

    Raises:
        NoAnswerError: SLURM refuses; jobs that have just ended are no reason to.
    """
    run_slurm_tool("scancel", "--quiet", *ids)


def unlock_folder(folder: Path) -> int:
    """Let Snakemake remove its locks on a work folder; its exit status."""
    command = [sys.executable, "-m", "snakemake", "--unlock", "--cores", "1"]
    return subprocess.run(command, cwd=folder, check=False).returncode
