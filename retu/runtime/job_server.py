"""The job server of a run: processes that have imported what jobs need, and fork to do them.

    python -m retu.runtime.job_server training=5 analysis=6     (descriptors that listen)

The run's Snakemake starts it (`retu.workflow.job_service`) and holds the other end of its standard
input: when that closes, however Snakemake ended, no job is taken any more, and all ends with the
last one that runs. At a group's first job the server forks a parent (`retu.runtime.job_parent`),
which imports what the group's scripts do; every job is a fork of that. The client
(`retu.runtime.job_client`) stands for the job: what it is sent goes on to the job, and a killed
client takes its job along.

A fork is as good as a new process only where all that imports look at is the same. The first job of
a group gives its parent its environment; a job with another one, of several threads, from another
folder or for another interpreter is refused. So is every job, if the imports have begun a thread or
opened a GPU.
"""

import fcntl
import os
import runpy
import signal
import socket
import sys
from collections.abc import Iterable

from retu.runtime.job_client import SHARED_FILES
from retu.runtime.job_parent import HELD_SIGNALS, LIFELINE, JobParent
from retu.runtime.job_request import JobRequest, close_all
from retu.runtime.signal_bell import Bell, wait_for_any


def serve(listeners: dict[str, socket.socket]) -> JobRequest | None:
    """Fork a group's parent when its first job comes, and see all of them end after the run.

    Returns:
        None at the end of a process of the server; in the process of a job, what it is to do.
    """
    bell, parents = Bell(), set[int]()
    while True:
        waiting = {one.fileno(): group for group, one in listeners.items()}
        ready = wait_for_any([LIFELINE, bell.readable, *waiting])
        asked = signal.SIGTERM in bell.read_signals()
        if asked or LIFELINE in ready:
            break
        parents -= {pid for pid in parents if os.waitpid(pid, os.WNOHANG)[0]}
        for number in ready & waiting.keys():
            listener = listeners.pop(waiting[number])
            pid = os.fork()
            if pid == 0:
                bell.close()
                close_all(*listeners.values())
                return JobParent(waiting[number], listener).serve()
            listener.close()
            parents.add(pid)
    close_all(*listeners.values())
    end_parents(parents, asked)
    return None


def end_parents(parents: Iterable[int], asked: bool) -> None:
    """Wait until the parents' last jobs are over; they see the end of the run by themselves."""
    if asked:
        for pid in parents:
            os.kill(pid, signal.SIGTERM)
    for pid in parents:
        os.waitpid(pid, 0)


def open_listeners(words: Iterable[str]) -> dict[str, socket.socket]:
    """The sockets of the groups, away from the numbers of the descriptors that a job gets."""
    given = {group: int(number) for group, _, number in (word.partition("=") for word in words)}
    first = len(SHARED_FILES)
    moved = {
        group: fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, first) for group, number in given.items()
    }
    close_all(*given.values())
    # The numbers of a job's descriptors must belong to nothing that an import opens.
    while (number := os.open(os.devnull, os.O_RDWR)) < first:
        continue
    os.close(number)
    return {group: socket.socket(fileno=number) for group, number in moved.items()}


def main() -> None:
    """Serve; in the process of a job, run its module as `python -m` does."""
    request, status = None, os.EX_SOFTWARE
    try:
        request = serve(open_listeners(sys.argv[1:]))
        status = os.EX_OK
    finally:
        # Errors included: no part of the server tears its modules down, none has anything to say.
        if request is None:
            os._exit(status)
    # Not before: an interruption of the job would end it as an error of the server.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)
    sys.argv[1:] = request.words[1:]
    runpy.run_module(request.words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
