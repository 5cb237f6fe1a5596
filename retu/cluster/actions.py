"""What `retu cluster status`, `wait`, `cancel` and `unlock` do; exit status 1 means findings."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep

from retu.cluster import queue
from retu.cluster.controller import Controller, Life, controllers
from retu.cluster.orphans import COMMANDS, Care, Claim, ids, survey, uncared
from retu.cluster.pending_reasons import explain, never_starts
from retu.core.errors import InputError
from retu.core.text import counted
from retu.runtime.slurm import NoAnswerError

GONE_WITHIN = 90.0
"""Seconds within which cancelled jobs leave the queue: KillWait is 30 s by default."""
LOOK_AGAIN = 2.0


def run_status(options: argparse.Namespace) -> int:
    """Tell of each job of the work folder who looks after it and why it waits."""
    queue.require_slurm()
    claims = survey(options.root)
    left = uncared(claims)
    stuck = [claim for claim in claims if never_starts(claim.job)]
    pending = sum(claim.job.pending for claim in claims)
    print(f"{options.root}: {counted(len(claims))} in the queue, {pending} pending")
    for controller in controllers(options.root).values():
        print(f"Snakemake: {told_controller(controller)}")
    for claim in claims:
        print(*told(claim), sep="\n")
    if left:
        print(f"\n{len(left)} without a Snakemake known to be alive: {ids(left)}; {COMMANDS}")
    if stuck:
        print(f"\n{len(stuck)} will never start as things are: {ids(stuck)}; see above")
    return int(bool(left or stuck))


def told_controller(controller: Controller) -> str:
    """A controller in words."""
    lives = {Life.ALIVE: "alive", Life.DEAD: "has ended", Life.UNKNOWN: "on another host: unknown"}
    run = f", run {controller.run}" if controller.run else ""
    return f"{controller.name}{run}: {lives[controller.life]}"


def told(claim: Claim) -> Iterator[str]:
    """A job in a line; below it why it waits and what to do, unless it just waits its turn."""
    job, cared = claim.job, claim.care is Care.CONTROLLED
    state = f"{job.state} ({job.reason})" if job.pending else f"{job.state}, {job.left} left"
    care = "" if cared else f"  [looked after by {claim.care.value}]"
    yield f"  {job.id:<10} {job.partition:<12} {state}  {job.work}{care}"
    reason = explain(job)
    if job.pending and reason is None:
        yield f"{'':13}{job.reason}: see `man squeue` and `scontrol show job {job.id}`"
    elif reason is not None and reason.ends != "itself":
        never = ", it never starts" if reason.ends == "never" else ""
        yield f"{'':13}{reason.means}{never}: {reason.remedy}"


def run_wait(options: argparse.Namespace) -> int:
    """Wait until all jobs without a Snakemake have left the queue; 1 if some never will."""
    queue.require_slurm()
    before: list[Claim] = []
    while left := remaining(options.root, before):
        if states(left) != states(before):
            print(f"waiting for {counted(len(left))}:")
            print(*(line for claim in left for line in told(claim)), sep="\n", flush=True)
        if all(never_starts(claim.job) for claim in left):
            print("none of them will ever start: correct the cause, or `retu cluster cancel`")
            return 1
        before = left
        sleep(options.every)
    print("no orphan is left: start Snakemake again, it takes over what they have made")
    return 0


def states(claims: Sequence[Claim]) -> list[tuple[str, str, str]]:
    """What is worth telling again when it changes."""
    return [(claim.job.id, claim.job.state, claim.job.reason) for claim in claims]


def remaining(root: Path, before: list[Claim]) -> list[Claim]:
    """The jobs to wait for; those of last time while SLURM does not answer (it may restart)."""
    try:
        return uncared(survey(root))
    except NoAnswerError as error:
        if not before:
            raise
        print(f"{error}; asking again", flush=True)
        return before


def run_cancel(options: argparse.Namespace) -> int:
    """Cancel the orphans, those of unknown care only on request; 1 if some are left."""
    queue.require_slurm()
    left = uncared(survey(options.root))
    chosen = [c for c in left if c.care is Care.ORPHAN or (c.far and options.other_hosts)]
    kept = [claim for claim in left if claim not in chosen]
    if chosen:
        print(f"cancelling {counted(len(chosen))}; state of training is kept:")
        print(*(line for claim in chosen for line in told(claim)), sep="\n", flush=True)
        queue.cancel([claim.job.id for claim in chosen])
        gone(options.root, {claim.job.id for claim in chosen})
        print("cancelled: start Snakemake again, training goes on from its last checkpoint")
    if kept:
        names = sorted({claim.controller.name for claim in kept if claim.controller})
        print(
            f"kept {counted(len(kept))} of {'; '.join(names)}: end it first, or, if it is on"
            " another host and has ended there, add --other-hosts"
        )
    elif not chosen:
        print("no orphan to cancel")
    return int(bool(kept))


def gone(root: Path, cancelled: set[str]) -> None:
    """Wait until cancelled jobs have left the queue.

    Raises:
        InputError: some are still there.
    """
    deadline = monotonic() + GONE_WITHIN
    while left := sorted(cancelled & {job.id for job in queue.queued_jobs(root)}):
        if monotonic() > deadline:
            raise InputError(
                f"cancelled, but still in the queue: {', '.join(left)}; see `retu cluster status`"
            )
        sleep(LOOK_AGAIN)


def run_unlock(options: argparse.Namespace) -> int:
    """Let Snakemake remove the locks of a killed Snakemake, once none of its jobs is left.

    Raises:
        InputError: jobs of this folder are queued, or a Snakemake of it is or may be alive.
    """
    queue.require_slurm()
    claims, known = survey(options.root), controllers(options.root).values()
    living = [c for c in known if c.life is Life.ALIVE or (c.elsewhere and not options.other_hosts)]
    if living:
        told = told_controller(living[0])
        raise InputError(
            f"not unlocked: there is a Snakemake, {told}. End it first (Ctrl-C once, and wait);"
            " one on another host that has ended is passed over with --other-hosts"
        )
    if claims:
        raise InputError(
            f"not unlocked: {counted(len(claims))} of this folder in SLURM's queue ({ids(claims)})"
            f" would be submitted a second time. {COMMANDS}"
        )
    return queue.snakemake_unlock(options.root)
