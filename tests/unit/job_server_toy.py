"""A module that stands for `retu.cli.run_job`: it does what its second word says.

    python -m job_server_toy SCRIPT WHAT --

It also starts a server whose jobs are such (`python -m job_server_toy serve GROUP=FD [WORD]`),
with nothing imported ahead but NumPy; `interrupted` sends every job SIGINT as soon as it is there.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from retu.runtime import job_parent, job_server

VARIABLES = ("RETU_TOY", "RETU_JOB_SERVER", "RETU_JOB_CLIENT", "OMP_NUM_THREADS")


def describe_process() -> None:
    """What a job can see of itself, on its output."""
    told = {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "words": sys.argv[1:],
        "folder": os.getcwd(),
        "environment": {name: os.environ.get(name) for name in VARIABLES},
        "chance": [random.random(), float(np.random.random())],
        "cpu_seconds": time.process_time(),
        "main": sys.modules["__main__"].__spec__ is not None,
        "files": len(os.listdir("/proc/self/fd")) - 1,
    }
    print(json.dumps(told))
    print("from the job", file=sys.stderr)
    if os.environ.get("RETU_PROGRESS_FD"):
        os.write(3, b"progress\n")


def wait_for_signal(patient: bool) -> None:
    """Say that this waits, and do so until a signal comes."""

    def stop(number: int, _: object) -> None:
        print(f"asked by {signal.Signals(number).name}", flush=True)
        sys.exit(75)

    if patient:
        signal.signal(signal.SIGTERM, stop)
    Path("waiting").write_text(str(os.getpid()))
    time.sleep(60)


def main() -> None:
    """Do what was asked."""
    what = sys.argv[2]
    if what == "exit":
        sys.exit(int(sys.argv[3]))
    if what == "kill":
        os.kill(os.getpid(), int(sys.argv[3]))
    if what == "fail":
        raise ValueError("a mistake of this job")
    if what in ("wait", "save"):
        wait_for_signal(patient=what == "save")
    describe_process()


class InterruptingParent(job_parent.JobParent):
    """One whose jobs are interrupted as soon as they are there."""

    def become_job(self, *given: Any) -> None:
        """Be the job, and interrupt it."""
        super().become_job(*given)
        os.kill(os.getpid(), signal.SIGINT)


def serve(words: list[str]) -> None:
    """Be a server; `threads` lets its imports start a thread, `interrupted` interrupts jobs."""
    threads = "threads" in words

    def import_modules(group: str) -> None:
        if threads:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()

    job_parent.import_modules = import_modules
    if "interrupted" in words:
        patch.object(job_server, "JobParent", InterruptingParent).start()
    sys.argv[1:] = [word for word in words if "=" in word]
    job_server.main()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2:])
    else:
        main()
