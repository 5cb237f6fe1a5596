"""The one place that starts other programs: SLURM's own, and Snakemake to unlock a folder.

Works with or without accounting: only the controller of the cluster (slurmctld) is asked, but for
the accounts. Formats are those of SLURM 22.05 and later; no JSON plugin is needed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.errors import InputError

TOOLS = ("squeue", "sinfo", "scontrol", "scancel", "sbatch")
PATIENCE = 60.0
"""Seconds that a tool gets; slurmctld itself gives up earlier unless it is very busy."""
# A user's settings of these tools would change which jobs are listed, or ask before cancelling.
SETTINGS = ("SQUEUE_", "SINFO_", "SCANCEL_", "SLURM_TIME_FORMAT")
# Fields without a width are printed whole; no name, comment or path holds this character.
MARK = "\x1f"
# Id, name, comment, state, reason, partition, time left, work folder.
FIELDS = ("%i", "%j", "%k", "%T", "%r", "%P", "%L", "%Z")
COMMENT = re.compile(r"rule_(?P<rule>.+?)(?:_wildcards_(?P<wildcards>.*))?")
SAID = re.compile(r"^\w+: (?:error|fatal): ")


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
    def pending(self) -> bool:
        """Whether it has yet to start, for the first time or again."""
        return self.state == "PENDING"

    @property
    def work(self) -> str:
        """Rule and wildcards, as Snakemake's executor puts them into the comment."""
        found = COMMENT.fullmatch(self.comment)
        if found is None:
            return self.comment if self.comment not in ("", "(null)") else "(no comment)"
        return " ".join(filter(None, found.groups()))


class NoAnswerError(InputError):
    """A tool of SLURM failed or did not answer: nothing is known of the queue."""


def available() -> bool:
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


def ask(*command: str) -> str:
    """What a tool of SLURM prints.

    Raises:
        NoAnswerError: it is missing, fails or does not answer, in its own words.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
    try:
        done = subprocess.run(
            command,
            env={**kept, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except OSError as error:
        raise NoAnswerError(f"{command[0]}: {error.strerror}; is this a login node?") from error
    except subprocess.TimeoutExpired as error:
        raise NoAnswerError(
            f"{command[0]}: no answer in {PATIENCE:g} s; slurmctld is busy or down (see"
            " `scontrol ping`), try again later"
        ) from error
    if done.returncode:
        said = decoded(done.stderr).strip().splitlines() or [f"exit status {done.returncode}"]
        raise NoAnswerError(
            f"{command[0]}: {SAID.sub('', said[-1])}; `scontrol ping` tells whether SLURM is up"
        )
    return decoded(done.stdout)


def decoded(text: bytes) -> str:
    """Output as text, whatever bytes a path in it has."""
    return text.decode("utf-8", errors="surrogateescape")


def queued_jobs(folder: Path) -> list[QueuedJob]:
    """The jobs, of any user, that were submitted from a folder and have not left the queue.

    Raises:
        NoAnswerError: the queue cannot be read.
    """
    lines = ask("squeue", "--noheader", "--format", MARK.join(FIELDS)).splitlines()
    fields = [[part.strip() for part in line.split(MARK)] for line in lines]
    jobs = [QueuedJob(*parts) for parts in fields if len(parts) == len(FIELDS)]
    return [job for job in jobs if same_folder(job.folder, folder)]


def same_folder(text: str, folder: Path) -> bool:
    """Whether SLURM's word for a work folder means this one, perhaps through a link."""
    return text == str(folder) or Path(text).resolve() == folder.resolve()


def cancel(ids: Sequence[str]) -> None:
    """Ask SLURM to end jobs: each gets SIGTERM and, after the cluster's KillWait, SIGKILL.

    Raises:
        NoAnswerError: SLURM refuses; jobs that have just ended are no reason to.
    """
    ask("scancel", "--quiet", *ids)


def snakemake_unlock(folder: Path) -> int:
    """Let Snakemake remove its locks on a work folder; its exit status."""
    command = [sys.executable, "-m", "snakemake", "--unlock", "--cores", "1"]
    return subprocess.run(command, cwd=folder, check=False).returncode
