"""Stopping when asked: SIGTERM, at a job's time limit or its preemption, costs no finished step.

Whoever is asked before it trains ends at once. A trainer is patient: it finishes its step (with
the evaluation that is due), saves, and ends with exit status 75, so the warning must come earlier
than that takes. SLURM requeues what it preempts by itself; a job whose time runs out is requeued
here, but only if this start of it got further than the one before.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from retu.core.errors import JobInterrupted
from retu.runtime.slurm import NoAnswerError, parse_duration, run_slurm_tool

RUNNING_OUT_SECONDS = 3600
"""A job with so little time left was warned of its limit; profiles warn later than that."""
KILL_WAIT_SECONDS = 600
"""How long a requeued job waits to be killed: SLURM's KillWait is half a minute unless changed."""


@dataclass
class StopRequest:
    """Whether this process was asked to stop, and how it reacts.

    Attributes:
        asked: it has received SIGTERM.
        patient: someone will look at `asked` when the work under way is safe.
    """

    asked: bool = False
    patient: bool = False


STOP_REQUEST = StopRequest()


def handle_sigterm(signal_number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM; a second one changes nothing, so a save is never cut short."""
    STOP_REQUEST.asked = True
    if not STOP_REQUEST.patient:
        STOP_REQUEST.patient = True
        raise JobInterrupted("before there was anything to save; start it again to go on")


@contextmanager
def listen_for_sigterm() -> Iterator[StopRequest]:
    """Hear SIGTERM in a block; within another one, or outside the main thread, nothing changes."""
    heard = signal.getsignal(signal.SIGTERM) is handle_sigterm
    if heard or threading.current_thread() is not threading.main_thread():
        yield STOP_REQUEST
        return
    STOP_REQUEST.asked = STOP_REQUEST.patient = False
    before = signal.signal(signal.SIGTERM, handle_sigterm)
    try:
        yield STOP_REQUEST
    finally:
        signal.signal(signal.SIGTERM, before)


def reset_sigterm_in_fork() -> None:
    """In a forked helper process, let SIGTERM end the process again (the default action)."""
    if signal.getsignal(signal.SIGTERM) is handle_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=reset_sigterm_in_fork)


def requeue_job(interruption: JobInterrupted) -> None:
    """Requeue a SLURM job whose time runs out, and wait for its end; otherwise return at once.

    Without progress it is not requeued: it would be started, warned and requeued for ever.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or not interruption.progressed:
        return
    try:
        left = parse_duration(run_slurm_tool("squeue", "-h", "-j", job, "-o", "%L").strip())
        if left is None or left > RUNNING_OUT_SECONDS:
            return
        run_slurm_tool("scontrol", "requeue", job)
    except NoAnswerError as error:
        print(f"job {job} could not be requeued ({error}); submit it again to go on", flush=True)
        return
    print(f"job {job} is requeued: its time is running out", flush=True)
    # A process that exited now would count as a failed job for whatever started it.
    time.sleep(KILL_WAIT_SECONDS)
