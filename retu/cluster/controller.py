"""Which Snakemake a work folder belongs to: a small file for each that submits jobs from it.

Snakemake's own locks name no process, so they stay when it is killed and tell nothing. The file
holds host, process and start; while that process lives its jobs are in good hands. The id of its
run, which is the name of its jobs, stands in Snakemake's log.
"""

import json
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from retu.core.atomic_files import write_text
from retu.runtime.training_folders import get_state_folder

CONTROLLERS_FOLDER = Path("controllers")
PROC_FOLDER = Path("/proc")
RUN_ID = re.compile(r"^SLURM run ID: (\S+)", re.MULTILINE)
# Fields of /proc/PID/stat after the program's name, which may hold blanks.
STATE, START = 0, 19
# A killed process that its parent has not asked after yet still has a number.
ENDED_STATES = ("Z", "X")


class Liveness(Enum):
    """What can be known from here of the process that submitted jobs."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class JobController:
    """A Snakemake process that submits the jobs of a work folder."""

    host: str
    pid: int
    start: str
    """Boot and clock ticks: a later process with the same number has another."""
    since: str
    logs: tuple[str, ...]

    @property
    def liveness(self) -> Liveness:
        """Whether it runs; unknown on another host."""
        if self.host != platform.node():
            return Liveness.UNKNOWN
        return Liveness.ALIVE if read_process_start(self.pid) == self.start else Liveness.DEAD

    @property
    def is_on_other_host(self) -> bool:
        """Whether it belongs to another host."""
        return self.liveness is Liveness.UNKNOWN

    @property
    def run_id(self) -> str | None:
        """The id of its run, from its log; None before it has one, or where no log tells."""
        for log in map(Path, self.logs):
            if log.is_file():
                found = RUN_ID.search(log.read_text(encoding="utf-8", errors="replace"))
                if found:
                    return found.group(1)
        return None

    @property
    def has_lost_logs(self) -> bool:
        """Whether its logs are gone, so that its run cannot be known."""
        return not any(Path(log).is_file() for log in self.logs)

    @property
    def name(self) -> str:
        """What to call it."""
        return f"process {self.pid} on {self.host}, started {self.since}"


def read_process_start(pid: int) -> str | None:
    """When a process of this host started, as boot and clock ticks; None if it runs no more."""
    try:
        fields = (PROC_FOLDER / str(pid) / "stat").read_text().rpartition(")")[2].split()
        boot = (PROC_FOLDER / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[STATE] in ENDED_STATES else f"{boot}/{fields[START]}"


def get_controllers_folder(root: Path) -> Path:
    """Where the files of a work folder's controllers lie."""
    return root / get_state_folder(CONTROLLERS_FOLDER)


def get_own_file(root: Path) -> Path:
    """The file of this process."""
    return get_controllers_folder(root) / f"{platform.node()}-{os.getpid()}.json"


def register_controller(root: Path, logs: Iterable[str | Path]) -> None:
    """Write down that this process submits the jobs of the work folder `root` from now on."""
    own = JobController(
        host=platform.node(),
        pid=os.getpid(),
        start=str(read_process_start(os.getpid())),
        since=datetime.now().astimezone().isoformat(" ", "seconds"),
        logs=tuple(str(Path(log).absolute()) for log in logs),
    )
    write_text(get_own_file(root), json.dumps(asdict(own), indent=2) + "\n")


def unregister_controller(root: Path) -> None:
    """Write down that this process submits nothing any more."""
    get_own_file(root).unlink(missing_ok=True)


def read_controllers(root: Path) -> dict[Path, JobController]:
    """File -> controller, of all that have not ended in order, the last one last."""
    found = {}
    for path in get_controllers_folder(root).glob("*.json"):
        controller = read_controller(path)
        if controller is not None:
            found[path] = controller
    return dict(sorted(found.items(), key=lambda item: item[1].since))


def read_controller(path: Path) -> JobController | None:
    """A controller's file; None if it has just gone or is none of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return JobController(**{**content, "logs": tuple(content["logs"])})
    except (OSError, ValueError, KeyError, TypeError):
        # Whatever it is, it vouches for no job: its jobs count as orphans.
        return None
