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
    JobController,
    Liveness,
    get_own_file,
    read_controllers,
    register_controller,
    unregister_controller,
)
from retu.cluster.queue import QueuedJob, has_slurm, list_queued_jobs, require_slurm
from retu.core.errors import InputError
from retu.core.text import format_quantity, join_names

MAX_LISTED_JOBS = 8
"""Jobs that a message of one line names."""
ORPHAN_REMEDIES = (
    "`retu cluster wait` lets them finish (their work is kept), `retu cluster cancel` ends them"
    " (training goes on from its last checkpoint), `retu cluster status` lists them"
)


class JobCare(Enum):
    """Who looks after a job."""

    CONTROLLED = "a living Snakemake"
    UNKNOWN = "a Snakemake that may be alive"
    ORPHAN = "nobody"


@dataclass(frozen=True)
class OwnedJob:
    """A job of a work folder, who looks after it, and the Snakemake that submitted it, if known."""

    job: QueuedJob
    care: JobCare
    controller: JobController | None

    @property
    def is_on_other_host(self) -> bool:
        """Whether the Snakemake that may look after it is on another host."""
        return self.controller is not None and self.controller.is_on_other_host


def survey_jobs(root: Path) -> list[OwnedJob]:
    """All jobs of the work folder `root` that are in the queue, with who looks after them.

    Raises:
        InputError: SLURM does not answer.
    """
    # The queue first: a controller that registers in between has no job in this list.
    jobs = list_queued_jobs(root)
    known = list(read_controllers(root).values())
    return [assign_owner(job, known) for job in jobs]


def assign_owner(job: QueuedJob, known: Sequence[JobController]) -> OwnedJob:
    """Who looks after a job, by the runs of the controllers that are known."""
    submitted = next((c for c in known if c.run_id == job.run), None)
    if submitted is not None:
        return OwnedJob(job, CARE_OF_LIVENESS[submitted.liveness], submitted)
    # A controller without a log cannot name its jobs; if it may be alive, it may own this one.
    mute = next((c for c in known if c.has_lost_logs and c.liveness is not Liveness.DEAD), None)
    return OwnedJob(job, JobCare.UNKNOWN if mute else JobCare.ORPHAN, mute)


CARE_OF_LIVENESS = {
    Liveness.ALIVE: JobCare.CONTROLLED,
    Liveness.UNKNOWN: JobCare.UNKNOWN,
    Liveness.DEAD: JobCare.ORPHAN,
}


def select_uncared_jobs(claims: Iterable[OwnedJob]) -> list[OwnedJob]:
    """Those that no Snakemake is known to look after."""
    return [claim for claim in claims if claim.care is not JobCare.CONTROLLED]


def join_job_ids(claims: Iterable[OwnedJob]) -> str:
    """The ids of jobs, and how many more there are."""
    return join_names([claim.job.id for claim in claims], MAX_LISTED_JOBS)


def refuse_orphans(root: Path) -> None:
    """Refuse to submit anything while jobs of this folder are queued that nobody looks after.

    Raises:
        InputError: names the jobs and what can be done; also where there is no SLURM, or no answer.
    """
    require_slurm()
    left = select_uncared_jobs(survey_jobs(root))
    if not left:
        return
    unsure = [c.controller for c in left if c.care is JobCare.UNKNOWN and c.controller]
    where = f" (submitted by {unsure[0].name}: is it alive?)" if unsure else ""
    raise InputError(
        f"{format_quantity(len(left))} of an earlier run in {root} still in SLURM's queue"
        f" ({join_job_ids(left)}){where} would be submitted a second time. {ORPHAN_REMEDIES}"
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
    others = {p: c for p, c in read_controllers(root).items() if p != get_own_file(root)}
    if slurm or (others and has_slurm()):
        refuse_orphans(root)
    for path, other in others.items():
        if other.liveness is Liveness.DEAD:
            # None of its jobs is left.
            path.unlink(missing_ok=True)
        else:
            print(f"warning: {describe_other_controller(other)}", file=sys.stderr)
    if slurm:
        register_controller(root, logs)


def describe_other_controller(other: JobController) -> str:
    """A warning of another controller of the same folder."""
    told = f"another Snakemake works in this folder: {other.name}"
    if other.liveness is Liveness.UNKNOWN:
        told = f"another Snakemake may work in this folder: {other.name}"
        return f"{told}; if it has ended, snakemake --unlock forgets it"
    return f"{told}; stop one of them unless they make different results"


def forget_controllers(root: Path) -> None:
    """What `snakemake --unlock` says: no other Snakemake is left, those on other hosts included.

    Their jobs, if any are left in the queue, are orphans from now on, which are refused.
    """
    for path, other in read_controllers(root).items():
        if other.liveness is not Liveness.ALIVE:
            path.unlink(missing_ok=True)


def give_up_control(root: Path) -> None:
    """What Snakemake does as it ends: from now on its jobs, if any are left, are orphans."""
    unregister_controller(root)
