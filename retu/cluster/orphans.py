"""Jobs that no Snakemake looks after: found, and refused a second copy.

A killed Snakemake leaves its jobs in the queue. They go on and write their outputs, but a new
Snakemake knows nothing of them and would submit each of them again, beside itself.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from retu.cluster.controller import (
    Controller,
    Life,
    controllers,
    own_file,
    register,
    unregister,
)
from retu.cluster.queue import QueuedJob, available, queued_jobs, require_slurm
from retu.core.errors import InputError
from retu.core.text import counted, listed

LISTED = 8
"""Jobs that a message of one line names."""
COMMANDS = (
    "`retu cluster wait` lets them finish (their work is kept), `retu cluster cancel` ends them"
    " (training goes on from its last checkpoint), `retu cluster status` lists them"
)


class Care(Enum):
    """Who looks after a job."""

    CONTROLLED = "a living Snakemake"
    UNKNOWN = "a Snakemake that may be alive"
    ORPHAN = "nobody"


@dataclass(frozen=True)
class Claim:
    """A job of a work folder, who looks after it, and the Snakemake that submitted it, if known."""

    job: QueuedJob
    care: Care
    controller: Controller | None

    @property
    def far(self) -> bool:
        """Whether the Snakemake that may look after it is on another host."""
        return self.controller is not None and self.controller.elsewhere


def survey(root: Path) -> list[Claim]:
    """All jobs of the work folder `root` that are in the queue, with who looks after them.

    Raises:
        InputError: SLURM does not answer.
    """
    # The queue first: a controller that registers in between has no job in this list.
    jobs = queued_jobs(root)
    known = list(controllers(root).values())
    return [claim(job, known) for job in jobs]


def claim(job: QueuedJob, known: Sequence[Controller]) -> Claim:
    """Who looks after a job, by the runs of the controllers that are known."""
    submitted = next((c for c in known if c.run == job.run), None)
    if submitted is not None:
        return Claim(job, CARE[submitted.life], submitted)
    # Its log is gone: a controller that may live, and whose jobs no one can tell, may own it.
    mute = next((c for c in known if c.lost_log and c.life is not Life.DEAD), None)
    return Claim(job, Care.UNKNOWN if mute else Care.ORPHAN, mute)


CARE = {Life.ALIVE: Care.CONTROLLED, Life.UNKNOWN: Care.UNKNOWN, Life.DEAD: Care.ORPHAN}


def uncared(claims: Iterable[Claim]) -> list[Claim]:
    """Those that no Snakemake is known to look after."""
    return [claim for claim in claims if claim.care is not Care.CONTROLLED]


def ids(claims: Iterable[Claim]) -> str:
    """The ids of jobs, and how many more there are."""
    return listed([claim.job.id for claim in claims], LISTED)


def refuse_orphans(root: Path) -> None:
    """Refuse to submit anything while jobs of this folder are queued that nobody looks after.

    Raises:
        InputError: names the jobs and what can be done; also where there is no SLURM, or no answer.
    """
    require_slurm()
    left = uncared(survey(root))
    if not left:
        return
    unsure = [c.controller for c in left if c.care is Care.UNKNOWN and c.controller]
    where = f" (submitted by {unsure[0].name}: is it alive?)" if unsure else ""
    raise InputError(
        f"{counted(len(left))} of an earlier run in {root} still in SLURM's queue"
        f" ({ids(left)}){where} would be submitted a second time. {COMMANDS}"
    )


def take_control(root: Path, logs: Iterable[str | Path], *, slurm: bool) -> None:
    """What Snakemake does as it starts, before it submits anything.

    Refuses orphans, warns of another Snakemake of this folder and registers this one. Without the
    executor `slurm` only folders from which jobs have been submitted are looked at: a run on the
    login node would do the orphans' work a second time as well.

    Args:
        root: the work folder.
        logs: Snakemake's own log files of this run, which will name its id.
        slurm: whether this run submits to SLURM.

    Raises:
        InputError: orphans, or no SLURM where it is needed.
    """
    others = {p: c for p, c in controllers(root).items() if p != own_file(root)}
    if slurm or (others and available()):
        refuse_orphans(root)
    for path, other in others.items():
        if other.life is Life.DEAD:
            # None of its jobs is left.
            path.unlink(missing_ok=True)
        else:
            print(f"warning: {second(path, other)}", file=sys.stderr)
    if slurm:
        register(root, logs)


def second(path: Path, other: Controller) -> str:
    """A warning of another controller of the same folder."""
    told = f"another Snakemake works in this folder: {other.name}"
    if other.life is Life.UNKNOWN:
        told = f"another Snakemake may work in this folder: {other.name}"
        return f"{told}; if it has ended, delete {path}"
    return f"{told}; stop one of them unless they make different results"


def give_up_control(root: Path) -> None:
    """What Snakemake does as it ends: from now on its jobs, if any are left, are orphans."""
    unregister(root)
