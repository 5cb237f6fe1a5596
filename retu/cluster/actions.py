"""What `retu cluster status`, `wait`, `cancel` and `unlock` do; exit status 1 means findings."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep

from retu.cluster import queue
from retu.cluster.controller import JobController, Liveness, read_controllers
from retu.cluster.orphans import (
    ORPHAN_REMEDIES,
    JobCare,
    OwnedJob,
    join_job_ids,
    select_uncared_jobs,
    survey_jobs,
)
from retu.cluster.pending_reasons import explain_pending, is_stuck
from retu.core.errors import InputError
from retu.core.text import format_quantity
from retu.runtime.slurm import NoAnswerError

CANCEL_TIMEOUT_SECONDS = 90.0
"""Seconds within which cancelled jobs leave the queue: KillWait is 30 s by default."""
CANCEL_POLL_SECONDS = 2.0


def run_status(options: argparse.Namespace) -> int:
    """Tell of each job of the work folder who looks after it and why it waits."""
    queue.require_slurm()
    claims = survey_jobs(options.root)
    left = select_uncared_jobs(claims)
    stuck = [claim for claim in claims if is_stuck(claim.job)]
    pending = sum(claim.job.is_pending for claim in claims)
    print(f"{options.root}: {format_quantity(len(claims))} in the queue, {pending} pending")
    for controller in read_controllers(options.root).values():
        print(f"Snakemake: {format_controller(controller)}")
    for claim in claims:
        print(*format_owned_job(claim), sep="\n")
    if left:
        print(
            f"\n{len(left)} without a Snakemake known to be alive: {join_job_ids(left)};"
            f" {ORPHAN_REMEDIES}"
        )
    if stuck:
        print(f"\n{len(stuck)} will never start as things are: {join_job_ids(stuck)}; see above")
    return int(bool(left or stuck))


def format_controller(controller: JobController) -> str:
    """A controller in words."""
    lives = {
        Liveness.ALIVE: "alive",
        Liveness.DEAD: "has ended",
        Liveness.UNKNOWN: "on another host: unknown",
    }
    run = f", run {controller.run_id}" if controller.run_id else ""
    return f"{controller.name}{run}: {lives[controller.liveness]}"


def format_owned_job(claim: OwnedJob) -> Iterator[str]:
    """A job in a line; below it why it waits and what to do, unless it just waits its turn."""
    job, cared = claim.job, claim.care is JobCare.CONTROLLED
    state = f"{job.state} ({job.reason})" if job.is_pending else f"{job.state}, {job.left} left"
    care = "" if cared else f"  [looked after by {claim.care.value}]"
    yield f"  {job.id:<10} {job.partition:<12} {state}  {job.work}{care}"
    reason = explain_pending(job)
    if job.is_pending and reason is None:
        yield f"{'':13}{job.reason}: see `man squeue` and `scontrol show job {job.id}`"
    elif reason is not None and reason.ends != "itself":
        never = ", it never starts" if reason.ends == "never" else ""
        yield f"{'':13}{reason.means}{never}: {reason.remedy}"


def run_wait(options: argparse.Namespace) -> int:
    """Wait until all jobs without a Snakemake have left the queue; 1 if some never will."""
    queue.require_slurm()
    before: list[OwnedJob] = []
    while left := find_remaining_jobs(options.root, before):
        if summarise_states(left) != summarise_states(before):
            print(f"waiting for {format_quantity(len(left))}:")
            print(
                *(line for claim in left for line in format_owned_job(claim)), sep="\n", flush=True
            )
        if all(is_stuck(claim.job) for claim in left):
            print("none of them will ever start: correct the cause, or `retu cluster cancel`")
            return 1
        before = left
        sleep(options.every)
    print("no orphan is left: start Snakemake again, it takes over what they have made")
    return 0


def summarise_states(claims: Sequence[OwnedJob]) -> list[tuple[str, str, str]]:
    """What is worth telling again when it changes."""
    return [(claim.job.id, claim.job.state, claim.job.reason) for claim in claims]


def find_remaining_jobs(root: Path, before: list[OwnedJob]) -> list[OwnedJob]:
    """The jobs to wait for; those of last time while SLURM does not answer (it may restart)."""
    try:
        return select_uncared_jobs(survey_jobs(root))
    except NoAnswerError as error:
        if not before:
            raise
        print(f"{error}; asking again", flush=True)
        return before


def run_cancel(options: argparse.Namespace) -> int:
    """Cancel the orphans, those of unknown care only on request; 1 if some are left."""
    queue.require_slurm()
    left = select_uncared_jobs(survey_jobs(options.root))
    chosen = [
        c for c in left if c.care is JobCare.ORPHAN or (c.is_on_other_host and options.other_hosts)
    ]
    kept = [claim for claim in left if claim not in chosen]
    if chosen:
        print(f"cancelling {format_quantity(len(chosen))}; state of training is kept:")
        print(*(line for claim in chosen for line in format_owned_job(claim)), sep="\n", flush=True)
        queue.cancel_jobs([claim.job.id for claim in chosen])
        wait_for_cancelled(options.root, {claim.job.id for claim in chosen})
        print("cancelled: start Snakemake again, training goes on from its last checkpoint")
    if kept:
        names = sorted({claim.controller.name for claim in kept if claim.controller})
        print(
            f"kept {format_quantity(len(kept))} of {'; '.join(names)}: end it first, or, if it is"
            f" on"
            " another host and has ended there, add --other-hosts"
        )
    elif not chosen:
        print("no orphan to cancel")
    return int(bool(kept))


def wait_for_cancelled(root: Path, cancelled: set[str]) -> None:
    """Wait until cancelled jobs have left the queue.

    Raises:
        InputError: some are still there.
    """
    deadline = monotonic() + CANCEL_TIMEOUT_SECONDS
    while left := sorted(cancelled & {job.id for job in queue.list_queued_jobs(root)}):
        if monotonic() > deadline:
            raise InputError(
                f"cancelled, but still in the queue: {', '.join(left)}; see `retu cluster status`"
            )
        sleep(CANCEL_POLL_SECONDS)


def run_unlock(options: argparse.Namespace) -> int:
    """Let Snakemake remove the locks of a killed Snakemake, once none of its jobs is left.

    Raises:
        InputError: jobs of this folder are queued, or a Snakemake of it is or may be alive.
    """
    queue.require_slurm()
    claims, known = survey_jobs(options.root), read_controllers(options.root).values()
    living = [
        c
        for c in known
        if c.liveness is Liveness.ALIVE or (c.is_on_other_host and not options.other_hosts)
    ]
    if living:
        told = format_controller(living[0])
        raise InputError(
            f"not unlocked: there is a Snakemake, {told}. End it first (Ctrl-C once, and wait);"
            " one on another host that has ended is passed over with --other-hosts"
        )
    if claims:
        raise InputError(
            f"not unlocked: {format_quantity(len(claims))} of this folder in SLURM's queue"
            f" ({join_job_ids(claims)})"
            f" would be submitted a second time. {ORPHAN_REMEDIES}"
        )
    return queue.unlock_folder(options.root)
