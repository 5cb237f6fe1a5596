"""Which Snakemake runs work in a folder: a small file for each, that outlives a kill.

Snakemake's locks name no process. A run's own file holds host, process and start, so that a run
which was killed is told from one that lives; on another host nothing is known, and nothing guessed.
What a run starts inherits `RETU_RUN`, so that its jobs are found after it is gone.
"""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from retu.cluster.controller import PROC_FOLDER, Liveness, read_process_start
from retu.core.atomic_files import write_text
from retu.runtime.training_folders import get_state_folder

RUNS_FOLDER = Path("runs")
RUN_VARIABLE = "RETU_RUN"
"""Names the run whose process tree a process belongs to."""
SLURM_JOB = "SLURM_JOB_ID"
MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True)
class SnakemakeRun:
    """A Snakemake process that works, or worked, in a folder."""

    host: str
    machine: str
    """Tells hosts of one name apart; empty where the system has no such number."""
    namespace: str
    """Process numbers mean something inside it only."""
    user: int
    pid: int
    start: str
    since: str
    study: str
    slurm_job: str
    """The job inside which it runs; what has another is SLURM's to look after."""
    outputs: tuple[str, ...] = ()
    """What it is going to make, once that is planned."""

    @property
    def tag(self) -> str:
        """What `RETU_RUN` is in its process tree."""
        return f"{self.host}/{self.pid}/{self.start}"

    @property
    def name(self) -> str:
        """What to call it."""
        return f"process {self.pid} on {self.host}, study {self.study}, started {self.since}"

    @property
    def liveness(self) -> Liveness:
        """Whether it lives; unknown where its process cannot be seen from here."""
        own = describe_run("")
        if (self.host, self.machine) != (own.host, own.machine):
            return Liveness.UNKNOWN
        if read_boot(self.start) != read_boot(own.start):
            # The same machine was started again; without its number it may be another.
            return Liveness.DEAD if self.machine else Liveness.UNKNOWN
        if self.namespace != own.namespace or own.user not in (0, self.user):
            return Liveness.UNKNOWN
        return Liveness.ALIVE if read_process_start(self.pid) == self.start else Liveness.DEAD


def read_boot(start: str) -> str:
    """The part of a process's start that tells when the machine was started."""
    return start.partition("/")[0]


def describe_run(study: str, outputs: Sequence[str] = ()) -> SnakemakeRun:
    """This process as a run of a study."""
    try:
        namespace = os.readlink(PROC_FOLDER / "self/ns/pid")
    except OSError:
        namespace = ""
    return SnakemakeRun(
        host=platform.node(),
        machine=MACHINE_ID.read_text().strip() if MACHINE_ID.is_file() else "",
        namespace=namespace,
        user=os.getuid(),
        pid=os.getpid(),
        start=str(read_process_start(os.getpid())),
        since=datetime.now().astimezone().isoformat(" ", "seconds"),
        study=study,
        slurm_job=os.environ.get(SLURM_JOB, ""),
        outputs=tuple(outputs),
    )


def get_run_file(root: Path, run: SnakemakeRun) -> Path:
    """Where a run's own file lies."""
    return root / get_state_folder(RUNS_FOLDER) / f"{run.host}-{run.pid}.json"


def write_run(root: Path, run: SnakemakeRun) -> None:
    """Write a run's own file."""
    write_text(get_run_file(root, run), json.dumps(asdict(run), indent=2) + "\n")


def remove_run(root: Path, run: SnakemakeRun) -> None:
    """Forget a run."""
    get_run_file(root, run).unlink(missing_ok=True)


def read_runs(root: Path) -> list[SnakemakeRun]:
    """All other runs of the work folder that have not ended in order, the last one last."""
    found = []
    for path in (root / get_state_folder(RUNS_FOLDER)).glob("*.json"):
        run = read_run(path)
        if run is not None and (run.pid != os.getpid() or run.host != platform.node()):
            found.append(run)
    return sorted(found, key=lambda run: run.since)


def read_run(path: Path) -> SnakemakeRun | None:
    """A run from its file; None if it has just gone or is none of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return SnakemakeRun(**{**content, "outputs": tuple(content["outputs"])})
    except (OSError, ValueError, KeyError, TypeError):
        # An unreadable file proves nothing about its run; a lock without a known owner is left
        # alone.
        return None
